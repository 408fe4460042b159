//! Locks between processes, with fencing tokens.

mod attempt;
mod error;
mod guard;
mod held;
mod scripts;
mod seat;
mod settings;
mod turns;
mod votes;

pub use error::{LockError, LostBy};
pub use guard::LockGuard;
pub use settings::LockSettings;

use crate::Redis;
use attempt::{Asked, Attempt};
use qa_resource_core::Group;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};
use turns::Turns;

/// Who waits is told when its turn has come. It asks all the same, because nobody tells that a holder
/// is dead: the more seldom the longer the line before is, for each place in it so much.
const PER_PLACE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Who waits and has not asked for so long counts as gone.
const PATIENCE: Duration = Duration::from_secs(3);

/// Locks that processes share through Redis.
///
/// # What such a lock can guarantee, and what not
/// While Redis keeps what it knows, nobody has the same lock as another, and who comes first gets it
/// first. But no lock of this kind can keep a process that was stopped (by the system, by a debugger,
/// by a full disk) from going on with its work when its time is over, and a Redis that is restarted
/// without its data, or replaced by a replica that had not heard of the lock, forgets who holds it.
/// Two may then believe that they hold it. See M. Kleppmann, "How to do distributed locking" (2016),
/// and Redis' own
/// [page](https://redis.io/docs/latest/develop/clients/patterns/distributed-locks/).
///
/// So use it to avoid doing work twice; and where doing it twice would do harm, have what is written to
/// refuse a [token](LockGuard::token) that is smaller than one it has seen. That is what makes it
/// safe: tokens only grow. They do so over restarts of a Redis that lost its data, too, because its
/// clock is one of their two sources, and over a clock that goes back, because the last token is the
/// other; only a server that loses its data and whose clock then stands before its last token would
/// break it.
///
/// A holder learns that it lost the lock from [`lost`](LockGuard::lost), at the latest when its time is
/// over by its own clock, which begins before the server's does.
///
/// # Several masters
/// With [`quorum`](Self::quorum) a lock is held by who has it on most of several masters that know
/// nothing of each other ("Redlock"): it then outlives the loss of a minority of them. Its tokens grow
/// as well: a new token is written to a majority before the lock counts as held.
///
/// ```no_run
/// # async fn example(resource: qa_resource_core::Resource<qa_redis::Redis>) -> Result<(), Box<dyn std::error::Error>> {
/// use qa_redis::{LockSettings, Locks};
/// use std::time::Duration;
/// let locks = Locks::new(resource.clone(), LockSettings::default());
/// let guard = locks.acquire("rebalance", Duration::from_secs(30)).await?;
/// tokio::select! {
///     lost = guard.lost() => return Err(lost.into()),
///     () = rebalance(guard.token()) => {}
/// }
/// guard.release().await?;
/// # async fn rebalance(_: u64) {}
/// # Ok(())
/// # }
/// ```
pub struct Locks {
    servers: Arc<[Group<Redis>]>,
    settings: LockSettings,
    turns: Arc<Turns>,
}

impl Locks {
    /// Locks on one server, or on what sentinels make of it.
    pub fn new(group: impl Into<Group<Redis>>, settings: LockSettings) -> Self {
        Self::quorum([group.into()], settings)
    }

    /// Locks on a majority of several masters, each a resource of its own. An odd number is best.
    ///
    /// # Panics
    /// Where there is none.
    pub fn quorum(groups: impl IntoIterator<Item = Group<Redis>>, settings: LockSettings) -> Self {
        let servers: Arc<[_]> = groups.into_iter().collect();
        assert!(!servers.is_empty(), "a lock needs a server");
        Self { servers, settings: settings.bounded(), turns: Arc::new(Turns::new()) }
    }

    /// The lock, if it's free and nobody waits for it.
    ///
    /// # Errors
    /// [`LockError::Unavailable`] where the server, or of several too many, could not be asked.
    ///
    /// # Cancel safety
    /// What was taken is given up in the background.
    pub async fn try_acquire(&self, name: &str) -> Result<Option<LockGuard>, LockError> {
        match Attempt::new(self, name).ask(Duration::ZERO).await? {
            Asked::Ours(guard) => Ok(Some(guard)),
            Asked::NotYet { .. } => Ok(None),
        }
    }

    /// The lock, once it's the caller's turn: on one server who came first is served first. A server
    /// that can't be asked is asked again for as long.
    ///
    /// # Errors
    /// [`LockError::Busy`] where it was not to be had within `wait`; [`LockError::Unavailable`] where
    /// the server could not be asked by then, and at once where asking again would not help.
    ///
    /// # Cancel safety
    /// The place in the line is given up in the background, and so is what was taken.
    pub async fn acquire(&self, name: &str, wait: Duration) -> Result<LockGuard, LockError> {
        let began = Instant::now();
        let mut attempt = Attempt::new(self, name);
        let mut place = None;
        loop {
            let answer = attempt.ask(PATIENCE).await;
            let left = wait.saturating_sub(began.elapsed());
            let pause = match answer {
                Ok(Asked::Ours(guard)) => return Ok(guard),
                Ok(Asked::NotYet { .. }) if left.is_zero() => {
                    return Err(LockError::Busy { name: name.to_owned(), waited: began.elapsed() });
                }
                Ok(Asked::NotYet { free_in, before }) => pause(free_in, before),
                Err(error) if left.is_zero() || !error.may_pass() => return Err(error),
                Err(_) => LONGEST_PAUSE.mul_f64(fastrand::f64()),
            };
            let Some(place) = &place else {
                // Asks once more at once: its turn may have come before it could be told.
                place = Some(attempt.wait());
                continue;
            };
            let _ = timeout(pause.min(left), place.turn()).await;
        }
    }
}

/// How long to wait before asking again, where nobody says that it is one's turn.
fn pause(free_in: Duration, before: u32) -> Duration {
    let turn = PER_PLACE.saturating_mul(before.saturating_add(1)).min(LONGEST_PAUSE);
    let soon = if before == 0 { free_in.max(Duration::from_millis(1)) } else { turn };
    turn.min(soon)
}

impl fmt::Debug for Locks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.servers.iter().map(Group::name).collect();
        f.debug_struct("Locks")
            .field("resources", &names)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_in_line_asks_often_and_the_last_seldom() {
        let second = Duration::from_secs(1);
        assert_eq!(pause(second, 0), PER_PLACE);
        assert_eq!(pause(Duration::ZERO, 0), Duration::from_millis(1));
        assert_eq!(pause(Duration::ZERO, 3), 4 * PER_PLACE);
        assert_eq!(pause(second, u32::MAX), LONGEST_PAUSE);
    }
}
