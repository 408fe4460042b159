//! Where a group of several is told what happens in it, and from where others are.

use super::GroupEvent;
use crate::Transition;
use crate::metrics::GroupMeter;
use crate::shared::HISTORY;
use std::sync::Arc;
use tokio::sync::{Notify, broadcast};

/// What a group and its members share; it knows no backend.
pub(crate) struct Board {
    pub(super) name: Arc<str>,
    pub(super) events: broadcast::Sender<GroupEvent>,
    /// The members' state changes.
    pub(super) changes: broadcast::Sender<Transition>,
    /// Something has changed that the one who tends the group has to look at.
    pub(super) stirred: Notify,
    meter: GroupMeter,
}

impl Board {
    pub(super) fn new(name: Arc<str>, system: &'static str) -> Self {
        Self {
            meter: GroupMeter::new(Arc::clone(&name), system),
            name,
            events: broadcast::Sender::new(HISTORY),
            changes: broadcast::Sender::new(HISTORY),
            stirred: Notify::new(),
        }
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The state changes of the members from now on, in order.
    pub(crate) fn changes(&self) -> broadcast::Receiver<Transition> {
        self.changes.subscribe()
    }

    /// A member's state has changed. Called while it can't change again: returns at once.
    pub(crate) fn follow(&self, transition: &Transition) {
        // An error means that nobody watches.
        let _ = self.changes.send(transition.clone());
        self.stirred.notify_one();
    }

    /// The log line, the metrics and the watchers' copy of an event.
    pub(super) fn tell(&self, event: GroupEvent) {
        event.log(&self.name);
        self.meter.event(&event);
        let _ = self.events.send(event);
        self.stirred.notify_one();
    }

    /// How many members there are, and how many are connected.
    pub(super) fn count(&self, members: usize, ready: usize) {
        self.meter.members(members, ready);
    }
}
