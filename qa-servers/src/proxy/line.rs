//! The delay line: what is under way in one direction of a connection.

use super::Way;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// What may be under way without latency, and at most.
const LEAST: usize = 64 * 1024;
const MOST: usize = 4 * 1024 * 1024;

/// How a sender ended, which is passed on as its bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    InOrder,
    ByReset,
}

/// What came and has not gone yet, in its order.
#[derive(Debug, Default)]
pub(super) struct Line {
    parcels: VecDeque<Parcel>,
    bytes: usize,
    last: Option<(Moment, Last)>,
}

#[derive(Debug)]
struct Parcel {
    came: Moment,
    bytes: VecDeque<u8>,
}

/// When something came. How long it takes is worked out anew at each look: other faults act at once
/// on what is under way.
#[derive(Clone, Copy, Debug)]
struct Moment {
    at: Instant,
    /// Between -1 and 1: its share of the jitter.
    luck: f64,
}

impl Moment {
    fn new(at: Instant) -> Self {
        Self { at, luck: fastrand::f64().mul_add(2.0, -1.0) }
    }

    /// When it may go.
    fn due(self, way: &Way) -> Instant {
        let jitter = way.jitter.mul_f64(self.luck.abs());
        let latency = if self.luck < 0.0 {
            way.latency.saturating_sub(jitter)
        } else {
            way.latency.saturating_add(jitter)
        };
        self.at.checked_add(latency).unwrap_or_else(|| self.at + Duration::from_secs(86_400))
    }
}

impl Line {
    /// Whether more may come: there is an end to it, and to what is kept in memory.
    pub(super) fn has_room(&self, way: &Way) -> bool {
        self.last.is_none() && self.bytes < capacity(way)
    }

    pub(super) fn put(&mut self, bytes: &[u8], at: Instant) {
        self.bytes += bytes.len();
        self.parcels.push_back(Parcel { came: Moment::new(at), bytes: bytes.to_vec().into() });
    }

    pub(super) fn end(&mut self, last: Last, at: Instant) {
        self.last = Some((Moment::new(at), last));
    }

    /// When the first of it may go, where there is any.
    pub(super) fn due(&self, way: &Way) -> Option<Instant> {
        let parcel = self.parcels.front().map(|parcel| parcel.came);
        parcel.or(self.last.map(|(came, _)| came)).map(|came| came.due(way))
    }

    /// Takes up to `most` of the bytes that came together first.
    pub(super) fn take(&mut self, most: usize) -> Vec<u8> {
        let Some(parcel) = self.parcels.front_mut() else { return Vec::new() };
        let piece: Vec<u8> = parcel.bytes.drain(..most.min(parcel.bytes.len())).collect();
        if parcel.bytes.is_empty() {
            self.parcels.pop_front();
        }
        self.bytes -= piece.len();
        piece
    }

    /// How the sender ended, once all that it said has gone.
    pub(super) fn ended(&self) -> Option<Last> {
        let last = self.last.map(|(_, last)| last);
        last.filter(|_| self.parcels.is_empty())
    }
}

/// As much as the latency needs: more would make a slow way a slow and long one.
fn capacity(way: &Way) -> usize {
    let latency = way.latency.saturating_add(way.jitter);
    if latency.is_zero() {
        return LEAST;
    }
    let Some(bandwidth) = way.bandwidth else { return MOST };
    let under_way = u128::from(bandwidth) * latency.as_millis() / 1000;
    usize::try_from(under_way).unwrap_or(MOST).clamp(LEAST, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_first_goes_first_each_after_its_latency_and_the_end_last() {
        let mut line = Line::default();
        let latency = Duration::from_millis(100);
        let way = Way { latency, ..Way::default() };
        let began = Instant::now();
        line.put(b"abc", began);
        let later = began + Duration::from_millis(40);
        line.put(b"d", later);
        line.end(Last::InOrder, later);
        assert_eq!(line.due(&way), Some(began + latency));
        assert_eq!((line.take(2), line.take(9)), (b"ab".to_vec(), b"c".to_vec()));
        assert_eq!(line.due(&way), Some(later + latency));
        assert_eq!(line.due(&Way::default()), Some(later));
        assert_eq!((line.ended(), line.take(9)), (None, b"d".to_vec()));
        assert_eq!(line.ended(), Some(Last::InOrder));
        assert!(!line.has_room(&way));
    }

    #[test]
    fn jitter_spreads_evenly_on_both_sides() {
        let [latency, jitter] = [200, 100].map(Duration::from_millis);
        let way = Way { latency, jitter, ..Way::default() };
        let now = Instant::now();
        let delays: Vec<_> = (0..2000).map(|_| Moment::new(now).due(&way) - now).collect();
        let (least, most) = (delays.iter().min().unwrap(), delays.iter().max().unwrap());
        let mean = delays.iter().sum::<Duration>() / 2000;
        assert!(
            *least >= Duration::from_millis(100) && *least < Duration::from_millis(110),
            "{least:?}"
        );
        assert!(
            *most <= Duration::from_millis(300) && *most > Duration::from_millis(290),
            "{most:?}"
        );
        assert!(mean > Duration::from_millis(190) && mean < Duration::from_millis(210), "{mean:?}");
    }

    #[test]
    fn memory_has_an_end() {
        let far = Way { latency: Duration::from_secs(1), ..Way::default() };
        let slow = Way { bandwidth: Some(8 * 1024), ..far.clone() };
        assert_eq!(capacity(&Way::default()), LEAST);
        assert_eq!(capacity(&far), MOST);
        assert_eq!(capacity(&slow), LEAST);
        let mut line = Line::default();
        while line.has_room(&far) {
            line.put(&[0; 16 * 1024], Instant::now());
        }
        assert_eq!(line.bytes, MOST);
        line.take(1);
        assert!(line.has_room(&far));
    }
}
