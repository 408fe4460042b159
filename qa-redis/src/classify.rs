//! What redis' errors mean: their kind, and whether the command can have been applied.

use qa_resource_core::{Class, ErrorKind};
use redis::{ErrorKind as Kind, RedisError, ServerError, ServerErrorKind as Server};
use std::error::Error;
use std::io;
use std::sync::Arc;

/// The rule behind the table: a server that says no has not applied the command; an answer that
/// did not come, or that could not be read, says nothing of what the server did.
pub(crate) fn classify(error: &RedisError) -> Class {
    match error.kind() {
        Kind::Io => classify_io(error),
        Kind::Parse if is_no_protocol(error) => Class::unknown(ErrorKind::Connect),
        Kind::AuthenticationFailed => Class::not_applied(ErrorKind::Auth),
        Kind::InvalidClientConfig | Kind::EmptySentinelList | Kind::RESP3NotSupported => {
            Class::not_applied(ErrorKind::Config)
        }
        Kind::Client => Class::not_applied(ErrorKind::Operation),
        Kind::MasterNameNotFoundBySentinel
        | Kind::NoValidReplicasFoundBySentinel
        | Kind::ClusterConnectionNotFound => Class::not_applied(ErrorKind::Connect),
        Kind::Server(_) | Kind::Extension => classify_refusal(error),
        // Parse, UnexpectedReturnType: an answer of another type, to a command that was applied.
        _ => Class::unknown(ErrorKind::Operation),
    }
}

/// Whether what came is no answer at all, such as one that was cut off in the middle: the connection
/// is at fault. A value of another type than was asked for has a source too, but another text.
fn is_no_protocol(error: &RedisError) -> bool {
    let by_decoder = error.detail().is_some_and(|text| text.starts_with("Parse error at "));
    by_decoder || error.source().is_none()
}

fn classify_io(error: &RedisError) -> Class {
    match io_kind(error) {
        // What can only be met before a command is sent.
        Some(
            io::ErrorKind::ConnectionRefused
            | io::ErrorKind::NotFound
            | io::ErrorKind::NotConnected
            | io::ErrorKind::AddrNotAvailable
            | io::ErrorKind::AddrInUse
            | io::ErrorKind::PermissionDenied,
        ) => Class::not_applied(ErrorKind::Connect),
        Some(io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock) => {
            Class::unknown(ErrorKind::Timeout)
        }
        _ => Class::unknown(ErrorKind::Connect),
    }
}

/// redis gives its I/O error as a source behind an `Arc`.
fn io_kind(error: &RedisError) -> Option<io::ErrorKind> {
    let source = error.source()?.downcast_ref::<Arc<dyn Error + Send + Sync>>()?;
    source.downcast_ref::<io::Error>().map(io::Error::kind)
}

/// A server's no: to one command, to some of a pipeline, or to a whole transaction.
fn classify_refusal(error: &RedisError) -> Class {
    let Some(errors) = error.clone().into_server_errors() else {
        return class_of(error.code().unwrap_or_default(), error.detail().unwrap_or_default());
    };
    let Some((_, first)) = errors.first() else {
        return Class::unknown(ErrorKind::Operation);
    };
    let class = class_of_error(first);
    // Of a pipeline some commands failed; the others were applied. A transaction that was aborted
    // while it was queued was not: its kind is EXECABORT, and its parts are what it died of.
    let single = error.source().is_some();
    let execabort = Kind::Server(Server::ExecAbort);
    let aborted = error.kind() == execabort && first.kind() != Some(Server::ExecAbort);
    if single || aborted { class } else { Class::unknown(class.kind) }
}

fn class_of_error(error: &ServerError) -> Class {
    class_of(error.code(), error.details().unwrap_or_default())
}

fn class_of(code: &str, detail: &str) -> Class {
    let class = Class::not_applied(kind_of(code, detail));
    // A script that fails half way keeps what it wrote before. A read-only server lets no script
    // write at all.
    let in_script = detail.contains("user_script") || detail.contains("user_function");
    if in_script && code != "READONLY" { Class::unknown(class.kind) } else { class }
}

fn kind_of(code: &str, detail: &str) -> ErrorKind {
    match code {
        "NOAUTH" | "WRONGPASS" | "NOPERM" | "DENIED" => ErrorKind::Auth,
        // The server is there, but can't serve: it loads, it lost its master, it's no longer one, or
        // it no longer has the key.
        "LOADING" | "MASTERDOWN" | "CLUSTERDOWN" | "READONLY" | "NOREPLICAS" | "MOVED" | "ASK" => {
            ErrorKind::Connect
        }
        "OOM" | "BUSY" | "TRYAGAIN" | "MISCONF" => ErrorKind::Overloaded,
        "ERR" => kind_of_text(detail),
        _ => ErrorKind::Operation,
    }
}

/// Errors that have no code of their own.
fn kind_of_text(detail: &str) -> ErrorKind {
    const TEXTS: [(&str, ErrorKind); 6] = [
        ("max number of clients", ErrorKind::Overloaded),
        ("invalid password", ErrorKind::Auth),
        ("no password is set", ErrorKind::Auth),
        ("without any password configured", ErrorKind::Auth),
        ("DB index is out of range", ErrorKind::Config),
        ("invalid DB index", ErrorKind::Config),
    ];
    let known = TEXTS.into_iter().find(|(text, _)| detail.contains(text));
    known.map_or(ErrorKind::Operation, |(_, kind)| kind)
}

#[cfg(test)]
#[path = "classify_tests.rs"]
mod tests;
