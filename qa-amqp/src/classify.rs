//! What each error means: its kind, and whether the operation can have been applied.

use crate::Error;
use crate::error::OPENING;
use lapin::protocol::{AMQPError, AMQPErrorKind, AMQPHardError, AMQPSoftError};
use qa_resource_core::{Class, ErrorKind};
use std::io;

/// AMQP's reply code for a queue that is another connection's.
const RESOURCE_LOCKED: u16 = 405;

pub(crate) fn classify(error: &Error) -> Class {
    match error {
        // Held by another connection, which may be our own last one that the broker still takes to
        // be alive: it comes free.
        Error::Declare { .. } if error.reply_code() == Some(RESOURCE_LOCKED) => {
            Class::not_applied(ErrorKind::Connect)
        }
        Error::Driver(source) | Error::Declare { source, .. } | Error::Consume { source, .. } => {
            driver(source)
        }
        // Whatever became of it, a channel holds nothing.
        Error::Open(source) => Class::not_applied(driver(source).kind),
        Error::Name { .. } | Error::Tls(_) => Class::not_applied(ErrorKind::Config),
        Error::Credentials(_) => Class::not_applied(ErrorKind::Connect),
        Error::TimedOut { doing: OPENING, .. } => Class::not_applied(ErrorKind::Timeout),
        Error::TimedOut { .. } => Class::unknown(ErrorKind::Timeout),
    }
}

/// The driver calls every error that a broker sends recoverable, a wrong password too; this reads
/// the reply code instead.
fn driver(error: &lapin::Error) -> Class {
    use lapin::ErrorKind as Kind;
    match error.kind() {
        Kind::ChannelsLimitReached => Class::not_applied(ErrorKind::Overloaded),
        Kind::InvalidProtocolVersion(_) | Kind::NoDefaultRuntime | Kind::SerialisationError(_) => {
            Class::not_applied(ErrorKind::Config)
        }
        Kind::InvalidChannelState(_, method) if is_ours(method) => {
            // Checked before it is written.
            Class::not_applied(ErrorKind::Connect)
        }
        Kind::IOError(error) => io_error(error),
        Kind::ProtocolError(error) => protocol(error),
        Kind::AuthProviderError(_) => Class::not_applied(ErrorKind::Auth),
        Kind::FutureCompleted => Class::unknown(ErrorKind::Operation),
        // A heartbeat that is missing, a stream that can't be parsed, a runtime that is gone, a
        // connection or a channel that was closed over it, and whatever a later driver adds: the
        // connection is of no use, and what was on its way may have arrived.
        _ => Class::unknown(ErrorKind::Connect),
    }
}

/// What a broker may send to a channel that takes it no more. Of these and of answers (`…-ok`) the
/// driver makes the end of everything that is on its way on the channel or the connection.
const RECEIVED: [&str; 8] = [
    "basic.ack",
    "basic.nack",
    "basic.cancel",
    "basic.deliver",
    "basic.return",
    "basic.get-empty",
    "channel.close",
    "channel.flow",
];

/// Whether the state of a channel stood against a method of ours, not against one that was received.
pub(crate) fn is_ours(method: &str) -> bool {
    !method.contains("-ok") && !RECEIVED.contains(&method)
}

/// Errors of a dial are certain; those of a connection that stood may have lost only the answer.
fn io_error(error: &io::Error) -> Class {
    match error.kind() {
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::AddrNotAvailable
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::NotFound => Class::not_applied(ErrorKind::Connect),
        io::ErrorKind::TimedOut => Class::unknown(ErrorKind::Timeout),
        _ => Class::unknown(ErrorKind::Connect),
    }
}

fn protocol(error: &AMQPError) -> Class {
    match error.kind() {
        AMQPErrorKind::Soft(soft) => Class::not_applied(match soft {
            AMQPSoftError::ACCESSREFUSED => ErrorKind::Auth,
            AMQPSoftError::CONTENTTOOLARGE
            | AMQPSoftError::NOROUTE
            | AMQPSoftError::NOCONSUMERS
            | AMQPSoftError::NOTFOUND
            | AMQPSoftError::RESOURCELOCKED
            | AMQPSoftError::PRECONDITIONFAILED => ErrorKind::Operation,
        }),
        AMQPErrorKind::Hard(hard) => match hard {
            // An operator, a restart, or a node that is not up yet: it may have been applied.
            AMQPHardError::CONNECTIONFORCED | AMQPHardError::INTERNALERROR => {
                Class::unknown(ErrorKind::Connect)
            }
            AMQPHardError::RESOURCEERROR => Class::unknown(ErrorKind::Overloaded),
            AMQPHardError::INVALIDPATH => Class::not_applied(ErrorKind::Config),
            AMQPHardError::NOTALLOWED => Class::not_applied(not_allowed(error)),
            AMQPHardError::NOTIMPLEMENTED => Class::not_applied(ErrorKind::Operation),
            // Somebody breaks the protocol: a new connection starts afresh.
            AMQPHardError::FRAMEERROR
            | AMQPHardError::SYNTAXERROR
            | AMQPHardError::COMMANDINVALID
            | AMQPHardError::CHANNELERROR
            | AMQPHardError::UNEXPECTEDFRAME => Class::unknown(ErrorKind::Connect),
        },
    }
}

/// 530 has three meanings, told apart by its text alone: no such virtual host, no right to it, and
/// a limit on connections.
fn not_allowed(error: &AMQPError) -> ErrorKind {
    let text = error.get_message().as_str().to_ascii_lowercase();
    if text.contains("limit") {
        ErrorKind::Overloaded
    } else if text.contains("refused for user") {
        ErrorKind::Auth
    } else {
        ErrorKind::Config
    }
}

#[cfg(test)]
#[path = "classify_tests.rs"]
mod tests;
