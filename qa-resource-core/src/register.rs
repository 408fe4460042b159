//! Who holds a lease since when: slots that are claimed without a lock and without allocating.

use crossbeam_utils::CachePadded;
use crossbeam_utils::atomic::AtomicCell;
use std::cell::Cell;
use std::panic::Location;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};

/// Where a lease was acquired.
pub(crate) type Site = &'static Location<'static>;

/// A slot of the register: free while `since` is zero.
#[derive(Default)]
struct Slot {
    /// When it was claimed, in milliseconds of the register's clock; the top bit says that it was
    /// reported.
    since: AtomicU64,
    site: AtomicCell<Option<Site>>,
    /// How often it was used; written by its holder alone.
    uses: AtomicU64,
}

const REPORTED: u64 = 1 << 63;
const CHUNKS: usize = 16;
const FIRST_CHUNK: usize = 64;
const PROBES: usize = 4;

/// The leases that are out. Grows by doubling chunks, which are never moved or freed; where every
/// probe finds its slot taken, a lease goes without one rather than wait.
pub(crate) struct Register {
    chunks: [OnceLock<Box<[CachePadded<Slot>]>>; CHUNKS],
    /// Milliseconds since the register was made, plus one; moved on by whoever scans it, so that
    /// a lease costs no look at the clock.
    now: AtomicU64,
    /// Leases that were given without a slot.
    without_slot: AtomicU64,
}

/// A claimed slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SlotId {
    chunk: u32,
    index: u32,
}

thread_local! {
    /// The place that is this thread's own, so that threads do not share cache lines.
    static HOME: Cell<usize> = const { Cell::new(usize::MAX) };
    /// The slot that this thread freed last, and the address of its register: where it looks first. A task
    /// that gives a lease back takes the next one at once, and the slot is in this core's cache. Of another
    /// register that has come to the same address it is a place to look like any other.
    static FREED: Cell<(usize, SlotId)> = const { Cell::new((0, id(0, 0))) };
}

/// The number of this thread, among those that have asked.
#[inline]
pub(crate) fn home() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    HOME.with(|home| {
        if home.get() == usize::MAX {
            home.set(THREADS.fetch_add(1, Ordering::Relaxed));
        }
        home.get()
    })
}

impl Register {
    pub(crate) fn new() -> Self {
        Self {
            chunks: [const { OnceLock::new() }; CHUNKS],
            now: AtomicU64::new(1),
            without_slot: AtomicU64::new(0),
        }
    }

    /// Notes a lease taken at `site`: in the slot that the thread freed last, or in its own.
    #[inline]
    pub(crate) fn claim(&self, site: Site) -> Option<SlotId> {
        let now = self.now.load(Ordering::Relaxed);
        let (register, freed) = FREED.get();
        // Whoever claimed the freed slot before has seen its chunk and had the fence of `claim_elsewhere`.
        let known = if register == self.address() { freed } else { id(0, home() % FIRST_CHUNK) };
        if let Some(slot) = self.slot(known)
            && slot.claim(site, now)
        {
            return Some(known);
        }
        self.claim_elsewhere(site, now)
    }

    /// A few random slots of each chunk, the chunks made as they are needed.
    #[cold]
    fn claim_elsewhere(&self, site: Site, now: u64) -> Option<SlotId> {
        let claimed = self.chunks.iter().enumerate().find_map(|(chunk, slots)| {
            let slots = slots.get_or_init(|| new_chunk(chunk));
            let mut probes = std::iter::repeat_with(|| fastrand::usize(..slots.len()));
            let index =
                probes.by_ref().take(PROBES).find(|index| slots[*index].claim(site, now))?;
            Some(id(chunk, index))
        });
        // Between the look at the chunk and that at the gate, see `Gate::inside`.
        fence(Ordering::SeqCst);
        claimed
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Counts a lease that was given, with the slot it has, if any.
    #[inline]
    pub(crate) fn count(&self, id: Option<SlotId>) {
        match id.and_then(|id| self.slot(id)) {
            // No read-modify-write is needed: nobody else writes while it is claimed.
            Some(slot) => slot.uses.store(slot.uses.load(Ordering::Relaxed) + 1, Ordering::Relaxed),
            None => drop(self.without_slot.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// How many leases have been given.
    pub(crate) fn uses(&self) -> u64 {
        let slots = self.chunks.iter().filter_map(OnceLock::get).flatten();
        let with_slot: u64 = slots.map(|slot| slot.uses.load(Ordering::Relaxed)).sum();
        with_slot + self.without_slot.load(Ordering::Relaxed)
    }

    /// Frees a slot.
    #[inline]
    pub(crate) fn release(&self, id: SlotId) {
        if let Some(slot) = self.slot(id) {
            // Sequentially consistent with the look at the gate that follows it.
            slot.since.store(0, Ordering::SeqCst);
            FREED.set((self.address(), id));
        }
    }

    /// How many slots are claimed.
    pub(crate) fn claimed(&self) -> usize {
        let slots = self.chunks.iter().filter_map(OnceLock::get).flatten();
        slots.filter(|slot| slot.since.load(Ordering::SeqCst) != 0).count()
    }

    /// Marks a slot as one that need not be reported.
    pub(crate) fn excuse(&self, id: SlotId) {
        if let Some(slot) = self.slot(id) {
            slot.since.fetch_or(REPORTED, Ordering::Relaxed);
        }
    }

    /// How long a slot has been claimed, in milliseconds of the register's clock.
    pub(crate) fn age(&self, id: SlotId) -> u64 {
        let since = self.slot(id).map_or(0, |slot| slot.since.load(Ordering::Relaxed) & !REPORTED);
        self.now.load(Ordering::Relaxed).saturating_sub(since)
    }

    /// Moves the clock to `now` milliseconds.
    pub(crate) fn tick(&self, now: u64) {
        self.now.store(now + 1, Ordering::Relaxed);
    }

    /// The places and ages of the leases that are out for `threshold` milliseconds and were not
    /// reported before.
    pub(crate) fn overdue(&self, threshold: u64) -> Vec<(Site, u64)> {
        let now = self.now.load(Ordering::Relaxed);
        let slots = self.chunks.iter().filter_map(OnceLock::get).flatten();
        slots.filter_map(|slot| slot.report(now, threshold)).collect()
    }

    #[inline]
    fn slot(&self, id: SlotId) -> Option<&Slot> {
        let chunk = self.chunks.get(id.chunk as usize)?.get()?;
        chunk.get(id.index as usize).map(|slot| &**slot)
    }
}

impl Slot {
    /// Claims the slot, if it is free.
    #[inline]
    fn claim(&self, site: Site, now: u64) -> bool {
        // A look costs far less than an exchange, and many that are looked at are taken.
        if self.since.load(Ordering::Relaxed) != 0
            || self.since.compare_exchange(0, now, Ordering::SeqCst, Ordering::Relaxed).is_err()
        {
            return false;
        }
        self.site.store(Some(site));
        true
    }

    /// Marks an overdue slot as reported and says where it was claimed.
    fn report(&self, now: u64, threshold: u64) -> Option<(Site, u64)> {
        let since = self.since.load(Ordering::Acquire);
        let age = now.saturating_sub(since);
        if since == 0 || since & REPORTED != 0 || age < threshold {
            return None;
        }
        let site = self.site.load();
        // Fails where the lease came back meanwhile: then the site may be another's.
        let marked = self.since.compare_exchange(
            since,
            since | REPORTED,
            Ordering::AcqRel,
            Ordering::Relaxed,
        );
        marked.ok().and(site).map(|site| (site, age))
    }
}

fn new_chunk(chunk: usize) -> Box<[CachePadded<Slot>]> {
    (0..FIRST_CHUNK << chunk).map(|_| CachePadded::default()).collect()
}

#[expect(clippy::cast_possible_truncation, reason = "16 chunks of at most 2 Mi slots")]
const fn id(chunk: usize, index: usize) -> SlotId {
    SlotId { chunk: chunk as u32, index: index as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overdue_lease_is_reported_once_with_its_place() {
        let register = Register::new();
        let site = Location::caller();
        let slot = register.claim(site).unwrap();
        register.tick(99);
        assert!(register.overdue(100).is_empty());
        register.tick(100);
        assert_eq!(register.age(slot), 100);
        assert_eq!(register.overdue(100), [(site, 100)]);
        assert!(register.overdue(100).is_empty());
        register.release(slot);
        let again = register.claim(site).unwrap();
        assert_eq!(register.age(again), 0);
    }

    #[test]
    fn the_slot_that_was_freed_last_is_taken_next_and_only_in_its_own_register() {
        let (register, other) = (Register::new(), Register::new());
        let site = Location::caller();
        let at = |slot: SlotId| (slot.chunk, slot.index);
        let slots: Vec<_> = (0..1_000).map(|_| register.claim(site).unwrap()).collect();
        let last = slots[999];
        assert!(last.chunk > 0, "a thousand have no room in the first chunk");
        register.release(last);
        assert_eq!(at(register.claim(site).unwrap()), at(last));
        register.release(last);
        assert_eq!(other.claim(site).unwrap().chunk, 0, "its place is free there");
        assert_eq!((register.claimed(), other.claimed()), (999, 1));
    }

    #[test]
    fn ten_thousand_leases_of_one_thread_are_all_watched() {
        let register = Register::new();
        let site = Location::caller();
        let slots: Vec<_> = (0..10_000).map(|_| register.claim(site).unwrap()).collect();
        register.tick(5);
        assert_eq!(register.overdue(1).len(), 10_000);
        for slot in &slots {
            register.count(Some(*slot));
        }
        register.count(None);
        assert_eq!(register.uses(), 10_001);
        for slot in slots {
            register.release(slot);
        }
        register.tick(50);
        assert!(register.overdue(1).is_empty());
    }
}
