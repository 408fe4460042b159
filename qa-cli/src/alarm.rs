//! Whether a broker takes messages. It says so only to a connection that has published.

use qa_pool::amqp::RabbitMq;
use qa_pool::amqp::lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use qa_pool::amqp::lapin::{self, BasicProperties};
use qa_pool::{Lease, ResourcePool};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// Limit for the broker to say something: its confirm, or that it is blocked.
const LIMIT: Duration = Duration::from_secs(1);
/// The pause between two looks at what it has said.
const PAUSE: Duration = Duration::from_millis(10);

/// Publishes one empty message that goes to no queue, and waits until the broker has confirmed it or
/// has said that it takes none; what it said is then in the health. Does nothing where the resource is
/// no broker, or not ready.
pub(crate) async fn provoke(pool: &ResourcePool, name: &str) {
    let Ok(group) = pool.get::<RabbitMq>(name) else { return };
    let Ok(lease) = group.try_acquire() else { return };
    // A login that may not publish is told by its own operations; here it is no news.
    let _ = timeout(LIMIT, publish(&lease)).await;
}

async fn publish(lease: &Lease<RabbitMq>) -> Result<(), lapin::Error> {
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
    channel.close(200, "OK".into()).await
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
