//! Who leads a replica set, and for how long nobody did.

use mongodb::options::ServerAddress;
use std::time::{Duration, Instant};

/// The primary that was seen last, and since when there is none.
#[derive(Debug, Default)]
pub(crate) struct Lead {
    last: Option<ServerAddress>,
    absent: Option<Instant>,
}

/// What a look at the set has shown.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Look {
    /// Whether the primary is another than the one before.
    pub(crate) changed: bool,
    /// How long there was none, where there is one again.
    pub(crate) absent: Option<Duration>,
}

impl Lead {
    /// Notes who is primary at the moment. Before the first one nobody is missed.
    pub(crate) fn sees(&mut self, primary: Option<&ServerAddress>, now: Instant) -> Look {
        let Some(primary) = primary else {
            if self.last.is_some() {
                self.absent.get_or_insert(now);
            }
            return Look::default();
        };
        let absent = self.absent.take().map(|since| now.saturating_duration_since(since));
        let changed = self.last.as_ref().is_some_and(|last| last != primary);
        self.last = Some(primary.clone());
        Look { changed, absent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(port: u16) -> ServerAddress {
        ServerAddress::Tcp { host: "h".into(), port: Some(port) }
    }

    #[test]
    fn a_change_is_another_one_and_an_absence_lasts_until_the_next() {
        let (mut lead, start, second) = (Lead::default(), Instant::now(), Duration::from_secs(1));
        let (one, two) = (member(1), member(2));
        let looks = [
            (None, false, None),
            (Some(&one), false, None),
            (Some(&one), false, None),
            (None, false, None),
            (None, false, None),
            (Some(&one), false, Some(2)),
            (Some(&two), true, None),
            (None, false, None),
            (Some(&one), true, Some(1)),
        ];
        let mut now = start;
        for (at, (seen, changed, absent)) in looks.into_iter().enumerate() {
            let expected = Look { changed, absent: absent.map(|seconds| second * seconds) };
            assert_eq!(lead.sees(seen, now), expected, "look {at}");
            now += second;
        }
    }
}
