//! With a server that does not let us in, or is not there.

use super::{PATIENCE, shared};
use integration_tests::{Refused, Rig, Silent, Subject, connections, eventually, within};
use qa_pool::core::Secret;
use qa_pool::{ErrorKind, Settings, State};
use std::time::{Duration, Instant};

/// The URL of a port of this machine at which no server of the subject's is.
fn url_of<S: Subject>(port: u16) -> String {
    let scheme = S::scheme();
    format!("{scheme}://somebody:something@127.0.0.1:{port}")
}

pub(crate) async fn a_wrong_password_fails_at_once_and_is_not_retried<S: Subject>() {
    let server = shared::<S>().await;
    let mut reach = S::reach(server, None, "password").await;
    let endpoint = &mut reach.target.endpoint;
    let user = Some(Secret::from(server.user())).filter(|user| !user.expose().is_empty());
    let wrong = Some(Secret::from("not-the-password"));
    *endpoint = endpoint.clone().with_credentials(user, wrong);
    let rig = Rig::<S>::reaching(reach, Settings::default());

    let limit = rig.group.settings().connect_timeout;
    let error = within("the refusal", limit, rig.refused()).await;
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    assert!(!error.is_retryable());
    let status = rig.status();
    assert_eq!((status.stats.connect_failures, status.state), (1, State::Idle));
    // It is told, not remembered: the next one asks again, and fails as quickly.
    let error = within("the second refusal", limit, S::ask(&rig.group, 1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    assert_eq!(rig.status().stats.connect_failures, 2);
    rig.close().await;
}

pub(crate) async fn a_refused_port_is_given_up_after_its_attempts<S: Subject>() {
    let nobody = Refused::new();
    let settings = Settings {
        connect_attempts: 3,
        backoff_floor: Duration::from_millis(10),
        backoff_cap: Duration::from_millis(50),
        ..Settings::default()
    };
    let deadline = settings.connect_deadline;
    let rig = Rig::<S>::new("refused", &url_of::<S>(nobody.port()), settings);
    let error = within("giving up", deadline, rig.refused()).await;
    assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
    assert!(error.is_spent() && !error.is_retryable(), "its retries are spent: {error:?}");
    assert!(error.to_string().contains(&nobody.port().to_string()), "it says where: {error}");
    let status = rig.status();
    assert_eq!((status.stats.connect_failures, status.state), (3, State::Idle));
    rig.close().await;
}

pub(crate) async fn a_silent_listener_is_a_timeout_within_its_limit<S: Subject>() {
    let silent = Silent::new();
    let settings = Settings {
        connect_timeout: Duration::from_millis(400),
        connect_attempts: 2,
        backoff_cap: Duration::from_millis(100),
        ..Settings::default()
    };
    let limit = settings.connect_timeout * 2 + settings.backoff_cap;
    let rig = Rig::<S>::new("silent", &url_of::<S>(silent.port()), settings);
    let began = Instant::now();
    let error = within("giving up", limit + Duration::from_secs(1), rig.refused()).await;
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(began.elapsed() >= Duration::from_millis(800), "two attempts: {:?}", began.elapsed());
    assert_eq!(rig.status().stats.connect_failures, 2);
    rig.close().await;
    eventually("hung up", PATIENCE, async || connections(silent.port()) == 0).await;
}
