//! What a resource may be doing when it is shut down.

use std::time::Duration;

/// What is under way when the end comes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scene {
    ConnectRetry,
    Reconnect,
    Queued,
    Probe,
}

/// All of them.
pub(crate) const SCENES: [Scene; 4] =
    [Scene::ConnectRetry, Scene::Reconnect, Scene::Queued, Scene::Probe];

/// What the limit of a shutdown may be exceeded by.
pub(crate) const MARGIN: Duration = Duration::from_millis(250);

/// Callers that wait for a lease.
pub(crate) const CALLERS: usize = 10;
