//! Which of several servers is next. Pure: the clock and the readiness are given.

use std::time::Duration;
use tokio::time::Instant;

/// How a server is chosen among those that are well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// The one with the fewest queries of ours under way.
    #[default]
    LeastLoaded,
    /// One after the other.
    RoundRobin,
    /// The first, and another only where it is not there.
    Failover,
}

/// When a server is left out, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ejection {
    /// Failures in a row after which it is left out; 0 counts as 1. Only what speaks of the server
    /// counts: lost connections, limits that ran out, overload. Default: 3.
    pub failures: u32,
    /// For how long the first time; each time that its probe fails it is twice as long. Default: 1 s.
    pub first: Duration,
    /// For how long at the most. Default: 30 s.
    pub longest: Duration,
}

impl Default for Ejection {
    fn default() -> Self {
        Self { failures: 3, first: Duration::from_secs(1), longest: Duration::from_secs(30) }
    }
}

/// What a query says of its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Good,
    Bad,
    /// Nothing: it was dropped, or it failed by its own fault.
    Neither,
}

#[derive(Clone, Debug, Default)]
struct Member {
    under_way: usize,
    /// Failures in a row.
    failures: u32,
    /// Until when it is left out, and how often in a row it was.
    ejected: Option<(Instant, u32)>,
    /// Whether a query is under way that finds out whether it's well again.
    probed: bool,
}

/// What is known of each server.
#[derive(Debug)]
pub(super) struct Balance {
    policy: Policy,
    ejection: Ejection,
    members: Vec<Member>,
    /// Where the next turn begins.
    turn: usize,
}

impl Balance {
    pub(super) fn new(members: usize, policy: Policy, ejection: Ejection) -> Self {
        Self { policy, ejection, members: vec![Member::default(); members], turn: 0 }
    }

    /// The server for a query that was not on those of `not`; `ready` says which are connected. One
    /// that is due for a probe gets it, and no other query until that has ended. Where nobody is left
    /// that is well, one that isn't is better than none.
    pub(super) fn seat(&mut self, now: Instant, ready: &[bool], not: &[usize]) -> usize {
        let among = |wanted: &dyn Fn(usize) -> bool| -> Vec<usize> {
            (0..self.members.len()).filter(|at| !not.contains(at) && wanted(*at)).collect()
        };
        let is_due = |at: usize| {
            self.members[at].ejected.is_some_and(|(until, _)| until <= now)
                && !self.members[at].probed
        };
        let probe = among(&|at| ready[at] && is_due(at)).first().copied();
        if let Some(at) = probe {
            self.members[at].probed = true;
            self.members[at].under_way += 1;
            return at;
        }
        let well = among(&|at| ready[at] && self.members[at].ejected.is_none());
        let connected = among(&|at| ready[at]);
        let untried = among(&|_| true);
        let all: Vec<_> = (0..self.members.len()).collect();
        let choice = [well, connected, untried, all];
        let from = choice.iter().find(|choice| !choice.is_empty()).map_or(&[][..], Vec::as_slice);
        let at = self.choose(from);
        self.members[at].under_way += 1;
        at
    }

    fn choose(&mut self, from: &[usize]) -> usize {
        let count = self.members.len();
        let after = |at: &usize| (at + count - self.turn % count) % count;
        let chosen = match self.policy {
            Policy::Failover => from.first(),
            Policy::RoundRobin => from.iter().min_by_key(|at| after(at)),
            // Where several are equal, one after the other.
            Policy::LeastLoaded => {
                from.iter().min_by_key(|at| (self.members[**at].under_way, after(at)))
            }
        };
        let chosen = chosen.copied().unwrap_or_default();
        self.turn = chosen + 1;
        chosen
    }

    /// A query has ended that had a seat there.
    pub(super) fn ended(&mut self, at: usize, verdict: Verdict, now: Instant) {
        let Ejection { failures, first, longest } = self.ejection;
        let member = &mut self.members[at];
        member.under_way -= 1;
        let was_probed = std::mem::take(&mut member.probed);
        match verdict {
            Verdict::Neither => {}
            Verdict::Good => (member.failures, member.ejected) = (0, None),
            Verdict::Bad => {
                member.failures = member.failures.saturating_add(1);
                let times = match member.ejected {
                    // Those that were under way when it was left out say nothing new.
                    Some((until, _)) if until > now && !was_probed => return,
                    Some((_, times)) => times.saturating_add(1),
                    None if member.failures >= failures.max(1) => 0,
                    None => return,
                };
                let length = first.saturating_mul(2u32.saturating_pow(times)).min(longest);
                member.ejected = Some((now + length, times));
            }
        }
    }

    pub(super) fn is_ejected(&self, at: usize, now: Instant) -> bool {
        self.members[at].ejected.is_some_and(|(until, _)| until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn seats(balance: &mut Balance, now: Instant, ready: &[bool], count: usize) -> Vec<usize> {
        (0..count).map(|_| balance.seat(now, ready, &[])).collect()
    }

    #[test]
    fn each_policy_chooses_as_it_says() {
        let (now, all) = (Instant::now(), [true; 3]);
        let mut turns = Balance::new(3, Policy::RoundRobin, Ejection::default());
        assert_eq!(seats(&mut turns, now, &all, 4), [0, 1, 2, 0]);
        assert_eq!(seats(&mut turns, now, &[true, false, true], 3), [2, 0, 2]);
        let mut least = Balance::new(3, Policy::LeastLoaded, Ejection::default());
        assert_eq!(seats(&mut least, now, &all, 6), [0, 1, 2, 0, 1, 2]);
        least.ended(1, Verdict::Good, now);
        assert_eq!(seats(&mut least, now, &all, 1), [1]);
        let mut first = Balance::new(3, Policy::Failover, Ejection::default());
        assert_eq!(seats(&mut first, now, &all, 2), [0, 0]);
        assert_eq!(seats(&mut first, now, &[false, true, true], 1), [1]);
        assert_eq!(first.seat(now, &all, &[0, 1]), 2);
        assert_eq!(first.seat(now, &[false; 3], &[0, 1, 2]), 0, "somebody has to be asked");
    }

    #[test]
    fn an_outlier_is_left_out_probed_by_one_and_longer_each_time() {
        let (start, all) = (Instant::now(), [true; 2]);
        let mut balance = Balance::new(2, Policy::Failover, Ejection::default());
        for _ in 0..3 {
            assert_eq!(balance.seat(start, &all, &[]), 0);
            balance.ended(0, Verdict::Bad, start);
        }
        assert!(balance.is_ejected(0, start));
        assert_eq!(seats(&mut balance, start, &all, 2), [1, 1]);
        let due = start + SECOND;
        assert_eq!(seats(&mut balance, due, &all, 3), [0, 1, 1], "one probe, and no more");
        balance.ended(0, Verdict::Bad, due);
        assert_eq!(seats(&mut balance, due + SECOND, &all, 1), [1], "twice as long");
        let due = due + 2 * SECOND;
        assert_eq!(seats(&mut balance, due, &all, 1), [0]);
        balance.ended(0, Verdict::Neither, due);
        assert_eq!(seats(&mut balance, due, &all, 1), [0], "a probe that told nothing");
        balance.ended(0, Verdict::Good, due);
        assert_eq!(seats(&mut balance, due, &all, 2), [0, 0]);
    }

    proptest! {
        #[test]
        fn nobody_is_left_out_where_nobody_else_is_well_and_queries_are_counted(
            acts in prop::collection::vec((any::<[bool; 3]>(), 0u64..3000, 0u8..4), 1..200),
            policy in prop::sample::select(vec![Policy::LeastLoaded, Policy::RoundRobin, Policy::Failover]),
        ) {
            let mut balance = Balance::new(3, policy, Ejection::default());
            let (mut now, mut seated) = (Instant::now(), Vec::new());
            for (ready, later, end) in acts {
                now += Duration::from_millis(later);
                let probed = |balance: &Balance| balance.members.iter().filter(|one| one.probed).count();
                let at = balance.seat(now, &ready, &[]);
                let well = |at: usize| ready[at] && balance.members[at].ejected.is_none();
                let fine = well(at) || balance.members[at].probed;
                prop_assert!(fine || !(0..3).any(well), "{at} of {balance:?}");
                prop_assert!(ready[at] || !ready.contains(&true));
                prop_assert!(probed(&balance) <= 3);
                seated.push(at);
                if end > 0 {
                    let at = seated.swap_remove(usize::from(end) % seated.len());
                    let verdict = [Verdict::Good, Verdict::Bad, Verdict::Neither][usize::from(end) - 1];
                    balance.ended(at, verdict, now);
                }
                let counted: usize = balance.members.iter().map(|one| one.under_way).sum();
                prop_assert_eq!(counted, seated.len());
                for member in &balance.members {
                    let left_out = member.ejected.map(|(until, _)| until - now);
                    prop_assert!(left_out.is_none_or(|length| length <= Ejection::default().longest));
                }
            }
        }
    }
}
