//! What a member's operations say of it: when it is left out, and when it is let in again. Pure.

use super::Ejection;
use super::balance::Standing;
use crate::ErrorKind;
use std::time::Duration;
use tokio::time::Instant;

/// What an operation says of its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Good,
    Bad,
}

impl Verdict {
    /// What the end of an operation says of its server: with no error, or one of this kind.
    pub(crate) const fn of(error: Option<ErrorKind>) -> Option<Self> {
        match error {
            // What the server understood and refused says that it is well.
            None | Some(ErrorKind::Operation) => Some(Self::Good),
            Some(kind) if kind.is_transient() => Some(Self::Bad),
            Some(_) => None,
        }
    }
}

/// What a verdict changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    Ejected { failures: u32, length: Duration },
    Readmitted,
}

/// The record of a member.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Record {
    /// Failures in a row.
    failures: u32,
    /// Until when it is left out, and how often in a row it was.
    ejected: Option<(Instant, u32)>,
    /// Whether an operation is under way that finds out whether it is well again.
    probed: bool,
    /// When it was last let in again.
    readmitted: Option<Instant>,
}

impl Record {
    pub(super) fn standing(&self, now: Instant) -> Standing {
        match self.ejected {
            None => Standing::Well,
            Some((until, _)) if until <= now && !self.probed => Standing::Due,
            Some(_) => Standing::LeftOut,
        }
    }

    /// Whether there is anything bad to be told of it.
    pub(super) fn is_clean(&self) -> bool {
        self.failures == 0 && self.ejected.is_none()
    }

    /// For how long at the most it can have been well.
    pub(super) fn well_for(&self, now: Instant) -> Duration {
        match (self.ejected, self.readmitted) {
            (Some(_), _) => Duration::ZERO,
            (None, Some(at)) => now.saturating_duration_since(at),
            (None, None) => Duration::MAX,
        }
    }

    /// Takes the probe; `false` where somebody else has it, or it is not due.
    pub(super) fn probe(&mut self, now: Instant) -> bool {
        let due = self.standing(now) == Standing::Due;
        self.probed |= due;
        due
    }

    /// The probe has ended, whatever it said.
    pub(super) fn probe_ended(&mut self) {
        self.probed = false;
    }

    /// An operation has ended.
    pub(super) fn judge(
        &mut self,
        verdict: Verdict,
        was_probe: bool,
        ejection: &Ejection,
        now: Instant,
    ) -> Option<News> {
        if verdict == Verdict::Good {
            self.failures = 0;
            let was_out = self.ejected.take().is_some();
            self.readmitted = if was_out { Some(now) } else { self.readmitted };
            return was_out.then_some(News::Readmitted);
        }
        self.failures = self.failures.saturating_add(1);
        let times = match self.ejected {
            Some((_, times)) if was_probe => times.saturating_add(1),
            None if self.failures >= ejection.failures.max(1) => 0,
            // Those that were under way when it was left out say nothing new.
            Some(_) | None => return None,
        };
        let length =
            ejection.first.saturating_mul(2u32.saturating_pow(times)).min(ejection.longest);
        self.ejected = Some((now + length, times));
        Some(News::Ejected { failures: self.failures, length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_outlier_is_left_out_probed_by_one_and_longer_each_time() {
        let (start, ejection) = (Instant::now(), Ejection::default());
        let mut record = Record::default();
        let bad =
            |record: &mut Record, probe, now| record.judge(Verdict::Bad, probe, &ejection, now);
        assert_eq!(bad(&mut record, false, start), None);
        assert_eq!(bad(&mut record, false, start), None);
        let ejected = |failures, length| Some(News::Ejected { failures, length });
        assert_eq!(bad(&mut record, false, start), ejected(3, SECOND));
        assert_eq!(bad(&mut record, false, start), None, "one that was under way");
        assert_eq!(record.standing(start), Standing::LeftOut);
        let due = start + SECOND;
        assert_eq!(record.standing(due), Standing::Due);
        assert!(record.probe(due) && !record.probe(due), "one probe, and no more");
        assert_eq!(record.standing(due), Standing::LeftOut);
        assert_eq!(bad(&mut record, true, due), ejected(5, 2 * SECOND));
        record.probe_ended();
        assert_eq!(record.standing(due + SECOND), Standing::LeftOut);
        let due = due + 2 * SECOND;
        assert!(record.probe(due));
        record.probe_ended();
        assert_eq!(record.standing(due), Standing::Due, "a probe that told nothing");
        assert_eq!(record.well_for(due), Duration::ZERO);
        let good = record.judge(Verdict::Good, true, &ejection, due);
        assert_eq!(good, Some(News::Readmitted));
        assert!(record.is_clean() && record.standing(due) == Standing::Well);
        assert_eq!(record.well_for(due + SECOND), SECOND);
    }

    #[test]
    fn a_success_in_between_begins_the_count_anew() {
        let (now, ejection) = (Instant::now(), Ejection::default());
        let mut record = Record::default();
        for _ in 0..10 {
            for _ in 0..2 {
                assert_eq!(record.judge(Verdict::Bad, false, &ejection, now), None);
            }
            assert_eq!(record.judge(Verdict::Good, false, &ejection, now), None);
        }
        assert_eq!(record.well_for(now), Duration::MAX);
    }

    proptest! {
        #[test]
        fn nobody_is_left_out_for_longer_than_the_longest(
            acts in prop::collection::vec((0u64..3000, 0u8..3), 1..200),
        ) {
            let ejection = Ejection::default();
            let (mut record, mut now) = (Record::default(), Instant::now());
            for (later, act) in acts {
                now += Duration::from_millis(later);
                let probe = record.probe(now);
                match act {
                    0 => drop(record.judge(Verdict::Good, probe, &ejection, now)),
                    1 => drop(record.judge(Verdict::Bad, probe, &ejection, now)),
                    _ => {}
                }
                if probe {
                    record.probe_ended();
                }
                prop_assert!(!record.probed);
                prop_assert_ne!(record.standing(now + ejection.longest), Standing::LeftOut);
                prop_assert_eq!(record.standing(now) == Standing::Well, record.ejected.is_none());
            }
        }
    }
}
