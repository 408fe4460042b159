//! Which member of a failover group is the active one. Pure.

use super::event::SwitchReason;
use std::time::Duration;

/// What an election knows of a member.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    /// Connected, and not left out.
    pub(super) well: bool,
    /// For how long.
    pub(super) well_for: Duration,
    /// It connects for the first time: nobody knows yet how it is.
    pub(super) pending: bool,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Elected {
    /// The active one stays.
    Stays,
    /// It stays, but somebody who stands before it will have been well for long enough after this.
    StaysFor(Duration),
    Switch(usize, SwitchReason),
}

/// The one that is to be active: `active` while it is well or has yet to show it, unless somebody who stands before it has
/// been well for `grace`, and it was not chosen by hand.
pub(super) fn elect(
    active: usize,
    by_hand: bool,
    candidates: &[Candidate],
    grace: Duration,
) -> Elected {
    let well = |at: &usize| candidates[*at].well;
    let now = candidates.get(active);
    if now.is_some_and(|candidate| candidate.pending) {
        return Elected::Stays;
    }
    if !now.is_some_and(|candidate| candidate.well) {
        let first = (0..candidates.len()).find(well);
        return first.map_or(Elected::Stays, |at| Elected::Switch(at, SwitchReason::Failover));
    }
    if by_hand {
        return Elected::Stays;
    }
    let before = || (0..active).filter(well);
    if let Some(at) = before().find(|at| candidates[*at].well_for >= grace) {
        return Elected::Switch(at, SwitchReason::Failback);
    }
    let soonest = before().map(|at| grace.saturating_sub(candidates[at].well_for)).min();
    soonest.map_or(Elected::Stays, Elected::StaysFor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GRACE: Duration = Duration::from_secs(30);

    fn candidates(well_for: &[i64]) -> Vec<Candidate> {
        let candidate = |seconds: &i64| Candidate {
            well: *seconds >= 0,
            well_for: Duration::from_secs(u64::try_from(*seconds).unwrap_or(0)),
            pending: false,
        };
        well_for.iter().map(candidate).collect()
    }

    #[test]
    fn the_active_one_stays_until_one_before_it_has_been_well_for_the_grace() {
        let elect = |active, by_hand, well_for: &[i64]| {
            super::elect(active, by_hand, &candidates(well_for), GRACE)
        };
        let switch = Elected::Switch;
        assert_eq!(elect(0, false, &[90, 90]), Elected::Stays);
        assert_eq!(elect(0, false, &[-1, 5, 90]), switch(1, SwitchReason::Failover));
        assert_eq!(elect(1, false, &[10, 90]), Elected::StaysFor(Duration::from_secs(20)));
        assert_eq!(elect(1, false, &[30, 90]), switch(0, SwitchReason::Failback));
        assert_eq!(elect(2, false, &[-1, 30, 90]), switch(1, SwitchReason::Failback));
        assert_eq!(elect(1, true, &[90, 90]), Elected::Stays, "it was chosen by hand");
        assert_eq!(elect(1, true, &[0, -1]), switch(0, SwitchReason::Failover));
        assert_eq!(elect(0, false, &[-1, -1]), Elected::Stays, "there is nobody else");
        assert_eq!(elect(7, false, &[1, 1]), switch(0, SwitchReason::Failover), "it was removed");
    }

    #[test]
    fn one_that_connects_for_the_first_time_is_waited_for() {
        let mut all = candidates(&[-1, 90]);
        all[0].pending = true;
        assert_eq!(elect(0, false, &all, GRACE), Elected::Stays);
        all[0].pending = false;
        assert_eq!(elect(0, false, &all, GRACE), Elected::Switch(1, SwitchReason::Failover));
    }

    proptest! {
        /// Whatever the members do: a switch goes from one that is not well, or to one that has been
        /// well for the grace, and so nobody is gone back to twice within a grace.
        #[test]
        fn it_never_goes_to_and_fro(
            flips in prop::collection::vec((0usize..3, 1u64..20), 1..200),
        ) {
            let mut well_since: [Option<u64>; 3] = [Some(0); 3];
            let (mut active, mut now, mut last_failback) = (0, 0, [None; 3]);
            for (flipped, later) in flips {
                now += later;
                well_since[flipped] = match well_since[flipped] { Some(_) => None, None => Some(now) };
                let candidates = well_since.map(|since| Candidate {
                    well: since.is_some(),
                    well_for: Duration::from_secs(since.map_or(0, |since| now - since)),
                    pending: false,
                });
                let was = active;
                match elect(active, false, &candidates, GRACE) {
                    Elected::Switch(to, reason) => {
                        prop_assert!(candidates[to].well && to != was);
                        prop_assert_eq!(reason == SwitchReason::Failover, !candidates[was].well);
                        if reason == SwitchReason::Failback {
                            prop_assert!(to < was && candidates[to].well_for >= GRACE);
                            let last = last_failback[to].replace(now);
                            prop_assert!(last.is_none_or(|last| now - last >= GRACE.as_secs()));
                        }
                        active = to;
                    }
                    Elected::StaysFor(wait) => prop_assert!(wait > Duration::ZERO && wait <= GRACE),
                    Elected::Stays => {}
                }
            }
        }
    }
}
