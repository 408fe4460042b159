//! With connections that are ended under us, by a proxy that stays.

use super::{PATIENCE, back};
use integration_tests::{Proxied, Subject, eventually};
use qa_pool::{Settings, State};
use qa_servers::proxy::FaultProxy;

pub(crate) async fn comes_back_after_a_cut<S: Subject>() {
    comes_back::<S>("cut", FaultProxy::cut, 1).await;
}

pub(crate) async fn comes_back_after_a_reset<S: Subject>() {
    comes_back::<S>("reset", FaultProxy::reset, 1).await;
}

pub(crate) async fn comes_back_after_twenty_cuts<S: Subject>() {
    comes_back::<S>("twenty-cuts", FaultProxy::cut, 20).await;
}

/// Has all connections ended so many times, each time when it is back.
async fn comes_back<S: Subject>(name: &str, end: impl Fn(&FaultProxy), times: u64) {
    let proxied = Proxied::<S>::connected(name, Settings::default()).await;
    let rig = &proxied.rig;
    for time in 1..=times {
        let before = proxied.proxy.counts().accepted;
        let new = || proxied.proxy.counts().accepted - before;
        end(&proxied.proxy);
        eventually("it is cut", PATIENCE, async || proxied.proxy.counts().open <= new()).await;
        eventually("it is ready again", back(rig), async || {
            let status = rig.status();
            let noticed = !S::A_CUT_IS_A_LOSS || status.generation == 1 + time;
            status.state == State::Ready && noticed
        })
        .await;
        if S::A_CUT_IS_A_LOSS {
            rig.use_it(time).await.unwrap();
        } else {
            // One that meets the end of its connection fails; its pool has another one.
            eventually("an answer", PATIENCE, async || rig.use_it(time).await.is_ok()).await;
        }
        let needed = S::CONNECTIONS.min(2) as u64;
        eventually("what an answer needs is there", PATIENCE, async || new() >= needed).await;

        let mut status = rig.status();
        eventually("it is ready, whatever its driver has lost", back(rig), async || {
            status = rig.status();
            status.state == State::Ready
        })
        .await;
        let losses = status.stats.disconnects;
        let expected = if S::A_CUT_IS_A_LOSS { time..=time } else { 0..=seldom(times) };
        assert!(expected.contains(&losses), "{losses} losses after {time} cuts");
        assert_eq!((status.generation, status.stats.connects), (1 + losses, 1 + losses));
        assert_eq!((status.state, status.leases), (State::Ready, 0));
        assert_eq!(status.stats.connect_failures, 0);
    }
    // A ping and a question may have met in the last of them, each with a connection.
    proxied.settles().await;
    proxied.close().await;
}

/// How many of so many cuts may be losses to a driver that heals by itself: its monitor rests where
/// the cut of one of its connections meets it in the middle of a handshake.
fn seldom(times: u64) -> u64 {
    1 + times / 10
}
