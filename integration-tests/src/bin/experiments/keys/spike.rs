//! E13: many want a connection of their own at once, and a new one takes long to make.

use super::PATIENCE;
use crate::passing::until;
use crate::run::Run;
use futures_util::future::join_all;
use integration_tests::experiment::Figure;
use integration_tests::{Proxied, Redis, eventually};
use qa_pool::Settings;
use qa_pool::redis::Client;
use qa_servers::proxy::{Door, Faults};
use std::time::Duration;
use tokio::time::Instant;

/// What a new connection takes.
const DIAL: Duration = Duration::from_millis(150);

/// Those that are there, those that come, and how long each has one.
const WARM: usize = 5;
const CALLERS: usize = 50;
const HELD: Duration = Duration::from_millis(2);

/// Callers come all at once, again and again.
pub(crate) async fn spike(run: Run) -> Vec<Figure> {
    let rounds = run.pick(3, 20);
    let (mut sizes, mut served) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        run.progress(&format!("round {} of {rounds}: {CALLERS} at once", round + 1));
        let proxied = Proxied::<Redis>::connected("spike", Settings::default()).await;
        let lease = proxied.rig.group.acquire().await.unwrap();
        warm(&lease).await;
        // New connections are accepted, and hear nothing until then.
        proxied.proxy.set(Faults { door: Door::Silent, ..Faults::default() });
        let began = Instant::now();
        let open = async {
            until(began + DIAL).await;
            proxied.proxy.heal();
        };
        let callers = join_all((0..CALLERS).map(|_| caller(&lease, began)));
        let ((), took) = tokio::join!(open, callers);
        served.extend(took);
        let size = u32::try_from(lease.counts().dedicated).unwrap();
        sizes.push(f64::from(size));
        drop(lease);
        proxied.rig.close().await;
    }
    vec![
        Figure::new("connections at the end", "", &sizes).at_most(7.0).note(
            "five are there when fifty callers come, each for 2 ms, and a new one takes 150 ms",
        ),
        Figure::seconds("a caller has had one after", &served).at_most(DIAL.as_secs_f64()),
    ]
}

/// As many as are to be there.
async fn warm(client: &Client) {
    let all = join_all((0..WARM).map(|_| client.dedicated())).await;
    let all: Vec<_> = all.into_iter().map(Result::unwrap).collect();
    drop(all);
    eventually("they are at rest", PATIENCE, async || client.counts().dedicated == WARM).await;
}

/// From when it came until it has used one.
async fn caller(client: &Client, came: Instant) -> Duration {
    let mut dedicated = client.dedicated().await.unwrap();
    let ping = qa_pool::redis::redis::cmd("PING");
    ping.exec_async(&mut dedicated).await.unwrap();
    until(Instant::now() + HELD).await;
    came.elapsed()
}
