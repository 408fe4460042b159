//! A lock that is held: until when, and the task that keeps it.

use super::error::{LockError, LostBy};
use super::seat::Claim;
use super::settings::LockSettings;
use super::votes::{Verdict, ask};
use crate::Redis;
use crate::metrics::LockMeter;
use qa_resource_core::Group;
use std::sync::{Arc, OnceLock};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

/// What a guard and the task that renews it share.
pub(super) struct Held {
    pub(super) claim: Claim,
    pub(super) servers: Arc<[Group<Redis>]>,
    pub(super) settings: LockSettings,
    pub(super) token: u64,
    pub(super) meter: LockMeter,
    /// Until when it's surely ours, by our own clock.
    until: watch::Sender<Instant>,
    since: Instant,
    pub(super) lost: CancellationToken,
    cause: OnceLock<LostBy>,
    /// It is not to be kept any more.
    pub(super) over: CancellationToken,
}

impl Held {
    pub(super) fn new(
        claim: Claim,
        servers: Arc<[Group<Redis>]>,
        settings: LockSettings,
        token: u64,
        asked: Instant,
    ) -> Self {
        Self {
            meter: LockMeter::new(servers[0].name()),
            until: watch::Sender::new(asked + settings.valid()),
            claim,
            servers,
            settings,
            token,
            since: asked,
            lost: CancellationToken::new(),
            cause: OnceLock::new(),
            over: CancellationToken::new(),
        }
    }

    pub(super) fn until(&self) -> Instant {
        *self.until.borrow()
    }

    /// Whether it's surely ours. Asks the clock too: after our process stood still, the task may not
    /// have run yet.
    pub(super) fn is_held(&self) -> bool {
        !self.lost.is_cancelled() && Instant::now() < self.until()
    }

    pub(super) fn loss(&self) -> LockError {
        let cause = self.cause.get().copied().unwrap_or(LostBy::Time);
        LockError::Lost { name: self.claim.name.clone(), cause }
    }

    fn lose(&self, cause: LostBy) {
        if self.cause.set(cause).is_ok() {
            let (name, token) = (&self.claim.name, self.token);
            tracing::warn!(lock = %name, token, %cause, "a lock was lost");
            self.meter.lost();
        }
        self.lost.cancel();
    }

    /// Renews it a third of its time before the next, and tries again more often where that fails,
    /// until it's over or lost.
    pub(super) async fn keep(self: Arc<Self>) {
        let mut next = self.since + self.settings.ttl / 3;
        let last = self.settings.longest.map(|longest| self.since + longest);
        loop {
            let until = self.until();
            let renews = last.is_none_or(|last| next < last);
            tokio::select! {
                biased;
                () = self.over.cancelled() => return,
                () = sleep_until(until) => {
                    return self.lose(if renews { LostBy::Time } else { LostBy::Longest });
                }
                () = sleep_until(next), if renews => {}
            }
            let asked = Instant::now();
            let renewed = tokio::select! {
                biased;
                () = self.over.cancelled() => return,
                renewed = timeout_at(until, self.renew()) => renewed,
            };
            match renewed {
                Ok(Verdict::Yes(_)) => {
                    self.until.send_replace(asked + self.settings.valid());
                    next = asked + self.settings.ttl / 3;
                }
                Ok(Verdict::No) => return self.lose(LostBy::Server),
                Ok(Verdict::Open(_)) => next = Instant::now() + self.settings.ttl / 20,
                // The limit is the lock's own end: the loop finds it.
                Err(_) => {}
            }
        }
    }

    async fn renew(&self) -> Verdict<()> {
        ask(&self.servers, self.settings.ttl / 3, |server| async {
            Ok(self.claim.keep(server).await?.then_some(()))
        })
        .await
    }
}
