//! Looks at the leases that are out: moves the register's clock, reports leaks, publishes counts.

use crate::Backend;
use crate::shared::Shared;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{Instant, Interval, MissedTickBehavior};

/// The longest time between two looks; also the resolution of a lease's age.
const LONGEST_TICK: Duration = Duration::from_millis(250);
const SHORTEST_TICK: Duration = Duration::from_millis(10);

/// Runs until it is dropped: the supervisor owns it.
pub(crate) async fn watch<B: Backend>(shared: Arc<Shared<B>>) {
    let (mut threshold, mut tick) = pace(&shared);
    let (mut clock, mut last) = (Duration::ZERO, Instant::now());
    let mut ticks = ticks_of(tick);
    loop {
        ticks.tick().await;
        if pace(&shared) != (threshold, tick) {
            (threshold, tick) = pace(&shared);
            ticks = ticks_of(tick);
            ticks.reset();
        }
        // By a tick at the most: after a pause of the whole process, leases that were taken by the
        // old clock must not look as old as the pause was long.
        clock += last.elapsed().min(tick);
        last = Instant::now();
        shared.gate.register().tick(millis(clock));
        shared.meter.leases(shared.gate.register().uses(), shared.gate.inside());
        if !threshold.is_zero() {
            // The clock lags behind by up to a tick: a lease looks that much older than it is.
            report(&shared, threshold + tick);
        }
    }
}

/// The threshold as it is set at this moment, and how often leases are looked at by it.
fn pace<B: Backend>(shared: &Shared<B>) -> (Duration, Duration) {
    let threshold = shared.settings().leak_threshold;
    if threshold.is_zero() {
        return (threshold, LONGEST_TICK);
    }
    (threshold, (threshold / 4).clamp(SHORTEST_TICK, LONGEST_TICK))
}

fn ticks_of(tick: Duration) -> Interval {
    let mut ticks = tokio::time::interval(tick);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

fn report<B: Backend>(shared: &Shared<B>, threshold: Duration) {
    for (site, age) in shared.gate.register().overdue(millis(threshold)) {
        shared.counters.leaks.fetch_add(1, Ordering::Relaxed);
        shared.meter.leaked();
        tracing::warn!(
            resource = %shared.name, acquired_at = %site, held = ?Duration::from_millis(age),
            "lease held past the leak threshold: drop it, or mark it as long_lived"
        );
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
