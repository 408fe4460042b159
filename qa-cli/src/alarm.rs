//! Whether a broker takes messages. It says so only to a connection that has published.

use qa_pool::amqp::lapin::BasicProperties;
use qa_pool::amqp::lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use qa_pool::amqp::{self, RabbitMq};
use qa_pool::core::Backend;
use qa_pool::{ErrorKind, Lease, ResourcePool};
use std::collections::HashSet;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// Limit for the broker to say something: its confirm, or that it is blocked.
const LIMIT: Duration = Duration::from_secs(1);
/// The pause between two looks at what it has said.
const PAUSE: Duration = Duration::from_millis(10);
/// The pause before a broker is asked again, by commands that look on.
const EVERY: Duration = Duration::from_secs(5);

/// Asks every broker again and again: an alarm may come at any time. Ends never.
pub(crate) async fn keep_provoking(pool: &ResourcePool) {
    let mut spared = HashSet::new();
    loop {
        for group in pool.groups() {
            if !spared.contains(&group.name) && !provoke(pool, &group.name).await {
                spared.insert(group.name);
            }
        }
        sleep(EVERY).await;
    }
}

/// Publishes one empty message that goes to no queue, and waits until the broker has confirmed it or
/// has said that it takes none; what it said is then in the health. Does nothing where the resource is
/// no broker, not ready, or known to take none.
///
/// Whether it may be asked again: a broker writes into its log of each login that may not publish.
pub(crate) async fn provoke(pool: &ResourcePool, name: &str) -> bool {
    let Ok(group) = pool.get::<RabbitMq>(name) else { return false };
    let Ok(lease) = group.try_acquire() else { return true };
    if lease.blocked().is_some() {
        return true;
    }
    match timeout(LIMIT, publish(&lease)).await {
        Ok(Err(error)) => RabbitMq::classify(&error).kind != ErrorKind::Auth,
        _ => true,
    }
}

async fn publish(lease: &Lease<RabbitMq>) -> Result<(), amqp::Error> {
    let channel = lease.publishing().create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let confirm = channel
        .basic_publish(
            "".into(),
            nobody().into(),
            BasicPublishOptions::default(),
            &[],
            BasicProperties::default(),
        )
        .await?;
    tokio::select! {
        confirmed = confirm => drop(confirmed?),
        () = blocked(lease) => return Ok(()),
    }
    Ok(channel.close(200, "OK".into()).await?)
}

/// The routing key, on the default exchange, of a queue that is not there.
pub(crate) fn nobody() -> String {
    format!("qa.nobody.{:016x}", fastrand::u64(..))
}

async fn blocked(lease: &Lease<RabbitMq>) {
    let by = Instant::now() + LIMIT;
    while lease.blocked().is_none() && Instant::now() < by {
        sleep(PAUSE).await;
    }
}
