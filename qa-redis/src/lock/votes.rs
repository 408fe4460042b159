//! Asking several servers at once, of which a majority decides.

use crate::Redis;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use qa_resource_core::{Error, Group};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// What has been answered so far.
#[derive(Debug)]
pub(super) struct Votes<T> {
    of: usize,
    yes: Vec<T>,
    no: usize,
    failed: Option<Error>,
    failures: usize,
}

/// What they decide.
#[derive(Debug)]
pub(super) enum Verdict<T> {
    Yes(Vec<T>),
    No,
    /// Too few could be asked.
    Open(Option<Error>),
}

impl<T> Votes<T> {
    pub(super) fn of(of: usize) -> Self {
        Self { of, yes: Vec::new(), no: 0, failed: None, failures: 0 }
    }

    fn majority(&self) -> usize {
        self.of / 2 + 1
    }

    /// Counts one; whether those that are left can't change the outcome.
    pub(super) fn count(&mut self, vote: Result<Option<T>, Error>) -> bool {
        match vote {
            Ok(Some(yes)) => self.yes.push(yes),
            Ok(None) => self.no += 1,
            Err(error) => {
                self.failures += 1;
                self.failed = Some(error);
            }
        }
        let left = self.of - self.yes.len() - self.no - self.failures;
        self.yes.len() >= self.majority() || self.yes.len() + left < self.majority()
    }

    pub(super) fn verdict(self) -> Verdict<T> {
        let majority = self.majority();
        if self.yes.len() >= majority {
            Verdict::Yes(self.yes)
        } else if self.yes.len() + self.no >= majority {
            Verdict::No
        } else {
            Verdict::Open(self.failed)
        }
    }
}

/// Asks all of them, until a majority has decided or the time is up.
pub(super) async fn ask<'a, T, F>(
    servers: &'a [Group<Redis>],
    limit: Duration,
    question: impl Fn(&'a Group<Redis>) -> F,
) -> Verdict<T>
where
    F: Future<Output = Result<Option<T>, Error>>,
{
    let deadline = Instant::now() + limit;
    let mut answers: FuturesUnordered<F> = servers.iter().map(question).collect();
    let mut votes = Votes::of(servers.len());
    while let Ok(Some(vote)) = timeout_at(deadline, answers.next()).await {
        if votes.count(vote) {
            break;
        }
    }
    votes.verdict()
}

#[cfg(test)]
mod tests {
    use super::*;
    use qa_resource_core::ErrorKind;

    fn outcome(of: usize, votes: &str) -> (bool, char) {
        let mut all = Votes::of(of);
        let mut decided = false;
        for vote in votes.chars() {
            decided = all.count(match vote {
                'y' => Ok(Some(())),
                'n' => Ok(None),
                _ => Err(Error::new(ErrorKind::Connect, "redis", "gone")),
            });
        }
        let verdict = match all.verdict() {
            Verdict::Yes(_) => 'y',
            Verdict::No => 'n',
            Verdict::Open(_) => '?',
        };
        (decided, verdict)
    }

    #[test]
    fn a_majority_of_all_decides() {
        for (of, votes, expected) in [
            (1, "y", (true, 'y')),
            (1, "n", (true, 'n')),
            (1, "x", (true, '?')),
            (3, "y", (false, '?')),
            (3, "yy", (true, 'y')),
            (3, "xyy", (true, 'y')),
            (3, "nn", (true, 'n')),
            (3, "nx", (true, '?')),
            (3, "nyx", (true, 'n')),
            (3, "xx", (true, '?')),
            (5, "yynn", (false, 'n')),
            (5, "yynny", (true, 'y')),
            (4, "yy", (false, '?')),
            (4, "yyn", (false, 'n')),
        ] {
            assert_eq!(outcome(of, votes), expected, "{votes} of {of}");
        }
    }
}
