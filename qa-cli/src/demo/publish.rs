//! Each bar becomes a message that the broker has confirmed.

use super::bars::Bar;
use super::connections::Connections;
use super::names::Names;
use super::progress::Progress;
use anyhow::Context;
use futures_util::{StreamExt, TryStreamExt, stream};
use qa_pool::amqp::lapin::BasicProperties;
use qa_pool::amqp::{Publisher, PublisherSettings};
use std::time::Duration;

/// Messages on their way at once.
const WINDOW: usize = 64;

/// How long a bar may take to be confirmed, a broken broker included.
const LIMIT: Duration = Duration::from_secs(120);

/// What the publisher did.
pub(crate) struct Published {
    /// Bars that the broker has confirmed.
    pub(crate) confirmed: usize,
    /// Messages that were sent more than once, because the answer to the first was lost.
    pub(crate) again: usize,
    /// How long it took.
    pub(crate) took: Duration,
}

/// Publishes every bar; the same bar always under the same id, however often it is sent.
pub(crate) async fn all(
    bars: &[Bar],
    connections: &Connections,
    names: &Names,
    progress: &Progress,
) -> anyhow::Result<Published> {
    let began = tokio::time::Instant::now();
    let settings = PublisherSettings {
        name: "bars".to_owned(),
        window: WINDOW,
        ..PublisherSettings::default()
    };
    let publisher = Publisher::new(&connections.amqp, settings);
    let sends = bars.iter().map(|bar| {
        let publisher = &publisher;
        async move {
            let payload = serde_json::to_vec(bar)?;
            let properties = BasicProperties::default()
                .with_content_type("application/json".into())
                .with_message_id(bar.key().into());
            let sent = publisher
                .publish_until_confirmed("", &names.queue, &payload, properties, LIMIT)
                .await;
            let confirmed = sent.with_context(|| format!("bar {} was not confirmed", bar.key()))?;
            progress.confirmed();
            anyhow::Ok(usize::from(confirmed.attempts > 1))
        }
    });
    let (confirmed, again) = stream::iter(sends)
        .buffer_unordered(WINDOW)
        .try_fold((0, 0), async |(confirmed, all_again), again| {
            Ok((confirmed + 1, all_again + again))
        })
        .await?;
    Ok(Published { confirmed, again, took: began.elapsed() })
}
