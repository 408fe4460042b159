//! One order as one trace: the position is read from Redis, the order is published, and whoever handles
//! it, in whatever process, is a child of that. The spans are exported as OpenTelemetry's; this prints
//! them. To send them to a collector, put `opentelemetry_otlp::SpanExporter` where the printing one is.
//!
//! `cargo run -p qa-pool --features redis,amqp,opentelemetry --example traces -- redis://localhost amqp://localhost`

use opentelemetry::global::set_text_map_propagator;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::Resource as Service;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use qa_pool::amqp::lapin::BasicProperties;
use qa_pool::amqp::{
    Consumer, ConsumerSettings, Delivery, Publisher, PublisherSettings, Queue, RabbitMq, Topology,
};
use qa_pool::core::{Resource, Target};
use qa_pool::redis::Redis;
use qa_pool::redis::redis::AsyncCommands;
use qa_pool::{Group, ResourcePool, Settings};
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::mpsc;
use tracing::{Instrument, info_span};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// Traces what this library opens spans for, and this program; not what the drivers do inside.
fn trace() -> SdkTracerProvider {
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(opentelemetry_stdout::SpanExporter::default())
        .with_resource(Service::builder().with_service_name("order-router").build())
        .build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("qa-pool"));
    let ours = Targets::new()
        .with_target("qa_resource_core", LevelFilter::DEBUG)
        .with_targets([("qa_amqp", LevelFilter::INFO), ("traces", LevelFilter::INFO)]);
    tracing_subscriber::registry().with(layer.with_filter(ours)).init();
    set_text_map_propagator(TraceContextPropagator::new());
    provider
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut urls = std::env::args().skip(1);
    let redis = urls.next().unwrap_or_else(|| "redis://localhost".to_owned());
    let rabbit = urls.next().unwrap_or_else(|| "amqp://localhost".to_owned());
    let provider = trace();

    let pool = ResourcePool::new();
    let redis = Redis::new(&Target::parse("redis", &redis)?)?;
    let redis = pool.add(Resource::new("redis", redis, Settings::default()))?;
    let topology = Topology::new().queue(Queue::new("orders"));
    let rabbit = RabbitMq::new(&Target::parse("amqp", &rabbit)?)?.with_topology(topology);
    let rabbit = pool.add(Resource::new("amqp", rabbit, Settings::default()))?;
    pool.connect().await?;

    let (handled, mut all) = mpsc::unbounded_channel();
    let router = Consumer::start(&rabbit, ConsumerSettings::new("orders"), move |_: Delivery| {
        // The receiver is there until the consumer is stopped.
        let _ = handled.send(());
        std::future::ready(Ok::<_, Infallible>(()))
    });
    let publisher = Publisher::new(&rabbit, PublisherSettings::default());
    order(&redis, &publisher).instrument(info_span!("order", code = "000001")).await?;
    all.recv().await.ok_or("the order was not handled")?;
    router.stop().await?;

    println!("{}", pool.close(Duration::from_secs(10)).await);
    // What is batched goes out.
    provider.shutdown()?;
    Ok(())
}

async fn order(
    redis: &Group<Redis>,
    publisher: &Publisher,
) -> Result<(), Box<dyn std::error::Error>> {
    let held: Option<u32> =
        redis.run(async |lease| lease.clone().get("position:000001").await).await?;
    let order = serde_json::json!({ "code": "000001", "held": held.unwrap_or_default() });
    let none = BasicProperties::default();
    let confirmed = publisher.publish_json("", "orders", &order, none).await?;
    println!("{} is confirmed", confirmed.message_id);
    Ok(())
}
