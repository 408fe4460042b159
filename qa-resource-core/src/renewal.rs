//! A fresh connection that is made beside one that is good, because its login, its certificates or
//! its settings have changed.

use crate::shared::Shared;
use crate::snapshot::Change;
use crate::supervisor::Supervisor;
use crate::{Backend, Error, ErrorKind, Recovery, vigil};
use futures_util::FutureExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// Why a connection is left.
enum Left {
    Lost(Error),
    /// A fresh one is held, and takes over.
    Renewed,
    /// It is as good as ever, but no fresh one is to be had beside it.
    InTheWay(Error),
}

impl<B: Backend> Supervisor<B> {
    /// Stays with the connection until it is lost, or a fresh one that was asked for takes over.
    pub(crate) async fn stand_by(&mut self) {
        let shared = Arc::clone(&self.shared);
        let Ok(live) = shared.live() else { return };
        let left = tokio::select! {
            biased;
            error = vigil::keep(&shared, &live.client) => Left::Lost(error),
            left = self.renew() => left,
        };
        let ended = live.ended.token();
        drop(live);
        self.leave(left, ended);
    }

    /// Waits until a fresh connection is asked for, and makes one. Meanwhile the old one is used and
    /// watched as ever, and stays where the fresh one is refused for good: a login that is wrong
    /// costs nobody the connection that is there. Where none is to be had otherwise in the time of a
    /// connect, the old one may be what stands in the way (a queue that is one connection's alone, a
    /// server that takes no more of them), and is left.
    async fn renew(&mut self) -> Left {
        let shared = Arc::clone(&self.shared);
        shared.renew.notified().await;
        self.leaving = self.held.take();
        let (mut began, mut delay) = (Instant::now(), None);
        loop {
            let limit = shared.settings().connect_timeout;
            let Err(error) = self.try_once(None, limit).await else { return Left::Renewed };
            // Such a driver's client takes the place of the old one in what is known of the server.
            let knows_better = B::RECOVERY == Recovery::Driver && self.held.is_some();
            self.retire_held();
            refused(&shared, &error);
            let transient = error.kind().is_transient();
            if !transient {
                began = Instant::now();
            }
            let late = began.elapsed() >= shared.settings().connect_deadline;
            if knows_better || (transient && late) {
                return Left::InTheWay(in_the_way(&shared, &error));
            }
            let next = self.backoff().next(delay, fastrand::f64());
            delay = Some(next);
            // Only somebody's action mends a permanent error, and it may ask for us again.
            let rest = if transient { next } else { self.backoff().slow(fastrand::f64()) };
            tokio::select! {
                () = sleep(rest) => {}
                () = shared.renew.notified() => began = Instant::now(),
            }
        }
    }

    /// Tells that the connection is left, and sees to what is held. Refused where a close came first:
    /// then the goodbyes are the ending's.
    fn leave(&mut self, left: Left, ended: CancellationToken) {
        self.lived = Duration::ZERO;
        match left {
            Left::Renewed => {
                let Some(fresh) = self.held.clone() else { return };
                if self.shared.apply(Change::Connected(fresh)).is_ok() {
                    let old = self.leaving.take();
                    self.retire_after(old, ended);
                }
            }
            Left::InTheWay(error) => {
                self.stay();
                if self.shared.apply(Change::Lost(error)).is_ok() {
                    let old = self.held.take();
                    self.retire_after(old, ended);
                }
            }
            Left::Lost(error) => {
                self.lived = self.shared.snapshot.load().since.elapsed();
                let renewing = self.stay();
                if self.shared.apply(Change::Lost(error)).is_err() {
                    return;
                }
                // What was asked for is done by not keeping the old one.
                let asked = self.shared.renew.notified().now_or_never().is_some();
                if renewing || asked || B::RECOVERY == Recovery::Supervisor {
                    self.retire_held();
                }
            }
        }
    }

    /// Gives a renewal up where one is under way: what it has made hears a goodbye, and the old client
    /// is held again. Gives whether there was one.
    pub(crate) fn stay(&mut self) -> bool {
        let Some(old) = self.leaving.take() else { return false };
        self.retire_held();
        self.held = Some(old);
        true
    }
}

/// Notes an attempt that failed beside a connection that is good.
fn refused<B: Backend>(shared: &Shared<B>, error: &Error) {
    shared.counters.connect_failures.fetch_add(1, Ordering::Relaxed);
    shared.meter.connect_failed(error.kind());
    tracing::warn!(
        resource = %shared.name, error.type = %error.kind(), cause = %error.message(),
        "no fresh connection yet; the old one is used"
    );
}

fn in_the_way<B: Backend>(shared: &Shared<B>, error: &Error) -> Error {
    let message = format!(
        "a fresh connection to {} was asked for, and there is none beside the old one: {}",
        shared.server(),
        error.message()
    );
    shared.error(ErrorKind::Connect, message)
}
