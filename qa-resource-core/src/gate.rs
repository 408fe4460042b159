//! Who is inside, and the word that nobody is let in any more.

use crate::register::{Register, Site, SlotId};
use crossbeam_utils::CachePadded;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use tokio::sync::Notify;

/// Lets leases in until it is shut, and tells when the last one has left.
///
/// Whoever enters first writes into a slot of its own and then reads whether the gate is shut;
/// whoever shuts it first writes that and then reads the slots. Both pairs are sequentially
/// consistent, so at least one of the two sees the other: a lease is refused, or it is waited for.
/// There is no count that every lease would have to write, which is what makes them cheap when
/// many threads take them at once.
pub(crate) struct Gate {
    shut: AtomicBool,
    register: Register,
    /// Those inside for whom there was no slot.
    crowd: CachePadded<AtomicUsize>,
    emptied: Notify,
}

/// The right to be inside; has to be given back to [`Gate::leave`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket(Option<SlotId>);

impl Gate {
    pub(crate) fn new() -> Self {
        Self {
            shut: AtomicBool::new(false),
            register: Register::new(),
            crowd: CachePadded::default(),
            emptied: Notify::new(),
        }
    }

    /// Lets one in, unless the gate is shut.
    #[inline]
    pub(crate) fn enter(&self, site: Site) -> Option<Ticket> {
        let ticket = Ticket(self.register.claim(site));
        if ticket.0.is_none() {
            self.crowd.fetch_add(1, Ordering::SeqCst);
        }
        if self.shut.load(Ordering::SeqCst) {
            self.leave(ticket);
            return None;
        }
        Some(ticket)
    }

    /// Counts a lease that was given for a ticket.
    #[inline]
    pub(crate) fn count(&self, ticket: Ticket) {
        self.register.count(ticket.0);
    }

    /// Lets one out.
    #[inline]
    pub(crate) fn leave(&self, ticket: Ticket) {
        match ticket.0 {
            Some(slot) => self.register.release(slot),
            None => drop(self.crowd.fetch_sub(1, Ordering::SeqCst)),
        }
        if self.shut.load(Ordering::SeqCst) {
            self.emptied.notify_waiters();
        }
    }

    /// Lets nobody in from now on.
    pub(crate) fn shut(&self) {
        self.shut.store(true, Ordering::SeqCst);
    }

    /// How many are inside. While the gate is open this is as it was a moment ago.
    pub(crate) fn inside(&self) -> usize {
        // Goes with the one behind the making of a chunk: a chunk that is not seen here was made
        // by somebody who sees that the gate is shut.
        fence(Ordering::SeqCst);
        self.register.claimed() + self.crowd.load(Ordering::SeqCst)
    }

    /// Waits until nobody is inside. Meaningful once the gate is shut.
    pub(crate) async fn empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            // Registered before the slots are read, or the last one could leave in between.
            emptied.as_mut().enable();
            if self.inside() == 0 {
                return;
            }
            emptied.await;
        }
    }

    /// How long a ticket has been out, in milliseconds of the register's clock.
    pub(crate) fn age(&self, ticket: Ticket) -> u64 {
        ticket.0.map_or(0, |slot| self.register.age(slot))
    }

    /// Never reports a ticket as overdue.
    pub(crate) fn excuse(&self, ticket: Ticket) {
        if let Some(slot) = ticket.0 {
            self.register.excuse(slot);
        }
    }

    /// The slots, for whoever watches over them.
    pub(crate) fn register(&self) -> &Register {
        &self.register
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::Location;
    use std::sync::Arc;

    /// Threads enter and leave while another shuts the gate: once the drain saw it empty, nobody
    /// is inside any more, ever.
    #[test]
    fn nobody_slips_past_a_drain() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for round in 0..300 {
            let (gate, drained) = (Arc::new(Gate::new()), Arc::new(AtomicBool::new(false)));
            let threads: Vec<_> = (0..3)
                .map(|_| {
                    let (gate, drained) = (Arc::clone(&gate), Arc::clone(&drained));
                    std::thread::spawn(move || {
                        while let Some(ticket) = gate.enter(Location::caller()) {
                            assert!(!drained.load(Ordering::SeqCst), "inside after the drain");
                            gate.leave(ticket);
                        }
                    })
                })
                .collect();
            for _ in 0..round % 7 {
                std::thread::yield_now();
            }
            gate.shut();
            runtime.block_on(gate.empty());
            drained.store(true, Ordering::SeqCst);
            for thread in threads {
                thread.join().unwrap();
            }
            assert_eq!(gate.inside(), 0);
        }
    }

    #[test]
    fn whoever_has_no_slot_is_counted_all_the_same() {
        let gate = Gate::new();
        gate.crowd.fetch_add(1, Ordering::SeqCst);
        let ticket = gate.enter(Location::caller()).unwrap();
        assert_eq!(gate.inside(), 2);
        gate.leave(Ticket(None));
        gate.leave(ticket);
        assert_eq!(gate.inside(), 0);
    }
}
