//! With a server that takes connections and says nothing on them.

use super::PATIENCE;
use integration_tests::{Proxied, Subject, reaches, within};
use qa_pool::{ErrorKind, Settings, State};
use qa_servers::proxy::{Door, Faults};
use std::time::{Duration, Instant};

/// Beyond its limit an acquire may take this.
const SLACK: Duration = Duration::from_millis(50);

pub(crate) async fn accept_then_silent_ends_every_wait_and_heals<S: Subject>() {
    let settings = Settings {
        connect_timeout: Duration::from_millis(500),
        acquire_timeout: Duration::from_millis(800),
        backoff_cap: Duration::from_millis(200),
        health_interval: Duration::from_millis(200),
        health_timeout: Duration::from_millis(500),
        ..Settings::default()
    };
    let (dial, pause) = (settings.connect_timeout, settings.backoff_cap);
    let limit = settings.acquire_timeout + SLACK;
    let proxied = Proxied::<S>::connected("accept-then-silent", settings).await;
    let rig = &proxied.rig;
    proxied.proxy.set(Faults { door: Door::Silent, ..Faults::default() });
    proxied.proxy.cut();
    reaches(&rig.group, State::Reconnecting, PATIENCE).await;

    let (began, before) = (Instant::now(), rig.status().stats.connect_failures);
    for _ in 0..4 {
        let error = within("an acquire", limit, rig.group.acquire()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        let held = proxied.connections();
        let most = S::CONNECTIONS + Proxied::<S>::SPARE;
        assert!(held <= most, "no dial outlives its limit, but there are {held}");
    }
    let dials = u32::try_from(rig.status().stats.connect_failures - before).unwrap();
    let fewest = began.elapsed().as_millis() / (dial + pause).as_millis();
    assert!(u128::from(dials + 1) >= fewest, "{dials} dials have ended, of {fewest}");
    assert_eq!(rig.status().last_error.map(|error| error.kind()), Some(ErrorKind::Timeout));

    proxied.proxy.heal();
    let back = reaches(&rig.group, State::Ready, dial + pause + Duration::from_secs(1)).await;
    eprintln!("{}: silent, back {back:.1?} after it spoke", S::SYSTEM);
    rig.use_it(1).await.unwrap();
    assert_eq!((rig.status().generation, rig.status().stats.disconnects), (2, 1));
    proxied.close().await;
}
