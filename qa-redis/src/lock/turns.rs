//! Whose turn it is: who gives a lock up wakes who is next in line, in this process or another.

use super::LockSettings;
use crate::{Event, Redis, Subscription, Topic};
use qa_resource_core::Group;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// How many letters of an owner say whose it is.
#[cfg(test)]
const ID: usize = 16;

/// Those of this process who wait, by what they are called on the server.
#[derive(Debug, Default)]
struct Waiting(Mutex<HashMap<String, Arc<Notify>>>);

/// Who waits, and what hears that their turn has come.
#[derive(Debug)]
pub(super) struct Turns {
    /// What the owners of one `Locks` begin with.
    id: String,
    waiting: Arc<Waiting>,
    listener: OnceLock<AbortHandle>,
}

/// A place in the line of this process, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    waiting: Arc<Waiting>,
    owner: String,
    turn: Arc<Notify>,
}

impl Turns {
    pub(super) fn new() -> Self {
        let id = format!("{:016x}", fastrand::u64(..));
        Self { id, waiting: Arc::default(), listener: OnceLock::new() }
    }

    /// A name for somebody who asks, that nobody else has.
    pub(super) fn owner(&self) -> String {
        let mut owner = self.id.clone();
        // Writing into a text can't fail.
        let _ = write!(owner, "{:016x}", fastrand::u64(..));
        owner
    }

    /// Waits in line under this name.
    pub(super) fn wait(&self, owner: &str) -> Place {
        let turn = Arc::new(Notify::new());
        self.waiting.all().insert(owner.to_owned(), Arc::clone(&turn));
        Place { waiting: Arc::clone(&self.waiting), owner: owner.to_owned(), turn }
    }

    /// Wakes that one, if it's of this process.
    pub(super) fn wake(&self, owner: &str) {
        self.waiting.wake(owner);
    }

    /// Hears from now on what other processes say. Where it can't, who waits asks now and then.
    pub(super) fn listen(&self, group: &Group<Redis>, settings: &LockSettings) {
        self.listener.get_or_init(|| {
            let channel = Topic::from(format!("{}{}", channels(settings), self.id));
            let subscription = Subscription::start(group.clone(), [channel]);
            tokio::spawn(hear(subscription, Arc::clone(&self.waiting))).abort_handle()
        });
    }
}

/// What the channels begin with on which it is told whose turn it is; the rest says who hears it.
pub(super) fn channels(settings: &LockSettings) -> String {
    format!("{}turn:", settings.prefix)
}

impl Drop for Turns {
    fn drop(&mut self) {
        if let Some(listener) = self.listener.get() {
            listener.abort();
        }
    }
}

async fn hear(mut subscription: Subscription, waiting: Arc<Waiting>) {
    while let Some(event) = subscription.next().await {
        match event {
            Event::Message(message) => waiting.wake(&String::from_utf8_lossy(&message.payload)),
            // Somebody's turn may have come meanwhile.
            Event::Gap(_) => waiting.all().values().for_each(|turn| turn.notify_one()),
        }
    }
}

impl Waiting {
    fn wake(&self, owner: &str) {
        if let Some(turn) = self.all().get(owner) {
            turn.notify_one();
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Arc<Notify>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Resolves when its turn may have come since this was asked last.
    pub(super) async fn turn(&self) {
        self.turn.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.waiting.all().remove(&self.owner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn only_who_is_meant_is_woken_and_a_place_that_is_left_is_gone() {
        let turns = Turns::new();
        let (one, two) = (turns.owner(), turns.owner());
        assert!(one != two && one[..ID] == two[..ID] && one.len() == 2 * ID);
        let (first, second) = (turns.wait(&one), turns.wait(&two));
        turns.wake(&two);
        assert!(first.turn().now_or_never().is_none());
        assert!(second.turn().now_or_never().is_some(), "also where it came before");
        assert!(second.turn().now_or_never().is_none(), "once");
        drop((first, second));
        assert!(turns.waiting.all().is_empty());
        turns.wake(&one);
    }
}
