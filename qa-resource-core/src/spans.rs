//! The spans that are opened, in one file. Fields follow OpenTelemetry's semantic conventions.

use crate::Backend;
use crate::metrics::is_messaging;
use crate::shared::Shared;
use tracing::{Span, debug_span, info_span};

/// Around one connect attempt, from dial to an answered ping.
pub(crate) fn connect<B: Backend>(shared: &Shared<B>) -> Span {
    let (pool, address) = (&*shared.name, shared.backend.address());
    if is_messaging(B::SYSTEM) {
        info_span!(
            "connect",
            otel.kind = "client",
            messaging.system = B::SYSTEM,
            server.address = address,
            resource = pool
        )
    } else {
        info_span!(
            "connect",
            otel.kind = "client",
            db.system.name = B::SYSTEM,
            server.address = address,
            resource = pool
        )
    }
}

/// Around one attempt of an operation in [`Resource::run`](crate::Resource::run).
pub(crate) fn operation<B: Backend>(shared: &Shared<B>, attempt: u32) -> Span {
    let (pool, address) = (&*shared.name, shared.backend.address());
    if is_messaging(B::SYSTEM) {
        debug_span!(
            "operation",
            otel.kind = "client",
            messaging.system = B::SYSTEM,
            server.address = address,
            resource = pool,
            attempt
        )
    } else {
        debug_span!(
            "operation",
            otel.kind = "client",
            db.system.name = B::SYSTEM,
            server.address = address,
            resource = pool,
            attempt
        )
    }
}
