//! Following a configuration's file and the secrets that it names, while a pool runs.

use crate::{Changes, Config, Effect, ResourcePool};
use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;
use tokio::time::sleep;

/// How often the files with secrets are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Follows until it is dropped: rereads the file on SIGHUP, and takes secrets that have changed.
pub(crate) async fn follow(path: &Path, pool: &ResourcePool, mut hangups: Hangups) -> Infallible {
    let mut before = None;
    loop {
        tokio::select! {
            () = hangups.next() => reread(path, pool).await,
            () = sleep(LOOK) => {
                let now = pool.secrets().await;
                // Only what two looks in a row have seen: a file may be half written.
                if before.as_ref() == Some(&now) {
                    tell(&pool.take_secrets(now.clone()));
                }
                before = Some(now);
            }
        }
    }
}

/// Takes what the file has now; one with an error changes nothing.
async fn reread(path: &Path, pool: &ResourcePool) {
    let file = path.to_owned();
    let read = tokio::task::spawn_blocking(move || Config::from_file(file)).await;
    match read {
        Ok(Ok(config)) => {
            let changes = pool.reload(&config).await;
            tracing::info!(changes = changes.iter().count(), "the configuration was read anew");
            tell(&changes);
        }
        Ok(Err(error)) => {
            tracing::error!(%error, "the configuration can't be used: nothing is changed");
        }
        Err(error) => tracing::error!(%error, "the configuration was not read anew"),
    }
}

fn tell(changes: &Changes) {
    for change in changes.iter() {
        if change.effect == Effect::Restart {
            tracing::warn!(%change, "the configuration was changed");
        } else {
            tracing::info!(%change, "the configuration was changed");
        }
    }
}

/// SIGHUP, where there is one.
pub(crate) struct Hangups {
    #[cfg(unix)]
    signal: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Hangups {
    pub(crate) fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { signal: signal(SignalKind::hangup())? })
    }

    async fn next(&mut self) {
        if self.signal.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(not(unix))]
impl Hangups {
    #[allow(clippy::unnecessary_wraps, reason = "it may fail elsewhere")]
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self {})
    }

    async fn next(&mut self) {
        std::future::pending().await
    }
}
