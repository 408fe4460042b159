//! What is being computed in this process.

use super::entry::Entry;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::OnceCell;

type Flight = Arc<OnceCell<Entry>>;

/// For each key that is being computed, where its value will be.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<HashMap<String, Flight>>);

/// One who waits for a value, or computes it.
pub(super) struct Seat<'a> {
    flights: &'a Flights,
    key: &'a str,
    pub(super) flight: Flight,
}

impl Flights {
    pub(super) fn join<'a>(&'a self, key: &'a str) -> Seat<'a> {
        let flight = Arc::clone(self.all().entry(key.to_owned()).or_default());
        Seat { flights: self, key, flight }
    }

    /// Whether it's being computed.
    pub(super) fn is_under_way(&self, key: &str) -> bool {
        self.all().contains_key(key)
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Flight>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who comes once it is computed asks the server; and the last who gives up takes the place along.
impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut all = self.flights.all();
        let is_this = all.get(self.key).is_some_and(|flight| Arc::ptr_eq(flight, &self.flight));
        // The map's, and this one.
        if is_this && (self.flight.initialized() || Arc::strong_count(&self.flight) == 2) {
            all.remove(self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn one_computes_and_all_have_it_and_nothing_stays() {
        let flights = Flights::default();
        let entry = Entry { took: Duration::ZERO, value: None };
        let (one, two) = (flights.join("a"), flights.join("a"));
        let computed = one.flight.get_or_init(async || entry.clone()).await;
        assert_eq!(*computed, entry);
        let same = two.flight.get_or_init(async || panic!("it's there")).await;
        assert_eq!(*same, entry);
        assert!(flights.is_under_way("a"));
        drop(one);
        assert!(!flights.is_under_way("a"), "who comes now asks the server");
        let next = flights.join("a");
        drop(two);
        assert!(flights.is_under_way("a"), "another one");
        drop(next);
        assert!(flights.all().is_empty());
    }
}
