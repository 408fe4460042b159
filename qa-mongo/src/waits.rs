//! What an operation waits for in the driver: a server, and a connection to it.
//!
//! The driver tells that a checkout of a connection has begun and how it ended, and nothing where its
//! caller went away; counting alone would therefore only grow. But it tells within the caller's own task,
//! and there we know which of our operations it is for, and when that one ends or is dropped.

use crate::metrics::{Pending, PoolMeter};
use std::cell::{Cell, RefCell};
use std::time::Instant;

tokio::task_local! {
    static WAITS: Waits;
}

/// The waits of one operation. They are over when it is.
#[derive(Default)]
struct Waits {
    checkouts: RefCell<Checkouts>,
    /// Since when its only command waits for a server.
    selecting: Cell<Option<Instant>>,
}

/// The checkouts that are under way. Mostly there is one at a time, which takes no allocation.
#[derive(Default)]
struct Checkouts {
    one: Option<Pending>,
    others: Vec<Pending>,
}

impl Checkouts {
    fn add(&mut self, checkout: Pending) {
        match &self.one {
            None => self.one = Some(checkout),
            Some(_) => self.others.push(checkout),
        }
    }

    fn remove_one_of(&mut self, meter: &PoolMeter) {
        if self.one.take_if(|one| one.is_of(meter)).is_none()
            && let Some(at) = self.others.iter().position(|one| one.is_of(meter))
        {
            drop(self.others.swap_remove(at));
        }
    }
}

/// Runs what is done through us, with its waits for connections counted. What it spawns is not.
pub(crate) fn counted<F: Future>(operation: F) -> impl Future<Output = F::Output> {
    WAITS.scope(Waits::default(), operation)
}

/// The same for a single command that is sent at once: its wait for a server is measured, too. It counts from
/// this call.
pub(crate) fn timed<F: Future>(command: F) -> impl Future<Output = F::Output> {
    let waits = Waits { selecting: Cell::new(Some(Instant::now())), ..Waits::default() };
    WAITS.scope(waits, command)
}

/// A checkout has begun, which is as soon as a server is selected. Called by the driver's event.
pub(crate) fn begun(meter: &PoolMeter) {
    let _ = WAITS.try_with(|waits| {
        if let Some(since) = waits.selecting.take() {
            meter.selected(since.elapsed());
        }
        waits.checkouts.borrow_mut().add(meter.pending());
    });
}

/// A checkout has ended, with a connection or without. Called by the driver's event.
pub(crate) fn ended(meter: &PoolMeter) {
    let _ = WAITS.try_with(|waits| waits.checkouts.borrow_mut().remove_one_of(meter));
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::poll;
    use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
    use std::future::pending;
    use std::pin::pin;

    /// How many wait more than at the last look, by resource.
    fn more(snapshotter: &Snapshotter) -> Vec<(String, i32)> {
        let mut found = Vec::new();
        for (key, _, _, value) in snapshotter.snapshot().into_vec() {
            let pool = key.key().labels().find(|one| one.key() == "db.client.connection.pool.name");
            let (name, pool) = (key.key().name(), pool.unwrap().value().to_owned());
            if let (true, DebugValue::Gauge(value)) = (name.ends_with("pending_requests"), value) {
                #[expect(clippy::cast_possible_truncation, reason = "a small whole number")]
                found.push((pool, value.into_inner() as i32));
            }
        }
        found.sort();
        found
    }

    fn count(of: &str, change: i32) -> (String, i32) {
        (format!("{of}/driver"), change)
    }

    #[tokio::test]
    async fn who_waits_is_counted_until_it_has_a_connection_or_goes_away() {
        let recorder = DebuggingRecorder::new();
        let _guard = metrics::set_default_local_recorder(&recorder);
        let (snapshotter, meter) = (recorder.snapshotter(), PoolMeter::new("quotes", 100));
        let served = counted(async {
            begun(&meter);
            begun(&meter);
            assert_eq!(more(&snapshotter), [count("quotes", 2)]);
            ended(&meter);
            assert_eq!(more(&snapshotter), [count("quotes", -1)]);
            ended(&meter);
        });
        served.await;
        assert_eq!(more(&snapshotter), [count("quotes", -1)]);

        {
            let mut given_up = pin!(counted(async {
                begun(&meter);
                pending::<()>().await;
            }));
            assert!(poll!(&mut given_up).is_pending());
            assert_eq!(more(&snapshotter), [count("quotes", 1)]);
        }
        assert_eq!(more(&snapshotter), [count("quotes", -1)], "its caller went away");
    }

    #[tokio::test]
    async fn each_pool_has_its_own_and_what_is_not_ours_is_not_counted() {
        let recorder = DebuggingRecorder::new();
        let _guard = metrics::set_default_local_recorder(&recorder);
        let snapshotter = recorder.snapshotter();
        let (one, two) = (PoolMeter::new("one", 100), PoolMeter::new("two", 100));
        begun(&one);
        ended(&one);
        assert_eq!(more(&snapshotter), [count("one", 0), count("two", 0)]);
        let both = counted(async {
            begun(&one);
            begun(&two);
            ended(&two);
            assert_eq!(more(&snapshotter), [count("one", 1), count("two", 0)]);
        });
        both.await;
        assert_eq!(more(&snapshotter), [count("one", -1), count("two", 0)]);
    }

    #[tokio::test]
    async fn only_the_first_wait_of_a_single_command_is_one_for_a_server() {
        let recorder = DebuggingRecorder::new();
        let _guard = metrics::set_default_local_recorder(&recorder);
        let meter = PoolMeter::new("quotes", 100);
        // The driver tries it once more.
        let twice = async || {
            for _ in 0..2 {
                begun(&meter);
                ended(&meter);
            }
        };
        timed(twice()).await;
        counted(twice()).await;
        twice().await;
        let mut selections = 0;
        for (key, _, _, value) in recorder.snapshotter().snapshot().into_vec() {
            if let DebugValue::Histogram(values) = value
                && key.key().name() == "qa.mongo.selection.duration"
            {
                selections += values.len();
            }
        }
        assert_eq!(selections, 1);
    }
}
