//! What every cluster does with its nodes: start them, ask them, wait for them, remove them.

use std::path::Path;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

use crate::address::Address;
use crate::process::{Process, Recipe};
use crate::server::Host;
use crate::speak::Answer;
use crate::{Error, Server, System};

/// How long one node may take over one question: one that is frozen never answers.
const ATTEMPT: Duration = Duration::from_secs(1);
/// The pause between two looks at a cluster.
const PAUSE: Duration = Duration::from_millis(20);

/// Starts one node: a server like any other in all but its recipe.
pub(super) async fn start(
    system: System,
    prepare: impl Fn(&Path) -> Result<(Recipe, Address), Error>,
) -> Result<Server, Error> {
    let (process, address) = Process::start_from(system, prepare).await?;
    Ok(Server { address, host: Host::Process(Box::new(Mutex::new(process))) })
}

/// Starts `count` nodes at the same time. Where one fails, the others are removed.
pub(super) async fn start_all(
    system: System,
    count: usize,
    prepare: impl Fn(&Path) -> Result<(Recipe, Address), Error>,
) -> Result<Vec<Server>, Error> {
    try_join_all((0..count).map(|_| start(system, &prepare))).await
}

/// Removes all at the same time.
pub(super) async fn remove_all(nodes: impl IntoIterator<Item = Server>) {
    join_all(nodes.into_iter().map(Server::remove)).await;
}

/// Asks one node a question, for a second at most.
pub(super) async fn ask<T>(
    address: &Address,
    question: impl Future<Output = Answer<T>>,
) -> Answer<T> {
    timeout(ATTEMPT, question)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {ATTEMPT:?}")))
        .map_err(|reason| format!("node {}: {}", address.port, address.redact(&reason)))
}

/// Asks all nodes the same at the same time. The answers are in the order of the nodes.
pub(super) async fn ask_all<'a, T, Q>(
    nodes: &'a [Server],
    question: impl Fn(&'a Address) -> Q,
) -> Vec<Answer<T>>
where
    Q: Future<Output = Answer<T>>,
{
    join_all(nodes.iter().map(|node| ask(&node.address, question(&node.address)))).await
}

/// Looks until a look succeeds. Each look must end by itself, as [`ask`] does.
pub(super) async fn until<T, L>(
    cluster: &'static str,
    what: &'static str,
    limit: Duration,
    mut look: impl FnMut() -> L,
) -> Result<T, Error>
where
    L: Future<Output = Answer<T>>,
{
    let deadline = Instant::now() + limit;
    loop {
        let reason = match look().await {
            Ok(found) => return Ok(found),
            Err(reason) => reason,
        };
        if Instant::now() >= deadline {
            return Err(Error::Cluster { cluster, what, limit, reason });
        }
        sleep(PAUSE).await;
    }
}
