use super::*;
use lapin::types::ShortString;
use lapin::{ChannelState, ConnectionState, ErrorKind as Driver};
use qa_resource_core::Outcome::{NotApplied, Unknown};
use std::sync::Arc;
use std::time::Duration;

fn amqp(code: u16, text: &str) -> Error {
    let error = AMQPError::from_id(code, ShortString::from(text)).unwrap();
    Error::Driver(Driver::ProtocolError(error).into())
}

fn io(kind: io::ErrorKind) -> Error {
    Error::Driver(Driver::IOError(Arc::new(io::Error::from(kind))).into())
}

fn check(case: &str, error: &Error, kind: ErrorKind, outcome: qa_resource_core::Outcome) {
    assert_eq!(classify(error), Class { kind, outcome }, "{case}: {error}");
}

#[test]
fn every_reply_code_has_its_meaning() {
    let table = [
        (311, "", ErrorKind::Operation, NotApplied),
        (312, "", ErrorKind::Operation, NotApplied),
        (313, "", ErrorKind::Operation, NotApplied),
        (320, "CONNECTION_FORCED - broker forced connection closure", ErrorKind::Connect, Unknown),
        (402, "", ErrorKind::Config, NotApplied),
        (403, "ACCESS_REFUSED - Login was refused", ErrorKind::Auth, NotApplied),
        (404, "NOT_FOUND - no queue 'q' in vhost '/'", ErrorKind::Operation, NotApplied),
        (405, "RESOURCE_LOCKED", ErrorKind::Operation, NotApplied),
        (406, "PRECONDITION_FAILED - inequivalent arg", ErrorKind::Operation, NotApplied),
        (501, "", ErrorKind::Connect, Unknown),
        (502, "", ErrorKind::Connect, Unknown),
        (503, "", ErrorKind::Connect, Unknown),
        (504, "", ErrorKind::Connect, Unknown),
        (505, "", ErrorKind::Connect, Unknown),
        (506, "", ErrorKind::Overloaded, Unknown),
        (530, "NOT_ALLOWED - vhost nowhere not found", ErrorKind::Config, NotApplied),
        (
            530,
            "NOT_ALLOWED - access to vhost '/' refused for user 'u'",
            ErrorKind::Auth,
            NotApplied,
        ),
        (
            530,
            "NOT_ALLOWED - access to vhost '/' refused for user 'u': connection limit (1) is reached",
            ErrorKind::Overloaded,
            NotApplied,
        ),
        (540, "", ErrorKind::Operation, NotApplied),
        (541, "INTERNAL_ERROR", ErrorKind::Connect, Unknown),
    ];
    for (code, text, kind, outcome) in table {
        check(&code.to_string(), &amqp(code, text), kind, outcome);
        assert_eq!(amqp(code, text).reply_code(), Some(code));
    }
}

#[test]
fn every_driver_error_has_its_meaning() {
    let state = |kind: Driver| Error::Driver(kind.into());
    let channel = |method| state(Driver::InvalidChannelState(ChannelState::Closing, method));
    let table = [
        ("channels", state(Driver::ChannelsLimitReached), ErrorKind::Overloaded, NotApplied),
        ("channel", state(Driver::InvalidChannel(7)), ErrorKind::Connect, Unknown),
        ("not sent", channel("basic.publish"), ErrorKind::Connect, NotApplied),
        ("not sent either", channel("queue.declare"), ErrorKind::Connect, NotApplied),
        ("answered too late", channel("queue.declare-ok"), ErrorKind::Connect, Unknown),
        ("closed over it", channel("channel.close-ok received"), ErrorKind::Connect, Unknown),
        ("received", channel("basic.return"), ErrorKind::Connect, Unknown),
        (
            "connection state",
            state(Driver::InvalidConnectionState(ConnectionState::Closed)),
            ErrorKind::Connect,
            Unknown,
        ),
        ("auth", state(Driver::AuthProviderError("no".into())), ErrorKind::Auth, NotApplied),
        ("completed", state(Driver::FutureCompleted), ErrorKind::Operation, Unknown),
        ("runtime", state(Driver::NoDefaultRuntime), ErrorKind::Config, NotApplied),
        ("heartbeat", state(Driver::MissingHeartbeatError), ErrorKind::Connect, Unknown),
        (
            "shutdown",
            state(Driver::RuntimeShutdownError(Arc::new(io::Error::other("gone")))),
            ErrorKind::Connect,
            Unknown,
        ),
        ("refused", io(io::ErrorKind::ConnectionRefused), ErrorKind::Connect, NotApplied),
        ("no name", io(io::ErrorKind::NotFound), ErrorKind::Connect, NotApplied),
        ("unreachable", io(io::ErrorKind::HostUnreachable), ErrorKind::Connect, NotApplied),
        ("reset", io(io::ErrorKind::ConnectionReset), ErrorKind::Connect, Unknown),
        ("aborted", io(io::ErrorKind::ConnectionAborted), ErrorKind::Connect, Unknown),
        ("pipe", io(io::ErrorKind::BrokenPipe), ErrorKind::Connect, Unknown),
        ("certificate", io(io::ErrorKind::InvalidData), ErrorKind::Connect, Unknown),
        ("timed out", io(io::ErrorKind::TimedOut), ErrorKind::Timeout, Unknown),
    ];
    for (case, error, kind, outcome) in table {
        check(case, &error, kind, outcome);
        assert_eq!(error.reply_code(), None, "{case}");
    }
}

#[test]
fn our_own_errors_have_their_meaning() {
    let refusal = |code, text| match amqp(code, text) {
        Error::Driver(error) => error,
        other => panic!("{other}"),
    };
    let source = || refusal(406, "PRECONDITION_FAILED");
    let refused =
        |source| Error::Declare { doing: "declaring", entity: "queue `q`".into(), source };
    let declare = refused(source());
    check("declare", &declare, ErrorKind::Operation, NotApplied);
    let held = refused(refusal(405, "RESOURCE_LOCKED"));
    check("held by another", &held, ErrorKind::Connect, NotApplied);
    assert!(declare.to_string().starts_with("declaring queue `q`: "), "{declare}");
    assert_eq!(declare.reply_code(), Some(406));
    let consume = Error::Consume { queue: "q".into(), source: source() };
    check("consume", &consume, ErrorKind::Operation, NotApplied);
    let limit = Duration::from_secs(1);
    check("time", &Error::TimedOut { doing: "d", limit }, ErrorKind::Timeout, Unknown);
    let opening = Error::TimedOut { doing: OPENING, limit };
    check("time to open", &opening, ErrorKind::Timeout, NotApplied);
    check("name", &Error::Name { what: "w", length: 256 }, ErrorKind::Config, NotApplied);
    let closed = Driver::InvalidConnectionState(ConnectionState::Closed);
    check("open", &Error::Open(closed.into()), ErrorKind::Connect, NotApplied);
    check("tls", &Error::Tls("t".into()), ErrorKind::Config, NotApplied);
}
