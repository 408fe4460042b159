//! One call of the program: its servers, its peers, and what was measured so far.

use crate::budget::Budget;
use crate::catalogue::Benchmark;
use crate::child::Child;
use crate::contest::{Contest, Party};
use crate::peers::Peers;
use crate::row::{Row, Setting};
use crate::samples::{Samples, Side};
use crate::servers::Servers;
use crate::{host, page, python};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::mem;
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::Mutex;

/// What a benchmark is given.
pub(crate) struct Bench {
    /// Little work is wanted, to see that it works.
    pub(crate) short: bool,
    /// The servers, each started when it is first asked for.
    pub(crate) servers: Servers,
    plan: Plan,
    /// What a contest's title has in it, where it is to be held.
    only: Option<String>,
    peers: Peers,
    now: Setting,
    /// Of all that take part in the present benchmark.
    versions: BTreeSet<String>,
    pub(crate) samples: Samples,
}

impl Bench {
    pub(crate) fn new(short: bool, plan: Plan, only: Option<String>) -> Result<Self> {
        let now = Setting { date: host::today()?, machine: host::machine()?, ..Setting::default() };
        Ok(Self {
            short,
            servers: Servers::default(),
            plan,
            only,
            peers: Peers::default(),
            now,
            versions: BTreeSet::new(),
            samples: Samples::default(),
        })
    }

    /// The servers go, and what is held from here on belongs to the next lap.
    pub(crate) async fn end_lap(&mut self) {
        mem::take(&mut self.servers).remove().await;
        self.plan.lap += 1;
    }

    /// One of two values: the short form's or the full form's.
    pub(crate) fn pick<T>(&self, short: T, full: T) -> T {
        if self.short { short } else { full }
    }

    /// What is held from here on belongs to this benchmark.
    pub(crate) fn turn_to(&mut self, benchmark: &Benchmark) {
        benchmark.id.clone_into(&mut self.now.id);
        benchmark.title.clone_into(&mut self.now.title);
        self.versions = [format!("qa-resource {}", env!("CARGO_PKG_VERSION"))].into();
    }

    /// Says that a crate takes part, in the version of the lock file.
    pub(crate) fn driver(&mut self, name: &str) {
        self.versions.insert(format!("{name} {}", host::locked(name)));
    }

    /// Says that this takes part, with its version.
    pub(crate) fn takes_part(&mut self, version: String) {
        self.versions.insert(version);
    }

    /// Starts one of the peers that are Rust, in a process of its own.
    pub(crate) async fn peer(&mut self, name: &str, url: &str) -> Result<Arc<Mutex<Child>>> {
        let command = self.peers.command(name).await?;
        self.start(command, name, url).await
    }

    /// Starts the Python peer that has this name in this script.
    pub(crate) async fn python(
        &mut self,
        script: &str,
        name: &str,
        url: &str,
    ) -> Result<Arc<Mutex<Child>>> {
        let command = python::command(script, name).await?;
        self.start(command, name, url).await
    }

    async fn start(
        &mut self,
        command: tokio::process::Command,
        name: &str,
        url: &str,
    ) -> Result<Arc<Mutex<Child>>> {
        let child = Child::start(command, url).await;
        let child = child.with_context(|| format!("starting {name}"))?;
        self.takes_part(child.lock().await.about.clone());
        Ok(child)
    }

    /// Has all parties take their turns, and keeps what came of it.
    pub(crate) async fn hold(&mut self, mut contest: Contest) -> Result<()> {
        let rounds = self.plan.rounds(contest.rounds);
        let what = title(&contest.title, contest.at);
        if rounds.is_empty() || self.only.as_ref().is_some_and(|only| !what.contains(only)) {
            return Ok(());
        }
        eprintln!("     {what}");
        let turns = take_turns(&mut contest, rounds).await.with_context(|| what.clone())?;
        let ours = &turns[0];
        let setting = Setting {
            contest: contest.title,
            at: contest.at,
            ours_name: contest.ours.0,
            versions: self.versions.iter().cloned().collect::<Vec<_>>().join(", "),
            ..self.now.clone()
        };
        for (peer, turns) in contest.peers.iter().zip(&turns[1..]) {
            for (at, unit) in contest.units.iter().enumerate() {
                let side = Side {
                    setting: setting.clone(),
                    unit,
                    peer: peer.name.clone(),
                    budget: peer.budgets.get(at).copied().unwrap_or(Budget::None),
                    slowest: contest.slowest,
                    ours: ours.samples[at].clone(),
                    theirs: turns.samples[at].clone(),
                    failed: turns.failed.clone(),
                };
                for row in self.samples.add(side).rows() {
                    println!("{}", line(&what, &row));
                }
            }
        }
        Ok(())
    }
}

/// How many rounds there are in all, and over how many laps they are spread.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) rounds: u32,
    pub(crate) laps: u32,
    /// The present one, from zero.
    pub(crate) lap: u32,
}

impl Plan {
    /// Which rounds are in the present lap, of a contest that has at most so many in all.
    fn rounds(self, most: Option<u32>) -> Range<u32> {
        let all = most.map_or(self.rounds, |most| self.rounds.min(most));
        let until = |lap| all * lap / self.laps;
        until(self.lap)..until(self.lap + 1)
    }
}

/// The contest's title, with how much there was.
pub(crate) fn title(contest: &str, at: Option<(&str, u32)>) -> String {
    at.map_or_else(|| contest.to_owned(), |(axis, amount)| format!("{contest}, {amount} {axis}"))
}

fn line(what: &str, row: &Row) -> String {
    let verdict = if row.pass { row.budget.clone() } else { format!("FAILED {}", row.budget) };
    let Row { id, peer_name, unit, ours, .. } = row;
    let peer = match (&row.failed, row.peer) {
        (Some(reason), _) => format!("nothing, it failed: {reason}"),
        (None, peer) => peer.map_or_else(|| "nothing".to_owned(), |peer| peer.to_string()),
    };
    let ratio = page::ratio(row);
    format!("{id:<4} {what}: {ratio} of {peer_name}, {ours} to {peer} {unit}  {verdict}")
}

/// What one party did.
#[derive(Clone, Default)]
struct Turns {
    /// For each unit, the rounds that count.
    samples: Vec<Vec<f64>>,
    /// Why it is out, where it is.
    failed: Option<String>,
}

/// What each party did in these rounds, ours first. A peer that fails is out; ours may not.
async fn take_turns(contest: &mut Contest, rounds: Range<u32>) -> Result<Vec<Turns>> {
    let units = contest.units.len();
    let mut parties: Vec<&mut Box<dyn Party>> = vec![&mut contest.ours.1];
    parties.extend(contest.peers.iter_mut().map(|peer| &mut peer.party));
    let (count, none) = (parties.len(), Turns { samples: vec![Vec::new(); units], failed: None });
    let mut turns = vec![none; count];
    let (warm_up, first) = (usize::from(!contest.cold), usize::try_from(rounds.start)?);
    for round in 0..rounds.len() + warm_up {
        // A lap goes on with the order where the last one ended.
        for turn in order(first + round, count) {
            let Turns { samples, failed } = &mut turns[turn];
            if failed.is_some() {
                continue;
            }
            let measured = match parties[turn].round().await {
                Ok(measured) => measured,
                Err(error) if turn == 0 => return Err(error),
                Err(error) => {
                    *failed = Some(format!("{error:#}"));
                    continue;
                }
            };
            ensure!(measured.len() == units, "a party measured {measured:?} in {units} units");
            // The first round is to warm up.
            if round >= warm_up {
                samples.iter_mut().zip(measured).for_each(|(kept, value)| kept.push(value));
            }
        }
    }
    Ok(turns)
}

/// In which order so many parties take their turns. Who is first changes from round to round, and after all have
/// been, so does who comes after whom: what one leaves behind, a server that still closes connections, hits not
/// always the same.
fn order(round: usize, count: usize) -> impl Iterator<Item = usize> {
    let (lap, first) = (round / count, round % count);
    (0..count).map(move |turn| {
        let turn = if lap.is_multiple_of(2) { turn } else { count - turn };
        (first + turn) % count
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contest::Doing;
    use std::sync::Mutex;

    #[test]
    fn the_laps_share_the_rounds_and_a_single_one_is_in_the_last() {
        let shares = |rounds, most| [0, 1, 2].map(|lap| Plan { rounds, laps: 3, lap }.rounds(most));
        assert_eq!(shares(21, None), [0..7, 7..14, 14..21]);
        assert_eq!(shares(21, Some(10)), [0..3, 3..6, 6..10]);
        assert_eq!(shares(1, Some(10)), [0..0, 0..0, 0..1]);
    }

    #[test]
    fn each_is_first_as_often_as_any_other_and_comes_after_each() {
        let rounds = |rounds| (0..rounds).map(|round| order(round, 3).collect::<Vec<_>>());
        let all = [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 2, 1], [1, 0, 2], [2, 1, 0], [0, 1, 2]];
        assert_eq!(rounds(7).collect::<Vec<_>>(), all);
    }

    #[tokio::test]
    async fn parties_take_turns_and_the_first_round_does_not_count_unless_all_are_cold() {
        let turns = Arc::new(Mutex::new(String::new()));
        let party = |name: char, value: f64| {
            let turns = Arc::clone(&turns);
            let mut round = 0.0;
            Doing(move || {
                turns.lock().unwrap().push(name);
                round += 1.0;
                let measured = vec![value + round];
                async move { Ok(measured) }
            })
        };
        let failing = Doing(|| async { anyhow::bail!("it is out") });
        let mut contest = Contest::new("x", &["x/s"], "ours", party('o', 0.0))
            .beside("a", &[], party('a', 10.0))
            .beside("b", &[], party('b', 20.0));
        let done = take_turns(&mut contest, 0..2).await.unwrap();
        assert_eq!(*turns.lock().unwrap(), "oababoboa");
        assert_eq!(done[0].samples, [[2.0, 3.0]]);
        assert_eq!(done[2].samples, [[22.0, 23.0]]);

        let mut cold = Contest::new("x", &["x/s"], "ours", party('o', 0.0)).cold();
        assert_eq!(take_turns(&mut cold, 0..2).await.unwrap()[0].samples, [[1.0, 2.0]]);

        let mut contest = Contest::new("x", &["x/s"], "ours", party('o', 0.0));
        contest = contest.beside("failing", &[], failing);
        let done = take_turns(&mut contest, 0..2).await.unwrap();
        assert_eq!((done[0].samples[0].len(), done[1].samples[0].len()), (2, 0));
        assert_eq!(done[1].failed.as_deref(), Some("it is out"));
        let ours = Doing(|| async { anyhow::bail!("ours is out") });
        assert!(take_turns(&mut Contest::new("x", &["x/s"], "ours", ours), 0..2).await.is_err());
    }
}
