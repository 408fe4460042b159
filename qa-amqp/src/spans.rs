//! The spans that are opened, in one file. Fields follow OpenTelemetry's semantic conventions for
//! messaging: <https://opentelemetry.io/docs/specs/semconv/messaging/rabbitmq/>.

use crate::Delivery;
use crate::trace_context;
use lapin::BasicProperties;
use std::fmt;
use tracing::{Span, info_span};

/// Around one publish, from the first attempt until the broker's last word. Its context goes along
/// with the message.
pub(crate) fn publish(
    resource: &str,
    (exchange, routing_key): (&str, &str),
    properties: &mut BasicProperties,
) -> Span {
    let id = properties.message_id().as_ref().map(lapin::types::ShortString::as_str);
    let span = info_span!(
        "publish",
        otel.kind = "producer",
        messaging.system = "rabbitmq",
        messaging.operation.name = "publish",
        messaging.operation.type = "send",
        messaging.destination.name = %Destination([exchange, routing_key]),
        messaging.message.id = id,
        resource
    );
    trace_context::inject(&span, properties);
    span
}

/// Around one handler and its acknowledgement: a child of the publish that it came from.
pub(crate) fn process(resource: &str, queue: &str, delivery: &Delivery) -> Span {
    let span = info_span!(
        "process",
        otel.kind = "consumer",
        messaging.system = "rabbitmq",
        messaging.operation.name = "process",
        messaging.operation.type = "process",
        messaging.destination.name =
            %Destination([&delivery.exchange, &delivery.routing_key, queue]),
        messaging.message.id = delivery.message_id(),
        resource
    );
    trace_context::extract(&span, &delivery.properties);
    span
}

/// A destination's name by the conventions: what there is of its parts.
struct Destination<'a, const N: usize>([&'a str; N]);

impl<const N: usize> fmt::Display for Destination<'_, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut colon = "";
        for part in self.0.iter().filter(|part| !part.is_empty()) {
            write!(f, "{colon}{part}")?;
            colon = ":";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_named_by_what_there_is_of_it() {
        assert_eq!(Destination(["market", "bar.cu"]).to_string(), "market:bar.cu");
        assert_eq!(Destination(["", "orders"]).to_string(), "orders");
        assert_eq!(Destination(["all", "", "mine"]).to_string(), "all:mine");
    }
}
