//! Who does the same work, and what is measured of it.

use crate::budget::Budget;
use crate::child::Child;
use anyhow::{Result, ensure};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// One who does a round when it is its turn.
#[async_trait]
pub(crate) trait Party: Send {
    /// Does the work once; what was measured, in the order of the contest's units.
    async fn round(&mut self) -> Result<Vec<f64>>;
}

/// Parties that do the same work.
pub(crate) struct Contest {
    pub(crate) title: String,
    /// How much of what there was: a point on an axis.
    pub(crate) at: Option<(&'static str, u32)>,
    pub(crate) units: Vec<&'static str>,
    pub(crate) rounds: Option<u32>,
    /// The first round counts like all others.
    pub(crate) cold: bool,
    /// Whether the slowest rounds are told too.
    pub(crate) slowest: bool,
    pub(crate) ours: (String, Box<dyn Party>),
    pub(crate) peers: Vec<Peer>,
}

/// One of the others.
pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) party: Box<dyn Party>,
    /// For each unit; none where it is shorter.
    pub(crate) budgets: Vec<Budget>,
}

impl Contest {
    /// A contest of ours with nobody yet. Each party measures its rounds in these units.
    pub(crate) fn new(
        title: impl Into<String>,
        units: &[&'static str],
        name: &str,
        ours: impl Party + 'static,
    ) -> Self {
        Self {
            title: title.into(),
            at: None,
            units: units.to_vec(),
            rounds: None,
            cold: false,
            slowest: false,
            ours: (name.to_owned(), Box::new(ours)),
            peers: Vec::new(),
        }
    }

    /// Is one of several of which a line can be drawn, over how much there was.
    pub(crate) fn at(mut self, axis: &'static str, amount: u32) -> Self {
        self.at = Some((axis, amount));
        self
    }

    /// Has no more rounds than this: a round takes long.
    pub(crate) fn rounds_at_most(mut self, rounds: u32) -> Self {
        self.rounds = Some(rounds);
        self
    }

    /// Has no round to warm up: each begins with nothing.
    pub(crate) fn cold(mut self) -> Self {
        self.cold = true;
        self
    }

    /// Tells the 99th percentile of the rounds too, in rows of their own that are not judged.
    pub(crate) fn with_slowest(mut self) -> Self {
        self.slowest = true;
        self
    }

    /// Adds a peer; the budgets are those of the units, in order.
    pub(crate) fn beside(
        mut self,
        name: &str,
        budgets: &[Budget],
        party: impl Party + 'static,
    ) -> Self {
        let party = Box::new(party);
        self.peers.push(Peer { name: name.to_owned(), party, budgets: budgets.to_vec() });
        self
    }
}

/// A party that is a function.
pub(crate) struct Doing<F>(pub(crate) F);

#[async_trait]
impl<F, Fut> Party for Doing<F>
where
    F: FnMut() -> Fut + Send,
    Fut: Future<Output = Result<Vec<f64>>> + Send,
{
    async fn round(&mut self) -> Result<Vec<f64>> {
        (self.0)().await
    }
}

/// A party whose function says how long the round took, in which so many things were done: things a
/// second.
pub(crate) fn rate<F, Fut>(things: usize, mut work: F) -> impl Party + 'static
where
    F: FnMut() -> Fut + Send + 'static,
    Fut: Future<Output = Result<Duration>> + Send + 'static,
{
    Doing(move || {
        let round = work();
        async move { Ok(vec![per_second(things, round.await?)]) }
    })
}

/// A party whose function says how long the round took: in milliseconds, for each of so many things.
pub(crate) fn milliseconds<F, Fut>(things: usize, mut work: F) -> impl Party + 'static
where
    F: FnMut() -> Fut + Send + 'static,
    Fut: Future<Output = Result<Duration>> + Send + 'static,
{
    Doing(move || {
        let round = work();
        async move { Ok(vec![round.await?.as_secs_f64() * 1e3 / number(things)]) }
    })
}

/// A party in another process, which is told the same line for each round. What it says, which begins
/// with seconds, is made into what is measured.
pub(crate) struct Told<F> {
    pub(crate) child: Arc<Mutex<Child>>,
    pub(crate) line: String,
    pub(crate) made: F,
}

#[async_trait]
impl<F: Fn(&[f64]) -> Vec<f64> + Send + Sync> Party for Told<F> {
    async fn round(&mut self) -> Result<Vec<f64>> {
        let says = self.child.lock().await.ask(&self.line).await?;
        ensure!(says.first().is_some_and(|seconds| *seconds > 0.0), "it took no time");
        Ok((self.made)(&says))
    }
}

/// One that is told a line, and does so many things each round: things a second.
pub(crate) fn told(
    child: &Arc<Mutex<Child>>,
    line: impl Into<String>,
    things: usize,
) -> impl Party + 'static {
    let made = move |says: &[f64]| vec![number(things) / says[0]];
    Told { child: Arc::clone(child), line: line.into(), made }
}

/// One that is told a line, and does so many things each round: milliseconds for each.
pub(crate) fn told_milliseconds(
    child: &Arc<Mutex<Child>>,
    line: impl Into<String>,
    things: usize,
) -> impl Party + 'static {
    let made = move |says: &[f64]| vec![says[0] * 1e3 / number(things)];
    Told { child: Arc::clone(child), line: line.into(), made }
}

pub(crate) fn per_second(things: usize, took: Duration) -> f64 {
    number(things) / took.as_secs_f64()
}

/// A count as a number that can be divided.
pub(crate) fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}
