//! The example of OpenTelemetry's export gives one trace for one order, with the conventions' names.
#![cfg(all(feature = "redis", feature = "amqp", feature = "opentelemetry"))]

mod common;

use common::{output, server};
use qa_servers::System;
use std::collections::BTreeMap;

/// A span as it was exported: what stands before and after the colons.
type Span = BTreeMap<String, String>;

/// The spans in what the exporter has printed.
fn spans(text: &str) -> Vec<Span> {
    let field = |line: &str| {
        let (name, value) = line.trim().trim_start_matches("->").split_once(':')?;
        let value = value.split('"').nth(1).unwrap_or(value.trim());
        Some((name.trim().to_owned(), value.to_owned()))
    };
    // What was logged inside of it comes last.
    let spans = text.split("Span #").skip(1).map(|span| span.split("Events:").next().unwrap());
    spans.map(|span| span.lines().filter_map(field).collect()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_one_trace_from_its_position_to_its_handler() {
    let (redis, rabbit) = tokio::join!(server(System::Redis), server(System::RabbitMq));
    let rabbit = rabbit.vhost("traces").await.unwrap();
    let urls = [redis.url(), rabbit.clone()];
    let text = output("traces", &[&urls[0], &urls[1]], &[]).await;
    let spans = spans(&text);
    let named = |name: &str| {
        let mut found = spans.iter().filter(|span| span.get("Name").is_some_and(|one| one == name));
        found.next().unwrap_or_else(|| panic!("no span {name}: {text}"))
    };
    let (order, get, publish, process) =
        (named("order"), named("redis"), named("publish"), named("process"));
    for span in [get, publish, process] {
        assert_eq!(span["TraceId"], order["TraceId"], "one trace: {text}");
    }
    assert_eq!(get["ParentSpanId"], order["SpanId"], "{text}");
    assert_eq!(publish["ParentSpanId"], order["SpanId"], "{text}");
    assert_eq!(process["ParentSpanId"], publish["SpanId"], "{text}");
    let kinds = [get, publish, process].map(|span| span["Kind"].as_str());
    assert_eq!(kinds, ["Client", "Producer", "Consumer"], "{text}");
    assert_eq!(get["db.system.name"], "redis");
    assert_eq!(publish["messaging.destination.name"], "orders");
    // Nobody's child: connects are the supervisor's.
    let connects = spans.iter().filter(|span| span.get("Name").is_some_and(|one| one == "connect"));
    assert_eq!(connects.count(), 2, "{text}");
    for secret in [redis.password(), server(System::RabbitMq).await.password()] {
        assert!(!text.contains(secret), "a password is in a span");
    }
}
