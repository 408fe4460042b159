//! Each message becomes a stored bar, and is acknowledged behind that.

use super::bars::Bar;
use super::connections::Connections;
use super::names::Names;
use super::store::Store;
use anyhow::Context;
use qa_pool::amqp::{Consumer, ConsumerSettings};

/// Messages that are handled at once: a batch of the store is as large as this at the most.
pub(crate) const AT_ONCE: u16 = 512;

pub(crate) fn start(connections: &Connections, names: &Names, store: Store) -> Consumer {
    let settings = ConsumerSettings {
        prefetch: AT_ONCE,
        concurrency: usize::from(AT_ONCE),
        ..ConsumerSettings::new(&names.queue)
    };
    Consumer::start(&connections.amqp, settings, move |delivery| {
        let store = store.clone();
        async move {
            let bar: Bar =
                serde_json::from_slice(&delivery.payload).context("the message is not a bar")?;
            store.put(bar).await
        }
    })
}
