//! Keeps a subscription subscribed.

use super::event::Event;
use super::listen::{Lost, Pace, listen};
use super::shared::Shared;
use super::topic::Topic;
use crate::Client;
use crate::way::Way;
use qa_resource_core::{Backoff, ErrorKind};
use redis::{RedisError, RedisResult, ServerErrorKind};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, sleep};

/// What a shutdown's report calls it.
pub(super) const NAME: &str = "subscription";

/// Subscribes, and anew whenever that ends, until it is told to stop or its resource is closed for
/// good.
pub(super) async fn supervise(shared: Arc<Shared>, events: Sender<Event>) {
    let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    let (mut delay, mut lost) = (None, None);
    let life = async {
        while let Some(cause) = subscribe(&shared, &events, &mut lost, &mut delay).await {
            let pause = *delay.insert(backoff.next(delay, fastrand::f64()));
            let resource = shared.group.name();
            tracing::warn!(%resource, %cause, ?pause, "a subscription was lost, begins anew");
            if let Some(lost) = lost.as_mut().filter(|lost: &&mut Lost| lost.cause.is_empty()) {
                lost.cause = cause;
            }
            sleep(pause).await;
        }
    };
    shared.stop.run_until_cancelled(life).await;
}

/// Is subscribed until that ends: the cause where it has to begin anew, `None` where it is over.
async fn subscribe(
    shared: &Shared,
    events: &Sender<Event>,
    lost: &mut Option<Lost>,
    delay: &mut Option<Duration>,
) -> Option<String> {
    let lease = match shared.group.acquire().await {
        Ok(lease) => lease.long_lived(),
        Err(error) if error.kind() == ErrorKind::Closed => return None,
        Err(error) => return Some(error.to_string()),
    };
    let settings = shared.group.settings();
    let pace = Pace {
        ping: settings.health_interval.max(Duration::from_millis(10)),
        silence: settings.health_interval + 2 * settings.health_timeout,
    };
    let way = match way(&lease, &shared.topics.borrow()) {
        Ok(way) => way,
        Err(error) => return Some(error.to_string()),
    };
    let began = Instant::now();
    let cause = tokio::select! {
        biased;
        // Who listens to a server that was replaced hears nothing more.
        () = lease.lost() => "its resource's connection was lost".to_owned(),
        error = listen(&way, shared, events, pace, lost) => error.to_string(),
    };
    shared.confirmed.send_replace(BTreeSet::new());
    // What is sharded may have moved to another node of a cluster.
    lease.look_again();
    if events.is_closed() {
        return None;
    }
    if began.elapsed() > pace.silence {
        *delay = None;
    }
    Some(cause)
}

/// The way to who tells of these: of a cluster anybody does, but of what is sharded only who has its
/// slot.
fn way(client: &Client, topics: &BTreeSet<Topic>) -> RedisResult<Arc<Way>> {
    let sharded = || {
        topics.iter().filter_map(|topic| match topic {
            Topic::Sharded(name) => Some(name.as_str()),
            _ => None,
        })
    };
    if !client.are_together(sharded()) {
        return Err(apart());
    }
    client.way(sharded().next())
}

fn apart() -> RedisError {
    let kind = redis::ErrorKind::Server(ServerErrorKind::CrossSlot);
    let text = "sharded channels of one subscription are in several slots of the cluster; give each a \
                subscription of its own, or a common {tag}";
    (kind, text).into()
}
