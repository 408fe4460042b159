//! With a name that no server has.

use integration_tests::{Rig, Subject, within};
use qa_pool::{ErrorKind, Settings, State};
use std::time::Duration;

/// No such name will ever be given away (RFC 6761).
const NOBODY: &str = "nobody.invalid";

pub(crate) async fn an_unknown_host_is_given_up_after_its_attempts<S: Subject>() {
    let settings = Settings {
        connect_attempts: 2,
        backoff_floor: Duration::from_millis(10),
        backoff_cap: Duration::from_millis(50),
        ..Settings::default()
    };
    let deadline = settings.connect_deadline;
    let scheme = S::scheme();
    let url = format!("{scheme}://somebody:something@{NOBODY}:1");
    let rig = Rig::<S>::new("unknown", &url, settings);
    let error = within("giving up", deadline, rig.refused()).await;
    assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
    assert!(error.is_spent() && !error.is_retryable(), "its retries are spent: {error:?}");
    assert!(error.to_string().contains(NOBODY), "it says whom it looked for: {error}");
    let status = rig.status();
    assert_eq!((status.stats.connect_failures, status.state), (2, State::Idle));
    rig.close().await;
}
