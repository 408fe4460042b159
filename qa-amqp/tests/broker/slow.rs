//! A line that is slow and full: an answer to a ping comes behind all that is on its way.

use crate::support::{
    PATIENCE, backend, close, no_properties, patient, publisher, shared, vhost, with_bars,
};
use futures_util::StreamExt;
use futures_util::future::join_all;
use qa_amqp::lapin::options::BasicConsumeOptions;
use qa_amqp::lapin::types::FieldTable;
use qa_resource_core::{Health, Resource};
use qa_servers::proxy::FaultProxy;
use tokio::time::timeout;

const MESSAGES: usize = 96;
const BYTES: usize = 64 * 1024;

/// All of them take so many seconds: longer than two pings and all that they are given.
const SECONDS: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn a_line_full_of_deliveries_is_slow_and_not_lost() {
    let url = vhost("slow-line").await;
    let filling = with_bars(&url).await;
    let (publisher, payload) = (publisher(&filling), vec![7; BYTES]);
    let publish = async || publisher.publish("", "bars", &payload, no_properties()).await;
    for published in join_all((0..MESSAGES).map(|_| publish())).await {
        let _ = published.unwrap();
    }
    let proxy = FaultProxy::open(shared().await.port()).await;
    let resource = Resource::new("slow", backend("slow", &proxy.url(&url)), patient());
    resource.connect().await.unwrap();
    let lease = resource.acquire().await.unwrap();
    let channel = lease.channel().await.unwrap();
    let bandwidth = u32::try_from(MESSAGES * BYTES / SECONDS).unwrap();
    proxy.change(|faults| faults.to_client.bandwidth = Some(bandwidth));
    let no_ack = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let consume = channel.basic_consume("bars".into(), "".into(), no_ack, FieldTable::default());
    let mut deliveries = consume.await.unwrap();
    let mut was_late = false;
    for _ in 0..MESSAGES {
        let delivery = timeout(PATIENCE, deliveries.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(delivery.data.len(), BYTES);
        was_late |= resource.health().health == Health::Degraded;
    }
    assert!(was_late, "no ping was late, and this shows nothing");
    let status = resource.status();
    assert_eq!((status.generation, status.stats.disconnects), (1, 0));
    proxy.heal();
    drop((deliveries, channel, lease, publisher));
    close(resource).await;
    close(filling).await;
}
