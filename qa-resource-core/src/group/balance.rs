//! Which member is next. Pure: what is known of the members, and chance, are given.

use super::Policy;

/// The most members of a group: so many are looked at without allocating.
pub const MOST_MEMBERS: usize = 32;

/// Whether a member that is connected is to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Well,
    /// It failed too often, and its time is not over.
    LeftOut,
    /// Its time is over: one operation may find out whether it is well again.
    Due,
}

/// What is known of a member at a moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub(super) ready: bool,
    pub(super) standing: Standing,
    /// Leases of it that are out.
    pub(super) load: usize,
    pub(super) weight: u32,
}

/// Members that are not to be chosen, by their place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Excluded(u32);

impl Excluded {
    pub(super) fn add(&mut self, at: usize) {
        self.0 |= 1 << at;
    }

    pub(super) fn has(self, at: usize) -> bool {
        self.0 & (1 << at) != 0
    }
}

/// Who is chosen, and whether this finds out if it is well again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) at: usize,
    pub(super) probe: bool,
}

/// What decides between equals.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chance {
    /// How many were chosen before.
    pub(super) turn: usize,
    pub(super) random: u64,
    /// The active member of a failover group.
    pub(super) active: usize,
}

/// The member for the next lease, among those that are connected and not excluded. One that is due
/// for a probe gets it; then those that are well are chosen from, and where there is none, those that
/// are left out: one that isn't well is better than nobody.
pub(super) fn choose(
    policy: Policy,
    views: &[View],
    excluded: Excluded,
    chance: Chance,
) -> Option<Choice> {
    let there = |at: usize| views[at].ready && !excluded.has(at);
    let is = |at: usize, standing| there(at) && views[at].standing == standing;
    if let Some(at) = (0..views.len()).find(|at| is(*at, Standing::Due)) {
        return Some(Choice { at, probe: true });
    }
    let well = |at: usize| is(at, Standing::Well);
    let chosen =
        among(policy, views, &well, chance).or_else(|| among(policy, views, &there, chance));
    chosen.map(|at| Choice { at, probe: false })
}

fn among(
    policy: Policy,
    views: &[View],
    may: &impl Fn(usize) -> bool,
    chance: Chance,
) -> Option<usize> {
    let candidates = || (0..views.len()).filter(|at| may(*at));
    match policy {
        Policy::Failover => {
            candidates().find(|at| *at == chance.active).or_else(|| candidates().next())
        }
        Policy::RoundRobin => {
            let weights = candidates().map(|at| views[at].weight as usize).sum::<usize>();
            let mut place = chance.turn.checked_rem(weights)?;
            candidates().find(|at| {
                let weight = views[*at].weight as usize;
                let found = place < weight;
                place = place.saturating_sub(weight);
                found
            })
        }
        Policy::LeastLoaded => {
            let count = candidates().count();
            let first = draw(chance.random, count)?;
            let second = draw(chance.random >> 32, count - 1).map(|at| (first + 1 + at) % count);
            let (first, second) = (candidates().nth(first)?, second.unwrap_or(first));
            let second = candidates().nth(second)?;
            Some(if is_less(&views[second], &views[first]) { second } else { first })
        }
    }
}

/// One of `count`, from the lower half of `random`.
fn draw(random: u64, count: usize) -> Option<usize> {
    let count = u64::try_from(count).ok().filter(|count| *count > 0)?;
    usize::try_from(((random & u64::from(u32::MAX)) * count) >> 32).ok()
}

/// Whether one has less to do for its weight than another.
fn is_less(one: &View, other: &View) -> bool {
    let for_weight = |view: &View, weight: u32| view.load as u128 * u128::from(weight);
    for_weight(one, other.weight) < for_weight(other, one.weight)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn view(ready: bool, standing: Standing, load: usize, weight: u32) -> View {
        View { ready, standing, load, weight }
    }

    fn well(loads: &[(usize, u32)]) -> Vec<View> {
        loads.iter().map(|(load, weight)| view(true, Standing::Well, *load, *weight)).collect()
    }

    fn chance(turn: usize, random: u64) -> Chance {
        Chance { turn, random, active: 0 }
    }

    fn at(policy: Policy, views: &[View], chance: Chance) -> Option<usize> {
        choose(policy, views, Excluded::default(), chance).map(|choice| choice.at)
    }

    #[test]
    fn in_turn_each_as_often_as_its_weight_says() {
        let views = well(&[(0, 1), (0, 3), (0, 2)]);
        let turns: Vec<_> =
            (0..7).filter_map(|turn| at(Policy::RoundRobin, &views, chance(turn, 0))).collect();
        assert_eq!(turns, [0, 1, 1, 1, 2, 2, 0]);
    }

    #[test]
    fn of_two_the_one_with_less_to_do_for_its_weight() {
        for random in [0, u64::MAX, 1 << 31, 1 << 63] {
            assert_eq!(
                at(Policy::LeastLoaded, &well(&[(3, 1), (2, 1)]), chance(0, random)),
                Some(1)
            );
            assert_eq!(
                at(Policy::LeastLoaded, &well(&[(3, 2), (2, 1)]), chance(0, random)),
                Some(0)
            );
        }
    }

    #[test]
    fn the_active_one_while_it_is_well_and_else_the_first_that_is() {
        let mut views = well(&[(0, 1); 3]);
        let active = |active| Chance { active, ..chance(0, 0) };
        assert_eq!(at(Policy::Failover, &views, active(1)), Some(1));
        views[1].standing = Standing::LeftOut;
        assert_eq!(at(Policy::Failover, &views, active(1)), Some(0));
        views[0].ready = false;
        assert_eq!(at(Policy::Failover, &views, active(1)), Some(2));
        views[2].ready = false;
        assert_eq!(at(Policy::Failover, &views, active(1)), Some(1), "better than nobody");
        views[1].ready = false;
        assert_eq!(at(Policy::Failover, &views, active(1)), None);
    }

    #[test]
    fn one_that_is_due_gets_its_probe_first() {
        let mut views = well(&[(0, 1); 3]);
        views[2].standing = Standing::Due;
        let choice = choose(Policy::Failover, &views, Excluded::default(), chance(0, 0));
        assert_eq!(choice, Some(Choice { at: 2, probe: true }));
        let mut excluded = Excluded::default();
        excluded.add(2);
        let choice = choose(Policy::Failover, &views, excluded, chance(0, 0));
        assert_eq!(choice, Some(Choice { at: 0, probe: false }));
    }

    /// Ten thousand leases that never come back: with two choices nobody is far from its share.
    #[test]
    fn the_power_of_two_choices_keeps_shares_even() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut views = well(&[(0, 1), (0, 1), (0, 2), (0, 4)]);
        for turn in 0..10_000 {
            let at = at(Policy::LeastLoaded, &views, chance(turn, random.u64(..))).unwrap();
            views[at].load += 1;
        }
        for view in &views {
            let share = 10_000.0 * f64::from(view.weight) / 8.0;
            let load = f64::from(u32::try_from(view.load).unwrap());
            assert!((load - share).abs() < share * 0.02, "{views:?}");
        }
    }

    fn any_view() -> impl Strategy<Value = View> {
        let standing = prop::sample::select(vec![Standing::Well, Standing::LeftOut, Standing::Due]);
        (any::<bool>(), standing, 0usize..50, 1u32..9)
            .prop_map(|(ready, standing, load, weight)| view(ready, standing, load, weight))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn whoever_is_chosen_is_there_and_the_best_kind_there_is(
            views in prop::collection::vec(any_view(), 0..6),
            excluded in 0u32..64,
            (turn, random, active) in (any::<usize>(), any::<u64>(), 0usize..6),
            policy in prop::sample::select(vec![Policy::LeastLoaded, Policy::RoundRobin, Policy::Failover]),
        ) {
            let excluded = Excluded(excluded);
            let there: Vec<_> =
                (0..views.len()).filter(|at| views[*at].ready && !excluded.has(*at)).collect();
            let has = |standing| there.iter().any(|at| views[*at].standing == standing);
            let choice = choose(policy, &views, excluded, Chance { turn, random, active });
            prop_assert_eq!(choice.is_some(), !there.is_empty());
            let Some(Choice { at, probe }) = choice else { return Ok(()) };
            prop_assert!(there.contains(&at));
            prop_assert_eq!(probe, has(Standing::Due));
            let expected = if has(Standing::Due) {
                Standing::Due
            } else if has(Standing::Well) {
                Standing::Well
            } else {
                Standing::LeftOut
            };
            prop_assert_eq!(views[at].standing, expected);
        }
    }
}
