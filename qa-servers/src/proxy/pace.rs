//! The bandwidth.

use super::Way;
use std::time::Duration;
use tokio::time::Instant;

/// The largest piece that is written at a time.
const LARGEST: usize = 16 * 1024;

/// Pieces a second, where there is a bandwidth: small ones, so that a stream flows.
const PIECES: usize = 50;

/// What may be made up for: a timer wakes late, and that must not make the way slower.
const ARREARS: Duration = Duration::from_millis(50);

/// When the next piece may be sent.
#[derive(Debug)]
pub(super) struct Pace {
    next: Instant,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self { next: Instant::now() }
    }

    /// When the next piece may be sent.
    pub(super) fn next(&self, way: &Way) -> Option<Instant> {
        way.bandwidth.map(|_| self.next)
    }

    pub(super) fn sent(&mut self, bytes: usize, way: &Way, now: Instant) {
        let Some(bandwidth) = way.bandwidth else { return };
        let from = self.next.max(now.checked_sub(ARREARS).unwrap_or(now));
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.next = from + Duration::from_secs(1) * bytes / bandwidth.max(1);
    }
}

/// How many bytes to send next, of a connection of which that many have passed.
pub(super) fn piece(way: &Way, passed: u64) -> usize {
    let slice = way.slice.as_ref().map_or(LARGEST, |range| {
        let least = (*range.start()).max(1);
        fastrand::usize(least..=least.max(*range.end()))
    });
    let paced = way.bandwidth.map_or(LARGEST, |bandwidth| (bandwidth as usize / PIECES).max(1));
    let left = way.cut_after.map_or(u64::MAX, |(after, _)| after.saturating_sub(passed));
    slice.min(paced).min(LARGEST).min(usize::try_from(left).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::Ending;

    #[test]
    fn pieces_are_sent_as_fast_as_the_bandwidth_says_and_a_late_timer_does_not_count() {
        let way = Way { bandwidth: Some(1000), ..Way::default() };
        let mut pace = Pace::new();
        let began = pace.next(&way).unwrap();
        for _ in 0..50 {
            let late = pace.next(&way).unwrap() + Duration::from_millis(7);
            pace.sent(piece(&way, 0), &way, late);
        }
        assert_eq!(pace.next(&way), Some(began + Duration::from_secs(1)));
        assert_eq!(pace.next(&Way::default()), None);
    }

    #[test]
    fn a_piece_is_within_its_range_and_before_the_cut() {
        let slice = Some(3..=9);
        let way = Way { slice, cut_after: Some((100, Ending::Close)), ..Way::default() };
        assert!((0..200).all(|_| (3..=9).contains(&piece(&way, 0))));
        assert_eq!((piece(&way, 99), piece(&way, 100), piece(&way, 200)), (1, 0, 0));
        #[expect(clippy::reversed_empty_ranges, reason = "what a caller may write")]
        let way = Way { slice: Some(5..=0), ..Way::default() };
        assert_eq!(piece(&way, 0), 5);
    }
}
