//! The context of a trace goes along with a message, from the publish to its handler.
//!
//! In a process of its own, because the subscriber and the propagator are the process'.
#![cfg(feature = "opentelemetry")]

#[path = "broker/support.rs"]
mod support;

use opentelemetry::global::set_text_map_propagator;
use opentelemetry::trace::{SpanId, SpanKind, TracerProvider};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use qa_amqp::lapin::types::{AMQPValue, FieldTable};
use qa_amqp::{Consumer, ConsumerSettings, Delivery};
use qa_servers::testing::eventually;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use support::{PATIENCE, close, no_properties, publisher, vhost, with_bars};
use tracing::{Instrument, info_span};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Has the process trace into memory.
fn trace() -> InMemorySpanExporter {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    tracing_subscriber::registry().with(layer).init();
    set_text_map_propagator(TraceContextPropagator::new());
    exporter
}

fn named(spans: &[SpanData], name: &str) -> Vec<SpanData> {
    spans.iter().filter(|span| span.name == name).cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_is_a_child_of_the_publish_that_it_comes_from() {
    let exporter = trace();
    let resource = with_bars(&vhost("traces").await).await;
    let handled = Arc::new(Mutex::new(Vec::<Delivery>::new()));
    let consumer = Consumer::start(&resource, ConsumerSettings::new("bars"), {
        let handled = Arc::clone(&handled);
        move |delivery| {
            handled.lock().unwrap().push(delivery);
            async {
                info_span!("work").in_scope(|| {});
                Ok::<_, Infallible>(())
            }
        }
    });
    let mut headers = FieldTable::default();
    headers.insert("mine".into(), AMQPValue::LongInt(7));
    let properties = no_properties().with_headers(headers);
    let publisher = publisher(&resource);
    let sent = publisher.publish("", "bars", b"x", properties);
    let _ = sent.instrument(info_span!("decide")).await.unwrap();
    eventually("it is handled", PATIENCE, async || consumer.stats().handled == 1).await;
    drop((consumer, publisher));
    close(resource).await;

    let spans = exporter.get_finished_spans().unwrap();
    let [decide, publish, process, work] =
        ["decide", "publish", "process", "work"].map(|name| match &named(&spans, name)[..] {
            [one] => one.clone(),
            others => panic!("{} spans `{name}`", others.len()),
        });
    let trace = decide.span_context.trace_id();
    for (parent, child) in [(&decide, &publish), (&publish, &process), (&process, &work)] {
        assert_eq!(child.parent_span_id, parent.span_context.span_id(), "{}", child.name);
        assert_eq!(child.span_context.trace_id(), trace, "{}", child.name);
    }
    assert_eq!(decide.parent_span_id, SpanId::INVALID);
    assert_eq!((publish.span_kind, process.span_kind), (SpanKind::Producer, SpanKind::Consumer));
    assert!(process.parent_span_is_remote);

    let handled = handled.lock().unwrap();
    let headers = handled[0].properties.headers().as_ref().unwrap().inner();
    assert_eq!(headers.get("mine"), Some(&AMQPValue::LongInt(7)), "the publisher's own is kept");
    assert!(headers.contains_key("traceparent"));
}
