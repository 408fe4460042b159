//! The task that tends a group of several: who is active, who is down, who is to be connected again.

use super::election::{Candidate, Elected, elect};
use super::many::Many;
use super::member::Entry;
use super::{GroupEvent, Policy};
use crate::{Backend, State};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until};
use tokio_util::task::AbortOnDropHandle;

/// How long it sleeps where nothing is expected.
const LONG: Duration = Duration::from_secs(3600);

/// Starts tending; the group owns the task, and the task does not own the group.
pub(super) fn spawn<B: Backend>(many: &Arc<Many<B>>, runtime: &Handle) -> AbortOnDropHandle<()> {
    let (group, board) = (Arc::downgrade(many), Arc::clone(&many.board));
    AbortOnDropHandle::new(runtime.spawn(async move {
        while let Some(next) = look(&group) {
            tokio::select! {
                () = board.stirred.notified() => {}
                () = sleep_until(next) => {}
            }
        }
    }))
}

/// Looks at everything, and says when to look again; `None` where the group is closed or gone.
fn look<B: Backend>(group: &Weak<Many<B>>) -> Option<Instant> {
    let many = group.upgrade()?;
    let (members, now) = (many.members.load_full(), Instant::now());
    if many.state() == State::Closed {
        return None;
    }
    many.tell_whether_down(&members, now);
    let next = [many.elect(&members, now), many.connect_again(&members, now)];
    Some(next.into_iter().flatten().min().unwrap_or(now + LONG))
}

impl<B: Backend> Many<B> {
    fn tell_whether_down(&self, members: &[Arc<Entry<B>>], now: Instant) {
        let ready = members.iter().filter(|entry| entry.is_ready()).count();
        self.board.count(members.len(), ready);
        let mut writer = self.writer();
        let first = members.iter().find(|entry| entry.is_ready());
        match (first, writer.down_since) {
            (Some(first), Some(since)) => {
                writer.down_since = None;
                let member = Arc::clone(first.name());
                self.board.tell(GroupEvent::Back { member, after: now - since });
            }
            (None, None) if members.iter().all(|entry| is_down(entry)) => {
                writer.down_since = Some(now);
                self.board.tell(GroupEvent::AllDown);
            }
            _ => {}
        }
    }

    /// Who is active in a failover group; gives when that may change with nobody's doing.
    fn elect(&self, members: &[Arc<Entry<B>>], now: Instant) -> Option<Instant> {
        if self.settings.policy != Policy::Failover {
            return None;
        }
        let mut writer = self.writer();
        let candidate = |entry: &Arc<Entry<B>>| Candidate {
            well: entry.is_well(),
            well_for: entry.well_for(now),
            pending: entry.resource.state() == State::Connecting,
        };
        let candidates: Vec<_> = members.iter().map(candidate).collect();
        let active = self.active.load(Ordering::Relaxed);
        match elect(active, writer.by_hand, &candidates, self.settings.failback_after) {
            Elected::Stays => None,
            Elected::StaysFor(wait) => Some(now + wait),
            Elected::Switch(to, reason) => {
                writer.by_hand = false;
                self.activate(members, to, reason);
                // Another one may stand before it, too.
                Some(now)
            }
        }
    }

    /// Has members that gave up their first connect try again, while the group is used with others.
    fn connect_again(&self, members: &[Arc<Entry<B>>], now: Instant) -> Option<Instant> {
        if !members.iter().any(|entry| entry.is_ready()) || self.quiescing.is_cancelled() {
            return None;
        }
        let idle = members.iter().filter(|entry| entry.resource.state() == State::Idle);
        let next = idle.filter_map(|entry| {
            let shared = entry.resource.shared();
            let at = shared.snapshot.load().since + shared.settings().backoff_cap;
            if at <= now {
                // It can only fail where there is no runtime, and this is a task.
                let _ = entry.resource.start();
                return None;
            }
            Some(at)
        });
        next.min()
    }
}

/// Not connected, and not for the first time: it gave up, or it was lost.
fn is_down<B: Backend>(entry: &Entry<B>) -> bool {
    let snapshot = entry.resource.shared().snapshot.load();
    match snapshot.state() {
        State::Reconnecting => true,
        State::Idle => snapshot.last_error.is_some(),
        _ => false,
    }
}
