//! The pool of channels: what it keeps, and what it does not.

use crate::management;
use crate::support::{PATIENCE, close, shared, vhost, with_bars};
use futures_util::future::{join_all, pending};
use qa_amqp::Error;
use qa_amqp::lapin::options::{BasicGetOptions, QueueDeclareOptions};
use qa_amqp::lapin::types::FieldTable;
use qa_servers::testing::eventually;
use std::time::Duration;
use tokio::sync::Barrier;
use tokio::time::timeout;

/// Waits until the broker knows of so many channels in a virtual host.
async fn channels(vhost: &str, wanted: usize) {
    eventually(&format!("{wanted} channels"), PATIENCE, async || {
        management::channels(shared().await, vhost).await.len() == wanted
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_few_are_kept_and_none_whose_work_failed_or_was_dropped() {
    let url = vhost("pooled").await;
    let resource = with_bars(&url).await;
    let lease = resource.acquire().await.unwrap();
    let get = BasicGetOptions { no_ack: true };
    let all_at_once = Barrier::new(20);
    let work = || {
        lease.with_channel(async |channel| {
            all_at_once.wait().await;
            Ok(channel.basic_get("bars".into(), get).await?)
        })
    };
    for answer in join_all((0..20).map(|_| work())).await {
        assert!(answer.unwrap().is_none());
    }
    channels("pooled", 8).await;

    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let missing = lease.with_channel(async |channel| {
        Ok(channel.queue_declare("nothing".into(), passive, FieldTable::default()).await?)
    });
    assert_eq!(missing.await.unwrap_err().reply_code(), Some(404));
    channels("pooled", 7).await;

    let endless = lease.with_channel(async |_| pending::<Result<(), Error>>().await);
    assert!(timeout(Duration::from_millis(1), endless).await.is_err());
    channels("pooled", 6).await;
    let usable =
        lease.with_channel(async |channel| Ok(channel.basic_get("bars".into(), get).await?));
    assert!(usable.await.unwrap().is_none());
    drop(lease);
    close(resource).await;
}
