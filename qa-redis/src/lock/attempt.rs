//! One caller's attempt to have a lock.

use super::error::LockError;
use super::guard::LockGuard;
use super::held::Held;
use super::seat::{Answer, Claim};
use super::turns::Place;
use super::votes::{Verdict, ask};
use super::{Locks, PATIENCE};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::Instant;

/// What came of asking.
pub(super) enum Asked {
    Ours(LockGuard),
    NotYet { free_in: Duration, before: u32 },
}

/// What is left of it on the servers when it's dropped is given up in the background.
pub(super) struct Attempt<'a> {
    locks: &'a Locks,
    claim: Claim,
    /// The servers may know of it.
    is_known: bool,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(locks: &'a Locks, name: &str) -> Self {
        Self { locks, claim: Claim::new(name, &locks.settings, &locks.turns), is_known: false }
    }

    /// Asks once, and on one server lines up where it is to count as waiting for so long.
    pub(super) async fn ask(&mut self, patience: Duration) -> Result<Asked, LockError> {
        self.is_known = true;
        let asked = Instant::now();
        let answer = match &*self.locks.servers {
            [server] => self.claim.take(server, patience).await.map_err(|source| {
                LockError::Unavailable { name: self.claim.name.clone(), source }
            })?,
            _ => self.ask_all().await?,
        };
        match answer {
            Answer::Yes { token } if asked.elapsed() < self.locks.settings.valid() => {
                Ok(Asked::Ours(self.begin(token, asked)))
            }
            // The answer took longer than the lock lasts.
            Answer::Yes { .. } => Ok(Asked::NotYet { free_in: Duration::ZERO, before: 0 }),
            Answer::No { free_in, before } => {
                self.is_known = !patience.is_zero();
                Ok(Asked::NotYet { free_in, before })
            }
        }
    }

    /// Asks several, a majority of whom has to say yes, and then to know the token.
    async fn ask_all(&mut self) -> Result<Answer, LockError> {
        let (claim, servers) = (&self.claim, &*self.locks.servers);
        let limit = self.locks.settings.ttl / 5;
        let asking = ask(servers, limit, |server| async {
            Ok(match claim.take(server, Duration::ZERO).await? {
                Answer::Yes { token } => Some(token),
                Answer::No { .. } => None,
            })
        });
        let failure = match asking.await {
            Verdict::Yes(tokens) => {
                let token = tokens.into_iter().max().unwrap_or_default();
                let raised = ask(servers, limit, |server| async move {
                    Ok(claim.raise(server, token).await?.then_some(()))
                });
                match raised.await {
                    Verdict::Yes(_) => return Ok(Answer::Yes { token }),
                    Verdict::No => None,
                    Verdict::Open(error) => Some(error),
                }
            }
            Verdict::No => None,
            Verdict::Open(error) => Some(error),
        };
        self.begin_anew();
        if let Some(error) = failure {
            let (name, resource) = (&self.claim.name, self.locks.servers[0].name());
            return Err(LockError::unavailable(name, resource, error));
        }
        // Nobody lines up here: who comes at another time than the others finds it free.
        Ok(Answer::No { free_in: PATIENCE, before: fastrand::u32(0..8) })
    }

    /// Gives up in the background what a minority may have given, which would stand in everybody's way;
    /// ours too, so that we are somebody else from now on.
    fn begin_anew(&mut self) {
        let next = self.claim.anew();
        let claim = std::mem::replace(&mut self.claim, next);
        self.give_up(claim);
    }

    fn give_up(&self, claim: Claim) {
        let Ok(runtime) = Handle::try_current() else { return };
        let servers = Arc::clone(&self.locks.servers);
        runtime.spawn(async move { claim.leave_all(&servers).await });
    }

    /// Waits in this process' line, too.
    pub(super) fn wait(&self) -> Place {
        let Locks { servers, settings, turns } = self.locks;
        if let [server] = &**servers {
            turns.listen(server, settings);
        }
        turns.wait(&self.claim.owner)
    }

    /// It's ours: from now on it is kept, and its guard gives it up.
    fn begin(&mut self, token: u64, asked: Instant) -> LockGuard {
        self.is_known = false;
        let Locks { servers, settings, turns: _ } = self.locks;
        let (claim, servers, settings) =
            (self.claim.clone(), Arc::clone(servers), settings.clone());
        let held = Arc::new(Held::new(claim, servers, settings, token, asked));
        held.meter.acquired();
        tokio::spawn(Arc::clone(&held).keep());
        LockGuard::new(held)
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.is_known {
            self.give_up(self.claim.clone());
        }
    }
}
