//! Bringing a lost connection back, however long it takes.

use crate::supervisor::Supervisor;
use crate::{Backend, Backoff, dial};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// Time between two summaries in the log while a resource is down.
const SUMMARY_INTERVAL: Duration = Duration::from_secs(10);

/// What the next pause follows from.
#[derive(Default)]
struct Pace {
    delay: Option<Duration>,
    /// How long the last attempt took.
    took: Duration,
    /// It was refused for good.
    permanent: bool,
    /// It was made because the driver said that it was back.
    hurried: bool,
}

impl Pace {
    /// How long to wait before the next attempt.
    fn next(&mut self, backoff: Backoff) -> Duration {
        let next = backoff.next(self.delay, fastrand::f64());
        self.delay = Some(next);
        // Only somebody's action mends a permanent error (a rotated password): no hurry.
        let slow = self.permanent.then(|| backoff.slow(fastrand::f64()));
        slow.unwrap_or_else(|| backoff.rest(next, self.took, fastrand::f64()))
    }
}

impl<B: Backend> Supervisor<B> {
    /// Dials at once what was well until now, and then with growing pauses, which are the same whatever
    /// came of that first attempt. Against a herd it is those that help: a server that takes seconds
    /// to let all of it in is not helped by a pause of a fraction of a second, which would cost
    /// everybody else that fraction.
    pub(crate) async fn reconnect(&mut self) {
        let (began, mut summary) = (Instant::now(), Instant::now());
        let (mut pace, mut attempts) = (Pace::default(), 0u32);
        // A driver that heals by itself is dialling already, and says when it is done.
        let mut at_once = self.held.is_none() && self.backoff().at_once(self.lived);
        loop {
            let first = std::mem::take(&mut at_once);
            if !first {
                self.pause(&mut pace).await;
            }
            let dialled = Instant::now();
            // Not in line: when a silent server answers again, all who stand there would dial at
            // the same moment. Who comes back after another delay comes alone.
            let permit = self.held.is_none().then(dial::free_permit);
            if let Some(None) = permit {
                pace.took = Duration::ZERO;
                continue;
            }
            attempts = attempts.saturating_add(1);
            let limit = self.shared.settings().connect_timeout;
            let Err(error) = self.attempt(permit.flatten(), limit).await else { return };
            pace.took = dialled.elapsed();
            // A server on its way down refuses for reasons that are gone a moment later.
            pace.permanent = !first && !error.kind().is_transient();
            if summary.elapsed() >= SUMMARY_INTERVAL {
                summary = Instant::now();
                tracing::warn!(
                    resource = %self.shared.name, attempts, down = ?began.elapsed(),
                    cause = %error.message(), "resource is still down"
                );
            }
        }
    }

    /// Waits until the next attempt is due, or until the driver has the connection back by itself. One
    /// that has been wrong a moment ago is not listened to: what it takes for a server that is back
    /// may still refuse us.
    async fn pause(&self, pace: &mut Pace) {
        let rest = pace.next(self.backoff());
        if pace.permanent || pace.hurried {
            sleep(rest).await;
            pace.hurried = false;
        } else {
            pace.hurried = self.regained(rest).await;
        }
    }

    /// Waits for so long, or until the driver has the connection back by itself; gives whether it
    /// has.
    async fn regained(&self, limit: Duration) -> bool {
        let regained = async {
            match &self.held {
                Some(client) => self.shared.backend.regained(client).await,
                None => std::future::pending().await,
            }
        };
        timeout(limit, regained).await.is_ok()
    }
}
