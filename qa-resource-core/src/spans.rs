//! The spans that are opened, in one file. Names and fields follow OpenTelemetry's semantic conventions.
//!
//! | span | level | around | fields beside the common ones |
//! |---|---|---|---|
//! | `connect` | INFO | one connect attempt, from dial to the server's answer | |
//! | `operation` | DEBUG | one attempt of an operation in `Resource::run` | `otel.name`, the system |
//!
//! Common are `otel.kind` (`client`), `db.system.name` or `messaging.system`, `server.address`,
//! `resource` and `attempt`; and of one that failed `error.type`, `outcome` and `otel.status_code`.

use crate::metrics::is_messaging;
use crate::shared::Shared;
use crate::{Backend, Error, Outcome};
use tracing::{Level, Span, field::Empty};

/// A client's span: what its system is called by depends on what it is, and a field's name is fixed.
macro_rules! client_span {
    ($level:expr, $name:literal, $shared:ident, $attempt:ident $(, $field:ident . $key:ident = $value:expr)*) => {{
        let (resource, address) = (&*$shared.name, $shared.backend.address());
        if is_messaging(B::SYSTEM) {
            tracing::span!(
                $level, $name, $($field.$key = $value,)* otel.kind = "client",
                messaging.system = B::SYSTEM, server.address = address, resource,
                attempt = $attempt, error.type = Empty, outcome = Empty, otel.status_code = Empty
            )
        } else {
            tracing::span!(
                $level, $name, $($field.$key = $value,)* otel.kind = "client",
                db.system.name = B::SYSTEM, server.address = address, resource,
                attempt = $attempt, error.type = Empty, outcome = Empty, otel.status_code = Empty
            )
        }
    }};
}

/// Around one connect attempt, from dial to the server's answer.
pub(crate) fn connect<B: Backend>(shared: &Shared<B>, attempt: u32) -> Span {
    client_span!(Level::INFO, "connect", shared, attempt)
}

/// Around one attempt of an operation in [`Resource::run`](crate::Resource::run). What the operation is
/// only its caller knows: then the conventions name it by its system.
pub(crate) fn operation<B: Backend>(shared: &Shared<B>, attempt: u32) -> Span {
    client_span!(Level::DEBUG, "operation", shared, attempt, otel.name = B::SYSTEM)
}

/// Notes in a span how what it was around has failed.
pub(crate) fn failed(span: &Span, error: &Error) {
    span.record("error.type", error.kind().as_str());
    let outcome = match error.outcome() {
        Outcome::NotApplied => "not_applied",
        Outcome::Unknown => "unknown",
    };
    span.record("outcome", outcome);
    span.record("otel.status_code", "ERROR");
}
