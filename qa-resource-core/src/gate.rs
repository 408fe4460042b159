//! The count of leases and the word that no more are given, in one atomic.

use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

/// The top bit says "shut", the others count who is inside.
///
/// With both in one word there is no moment at which a lease can slip past a drain: whoever enters
/// learns from the same read-modify-write whether the gate was shut, and whoever shuts it learns
/// how many are inside.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    word: AtomicUsize,
    emptied: Notify,
}

const SHUT: usize = 1 << (usize::BITS - 1);

impl Gate {
    /// Counts one in, unless the gate is shut. Whoever was let in must [`leave`](Self::leave).
    #[inline]
    pub(crate) fn enter(&self) -> bool {
        let before = self.word.fetch_add(1, Ordering::AcqRel);
        if before & SHUT != 0 {
            self.leave();
            return false;
        }
        true
    }

    /// Counts one out.
    #[inline]
    pub(crate) fn leave(&self) {
        let before = self.word.fetch_sub(1, Ordering::AcqRel);
        if before == SHUT | 1 {
            self.emptied.notify_waiters();
        }
    }

    /// Lets nobody in from now on.
    pub(crate) fn shut(&self) {
        self.word.fetch_or(SHUT, Ordering::AcqRel);
    }

    /// How many are inside.
    pub(crate) fn inside(&self) -> usize {
        self.word.load(Ordering::Acquire) & !SHUT
    }

    /// Waits until nobody is inside. Meaningful once the gate is shut.
    pub(crate) async fn empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            // Registered before the count is read, or the last one could leave in between.
            emptied.as_mut().enable();
            if self.inside() == 0 {
                return;
            }
            emptied.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    /// Threads enter and leave while another shuts the gate: once the drain saw it empty, nobody
    /// is inside any more, ever.
    #[test]
    fn nobody_slips_past_a_drain() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for round in 0..300 {
            let (gate, drained) = (Arc::new(Gate::default()), Arc::new(AtomicBool::new(false)));
            let threads: Vec<_> = (0..3)
                .map(|_| {
                    let (gate, drained) = (Arc::clone(&gate), Arc::clone(&drained));
                    std::thread::spawn(move || {
                        while gate.enter() {
                            assert!(!drained.load(Ordering::SeqCst), "inside after the drain");
                            gate.leave();
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
}
