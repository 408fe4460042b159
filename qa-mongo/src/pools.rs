//! The driver's pools, as its events tell of them.

use crate::metrics::PoolMeter;
use crate::waits;
use mongodb::event::EventHandler;
use mongodb::event::cmap::CmapEvent;
use mongodb::options::ServerAddress;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A connection, as the driver numbers them: anew for each member.
type Number = (ServerAddress, u32);

/// Which connections there are, and since when those in use are.
///
/// Counting the events alone would drift: a caller that gives up while it waits leaves a connection
/// that is returned without ever having been taken, and one that could not be opened is closed all
/// the same. The lock is held for one look into the map.
pub(crate) struct Pools {
    meter: PoolMeter,
    open: Mutex<HashMap<Number, Option<Instant>>>,
}

impl Pools {
    pub(crate) fn new(meter: PoolMeter) -> Self {
        Self { meter, open: Mutex::new(HashMap::new()) }
    }

    pub(crate) fn into_handler(self) -> EventHandler<CmapEvent> {
        EventHandler::callback(move |event| self.observe(event))
    }

    fn observe(&self, event: CmapEvent) {
        match event {
            CmapEvent::ConnectionReady(event) => {
                self.meter.created_in(event.duration);
                self.opened((event.address, event.connection_id));
            }
            CmapEvent::ConnectionCheckoutStarted(_) => waits::begun(&self.meter),
            CmapEvent::ConnectionCheckedOut(event) => {
                waits::ended(&self.meter);
                self.meter.waited(event.duration);
                self.taken(&(event.address, event.connection_id), Instant::now());
            }
            CmapEvent::ConnectionCheckedIn(event) => {
                self.returned(&(event.address, event.connection_id), Instant::now());
            }
            CmapEvent::ConnectionClosed(event) => {
                self.meter.closed(&event.reason);
                self.closed(&(event.address, event.connection_id));
            }
            CmapEvent::ConnectionCheckoutFailed(event) => {
                waits::ended(&self.meter);
                self.meter.waited(event.duration);
                self.meter.got_none();
            }
            CmapEvent::PoolCleared(_) => self.meter.cleared(),
            _ => {}
        }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Number, Option<Instant>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn opened(&self, number: Number) {
        if self.open().insert(number, None).is_none() {
            self.meter.opened();
        }
    }

    fn taken(&self, number: &Number, now: Instant) {
        if let Some(since @ None) = self.open().get_mut(number) {
            *since = Some(now);
            self.meter.taken();
        }
    }

    fn returned(&self, number: &Number, now: Instant) {
        if let Some(since) = self.open().get_mut(number).and_then(Option::take) {
            self.meter.returned(now.saturating_duration_since(since));
        }
    }

    fn closed(&self, number: &Number) {
        if let Some(since) = self.open().remove(number) {
            self.meter.gone(since.is_some());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

    fn number(id: u32) -> Number {
        (ServerAddress::Tcp { host: "h".into(), port: None }, id)
    }

    /// The gauges by their state, idle and used. Reading them leaves none behind.
    fn levels(snapshotter: &Snapshotter) -> (f64, f64) {
        let (mut idle, mut used) = (0.0, 0.0);
        for (key, _, _, value) in snapshotter.snapshot().into_vec() {
            let DebugValue::Gauge(value) = value else { continue };
            let is_state = |label: &&metrics::Label| label.key() == "db.client.connection.state";
            let Some(state) = key.key().labels().find(is_state) else { continue };
            *if state.value() == "idle" { &mut idle } else { &mut used } = value.into_inner();
        }
        (idle, used)
    }

    /// What `steps` leave as levels.
    fn after(steps: impl FnOnce(&Pools, Instant)) -> (f64, f64) {
        let recorder = DebuggingRecorder::new();
        metrics::with_local_recorder(&recorder, || {
            let pools = Pools::new(PoolMeter::new("quotes", 100));
            steps(&pools, Instant::now());
            levels(&recorder.snapshotter())
        })
    }

    #[test]
    fn a_connection_is_idle_then_used_then_idle_then_gone() {
        let both = |pools: &Pools, now: Instant| {
            pools.opened(number(1));
            pools.opened(number(2));
            pools.taken(&number(1), now);
        };
        assert_eq!(after(both), (1.0, 1.0));
        let back = |pools: &Pools, now: Instant| {
            both(pools, now);
            pools.returned(&number(1), now);
        };
        assert_eq!(after(back), (2.0, 0.0));
        let closed = |pools: &Pools, now: Instant| {
            both(pools, now);
            pools.closed(&number(1));
            pools.closed(&number(2));
        };
        assert_eq!(after(closed), (0.0, 0.0));
    }

    #[test]
    fn what_the_driver_does_not_tell_in_pairs_leaves_no_drift() {
        let given_up = |pools: &Pools, now: Instant| {
            pools.opened(number(1));
            // Whoever waited for it had gone away: it was never said to be taken.
            pools.returned(&number(1), now);
            pools.returned(&number(1), now);
        };
        assert_eq!(after(given_up), (1.0, 0.0));
        let never_opened = |pools: &Pools, now: Instant| {
            pools.closed(&number(7));
            pools.taken(&number(8), now);
        };
        assert_eq!(after(never_opened), (0.0, 0.0));
    }

    #[test]
    fn a_client_that_is_dropped_takes_its_connections_out_of_the_gauges() {
        let recorder = DebuggingRecorder::new();
        metrics::with_local_recorder(&recorder, || {
            let pools = Pools::new(PoolMeter::new("quotes", 100));
            pools.opened(number(1));
            pools.opened(number(2));
            pools.taken(&number(2), Instant::now());
            drop(pools);
            assert_eq!(levels(&recorder.snapshotter()), (0.0, 0.0));
        });
    }
}
