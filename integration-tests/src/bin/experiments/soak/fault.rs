//! Faults at random times, of random kinds and lengths.

use super::Place;
use qa_servers::proxy::{Door, Faults, Way};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// How long a fault lasts on average, and at least and at most.
const MEAN: Duration = Duration::from_secs(3);
const LEAST: Duration = Duration::from_millis(200);
const MOST: Duration = Duration::from_secs(8);

/// Before the end all is well for so long.
const CALM: Duration = Duration::from_secs(5);

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    Silence,
    HalfSilence,
    Cut,
    Reset,
    Latency,
    Refusal,
    Freeze,
}

impl Fault {
    pub(super) const ALL: [Self; 7] = [
        Self::Silence,
        Self::HalfSilence,
        Self::Cut,
        Self::Reset,
        Self::Latency,
        Self::Refusal,
        Self::Freeze,
    ];

    async fn begin(self, place: &Place) {
        match self {
            Self::Silence => place.proxy.set(Faults::silent()),
            Self::HalfSilence => place.proxy.change(|faults| faults.to_client.silent = true),
            Self::Cut => place.proxy.cut(),
            Self::Reset => {
                place.proxy.set(Faults { door: Door::Reset, ..Faults::default() });
                place.proxy.reset();
            }
            Self::Latency => place.proxy.set(Faults::both(far())),
            Self::Refusal => {
                place.proxy.set(Faults::refused());
                place.proxy.reset();
            }
            Self::Freeze => place.server.freeze().await.unwrap(),
        }
    }

    async fn end(self, place: &Place) {
        place.proxy.heal();
        if self == Self::Freeze {
            place.server.thaw().await.unwrap();
        }
    }
}

fn far() -> Way {
    let [latency, jitter] = [200, 100].map(Duration::from_millis);
    Way { latency, jitter, ..Way::default() }
}

/// Breaks a place again and again, with `between` from one fault to the next on average.
///
/// The first fault is the worst: all places are silent at once. So memory has had its peak when it
/// is first looked at, and does not grow later only because faults happen to meet.
pub(super) async fn break_at_random(place: &Place, end: Instant, between: Duration) {
    break_once(place, Fault::Silence, between.min(MOST)).await;
    loop {
        let (wait, lasts) = (exponential(between), exponential(MEAN).clamp(LEAST, MOST));
        if Instant::now() + wait + lasts + CALM > end {
            return sleep_until(end).await;
        }
        sleep(wait).await;
        let fault = fastrand::choice(Fault::ALL).unwrap_or(Fault::Cut);
        break_once(place, fault, lasts).await;
    }
}

async fn break_once(place: &Place, fault: Fault, lasts: Duration) {
    place.ledger.fault_begins(fault);
    fault.begin(place).await;
    sleep(lasts).await;
    fault.end(place).await;
    place.ledger.fault_ends();
}

/// A random time with this mean, as between the events of a Poisson process.
fn exponential(mean: Duration) -> Duration {
    mean.mul_f64(-(1.0 - fastrand::f64()).ln())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_their_mean() {
        let mean = Duration::from_secs(10);
        let sum: Duration = (0..10_000).map(|_| exponential(mean)).sum();
        assert!((95_000..105_000).contains(&sum.as_secs()), "{sum:?}");
    }
}
