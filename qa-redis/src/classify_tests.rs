//! The table: every kind of error, what it means and whether the command can have been applied.

use super::*;
use qa_resource_core::ErrorKind::{Auth, Config, Connect, Operation, Overloaded, Timeout};
use qa_resource_core::Outcome::{NotApplied, Unknown};
use redis::{Value, parse_redis_value};

fn general(kind: Kind) -> RedisError {
    (kind, "of the driver").into()
}

/// What the server's line becomes in the driver.
fn answer(line: &str) -> RedisError {
    let value = parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
    value.extract_error().unwrap_err()
}

#[test]
fn every_kind_of_the_driver_has_its_class() {
    let cases = [
        (Kind::Parse, Connect, Unknown),
        (Kind::AuthenticationFailed, Auth, NotApplied),
        (Kind::UnexpectedReturnType, Operation, Unknown),
        (Kind::InvalidClientConfig, Config, NotApplied),
        (Kind::Io, Connect, Unknown),
        (Kind::Client, Operation, NotApplied),
        (Kind::Extension, Operation, NotApplied),
        (Kind::MasterNameNotFoundBySentinel, Connect, NotApplied),
        (Kind::NoValidReplicasFoundBySentinel, Connect, NotApplied),
        (Kind::EmptySentinelList, Config, NotApplied),
        (Kind::ClusterConnectionNotFound, Connect, NotApplied),
        (Kind::RESP3NotSupported, Config, NotApplied),
        (Kind::Server(Server::ResponseError), Operation, NotApplied),
        (Kind::Server(Server::ExecAbort), Operation, NotApplied),
        (Kind::Server(Server::BusyLoading), Connect, NotApplied),
        (Kind::Server(Server::NoScript), Operation, NotApplied),
        (Kind::Server(Server::Moved), Connect, NotApplied),
        (Kind::Server(Server::Ask), Connect, NotApplied),
        (Kind::Server(Server::TryAgain), Overloaded, NotApplied),
        (Kind::Server(Server::ClusterDown), Connect, NotApplied),
        (Kind::Server(Server::CrossSlot), Operation, NotApplied),
        (Kind::Server(Server::MasterDown), Connect, NotApplied),
        (Kind::Server(Server::ReadOnly), Connect, NotApplied),
        (Kind::Server(Server::NotBusy), Operation, NotApplied),
        (Kind::Server(Server::NoSub), Operation, NotApplied),
        (Kind::Server(Server::NoPerm), Auth, NotApplied),
    ];
    for (kind, expected, outcome) in cases {
        assert_eq!(classify(&general(kind)), Class { kind: expected, outcome }, "{kind:?}");
    }
}

#[test]
fn every_kind_of_io_error_has_its_class() {
    use io::ErrorKind as Io;
    let cases = [
        (Io::ConnectionRefused, Connect, NotApplied),
        (Io::NotFound, Connect, NotApplied),
        (Io::NotConnected, Connect, NotApplied),
        (Io::AddrNotAvailable, Connect, NotApplied),
        (Io::AddrInUse, Connect, NotApplied),
        (Io::PermissionDenied, Connect, NotApplied),
        (Io::ConnectionReset, Connect, Unknown),
        (Io::ConnectionAborted, Connect, Unknown),
        (Io::BrokenPipe, Connect, Unknown),
        (Io::UnexpectedEof, Connect, Unknown),
        (Io::InvalidData, Connect, Unknown),
        (Io::HostUnreachable, Connect, Unknown),
        (Io::NetworkUnreachable, Connect, Unknown),
        (Io::Other, Connect, Unknown),
        (Io::TimedOut, Timeout, Unknown),
        (Io::WouldBlock, Timeout, Unknown),
    ];
    for (io, kind, outcome) in cases {
        for error in [io::Error::from(io), io::Error::new(io, "with a text")] {
            assert_eq!(classify(&error.into()), Class { kind, outcome }, "{io:?}");
        }
    }
}

#[test]
fn every_answer_of_a_server_has_its_class() {
    let cases = [
        ("NOAUTH Authentication required.", Auth, NotApplied),
        ("WRONGPASS invalid username-password pair or user is disabled.", Auth, NotApplied),
        ("NOPERM this user has no permissions to run the 'set' command", Auth, NotApplied),
        ("DENIED Redis is running in protected mode", Auth, NotApplied),
        ("ERR invalid password", Auth, NotApplied),
        ("ERR Client sent AUTH, but no password is set", Auth, NotApplied),
        ("ERR AUTH <password> called without any password configured", Auth, NotApplied),
        ("ERR DB index is out of range", Config, NotApplied),
        ("ERR invalid DB index", Config, NotApplied),
        ("ERR max number of clients reached", Overloaded, NotApplied),
        ("OOM command not allowed when used memory > 'maxmemory'.", Overloaded, NotApplied),
        ("BUSY Redis is busy running a script.", Overloaded, NotApplied),
        ("MISCONF Redis is configured to save RDB snapshots, but can't", Overloaded, NotApplied),
        ("TRYAGAIN Multiple keys request during rehashing of slot", Overloaded, NotApplied),
        ("LOADING Redis is loading the dataset in memory", Connect, NotApplied),
        ("MASTERDOWN Link with MASTER is down", Connect, NotApplied),
        ("CLUSTERDOWN The cluster is down", Connect, NotApplied),
        ("NOREPLICAS Not enough good replicas to write.", Connect, NotApplied),
        ("READONLY You can't write against a read only replica.", Connect, NotApplied),
        ("MOVED 1234 127.0.0.1:7001", Connect, NotApplied),
        ("ASK 1234 127.0.0.1:7001", Connect, NotApplied),
        ("CROSSSLOT Keys in request don't hash to the same slot", Operation, NotApplied),
        ("NOSCRIPT No matching script.", Operation, NotApplied),
        ("NOTBUSY No scripts in execution right now.", Operation, NotApplied),
        ("EXECABORT Transaction discarded because of previous errors.", Operation, NotApplied),
        ("WRONGTYPE Operation against a key holding the wrong kind", Operation, NotApplied),
        ("BUSYGROUP Consumer Group name already exists", Operation, NotApplied),
        ("ERR unknown command 'NOPE'", Operation, NotApplied),
        ("ERR value is not an integer or out of range", Operation, NotApplied),
        // What a script wrote before it failed stays written.
        ("WRONGTYPE Operation script: 4e6, on @user_script:1.", Operation, Unknown),
        ("ERR Error running script (call to f_4e6): @user_script:1: boom", Operation, Unknown),
        ("OOM not allowed script: f, on @user_function:3.", Overloaded, Unknown),
        ("READONLY You can't write. script: 4e6, on @user_script:1.", Connect, NotApplied),
    ];
    for (line, kind, outcome) in cases {
        assert_eq!(classify(&answer(line)), Class { kind, outcome }, "{line}");
    }
}

/// With the text that the driver's decoder has for an answer that ends too early; `loss` in the
/// tests has a real one.
#[test]
fn an_answer_that_was_cut_off_is_the_connections_fault() {
    let text = "Parse error at 2\nUnexpected end of input\n".to_owned();
    let error = RedisError::from(redis::ParsingError::from(text));
    assert_eq!(classify(&error), Class::unknown(Connect));
}

#[test]
fn an_answer_of_another_type_was_still_given_to_an_applied_command() {
    let error = redis::from_redis_value::<i64>(Value::SimpleString("long".into())).unwrap_err();
    assert_eq!(classify(&RedisError::from(error)), Class::unknown(Operation));
}
