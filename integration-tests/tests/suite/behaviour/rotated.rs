//! With a password that is changed behind our back.

use super::{NOTICED, PATIENCE, back, to_break};
use integration_tests::{Rig, Subject, connections, eventually, reaches};
use qa_pool::{ErrorKind, Settings, State};
use std::time::{Duration, Instant};

/// Long enough that the slow attempts and the quick ones differ, and short for the test's sake.
const CAP: Duration = Duration::from_millis(1_500);

/// An attempt is seen this much later than it failed, at the most: on a busy machine.
const SEEN_LATE: Duration = Duration::from_millis(250);

pub(crate) async fn a_password_rotated_while_down_and_restored_heals<S: Subject>() {
    let mut server = to_break::<S>().await;
    let password = server.password().to_owned();
    let settings = Settings { backoff_cap: CAP, ..Settings::default() };
    let rig = Rig::<S>::connected_to(&server, S::SYSTEM.name(), settings).await;
    rig.use_it(1).await.unwrap();

    server.change_password("rotated").await.unwrap();
    server.kill().await.unwrap();
    reaches(&rig.group, State::Reconnecting, NOTICED).await;
    server.start_again().await.unwrap();
    eventually("it is refused", PATIENCE, async || is_refused(&rig)).await;
    // From the second refusal on every delay is one after a refusal.
    let mut refusals = vec![next_attempt(&rig).await];
    for _ in 0..3 {
        refusals.push(next_attempt(&rig).await);
    }
    let gaps: Vec<_> = refusals.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let slow = |gap: &Duration| *gap + SEEN_LATE >= CAP / 2;
    assert!(gaps.iter().all(slow), "it hammers: {gaps:?}");
    assert!(is_refused(&rig), "{:#?}", rig.status());
    assert_eq!(rig.group.state(), State::Reconnecting, "it never gives up");
    let error = rig.group.try_acquire().unwrap_err();
    assert!(error.to_string().contains("reconnecting"), "{error}");

    server.change_password(&password).await.unwrap();
    let back = reaches(&rig.group, State::Ready, back(&rig)).await;
    eprintln!("{}: refused every {gaps:.1?}, back after {back:.1?}", S::SYSTEM);
    rig.use_it(2).await.unwrap();
    let status = rig.status();
    assert_eq!((status.generation, status.stats.disconnects), (2, 1));
    rig.close().await;
    eventually("nothing is left", PATIENCE, async || connections(server.port()) == 0).await;
}

fn is_refused<S: Subject>(rig: &Rig<S>) -> bool {
    rig.status().last_error.is_some_and(|error| error.kind() == ErrorKind::Auth)
}

/// Waits for one more attempt to fail; gives when.
async fn next_attempt<S: Subject>(rig: &Rig<S>) -> Instant {
    let before = rig.status().stats.connect_failures;
    let another = async || rig.status().stats.connect_failures > before;
    eventually("another attempt", CAP + PATIENCE, another).await;
    Instant::now()
}
