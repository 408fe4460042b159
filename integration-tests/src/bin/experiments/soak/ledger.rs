//! What became of the operations, and whether a fault was near.

use super::fault::Fault;
use integration_tests::experiment::Figure;
use qa_pool::Error;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// So long after its end a fault still counts as near.
const AFTER: Duration = Duration::from_secs(1);

/// How an operation ended.
pub(super) enum End {
    Answered,
    /// With the answer to another question.
    Wrong,
    Failed(Error),
    Stuck,
}

/// What became of the operations on one backend. It counts, and keeps no operation.
#[derive(Default)]
pub(super) struct Ledger(Mutex<Book>);

#[derive(Default)]
struct Book {
    faults: Vec<(Fault, Instant, Option<Instant>)>,
    all: usize,
    answered: usize,
    wrong: usize,
    stuck: usize,
    outside: usize,
    answered_outside: usize,
    /// What failed outside of faults.
    surprises: BTreeMap<Surprise, (usize, Error)>,
}

/// A kind of failure outside of faults.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Surprise {
    /// The fault before it, and how many whole seconds after its end the operation was due.
    after: Option<(Fault, u64)>,
    kind: &'static str,
}

impl Ledger {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn fault_begins(&self, fault: Fault) {
        self.book().faults.push((fault, Instant::now(), None));
    }

    pub(super) fn fault_ends(&self) {
        if let Some((_, _, end)) = self.book().faults.last_mut() {
            *end = Some(Instant::now());
        }
    }

    /// Counts an operation that should have begun at `due` and ends now.
    pub(super) fn count(&self, due: Instant, end: End) {
        let mut book = self.book();
        let outside = !book.is_near_a_fault(due, Instant::now());
        book.all += 1;
        book.outside += usize::from(outside);
        match end {
            End::Answered => {
                book.answered += 1;
                book.answered_outside += usize::from(outside);
            }
            End::Wrong => book.wrong += 1,
            End::Stuck => book.stuck += 1,
            End::Failed(error) if outside => {
                let surprise =
                    Surprise { after: book.fault_before(due), kind: error.kind().as_str() };
                book.surprises.entry(surprise).or_insert((0, error)).0 += 1;
            }
            End::Failed(_) => {}
        }
    }

    /// What is wanted of the backend of this name.
    pub(super) fn figures(&self, name: &str) -> Vec<Figure> {
        let book = self.book();
        let what = |what: &str| format!("{name}: {what}");
        let outside = what("answered outside of faults");
        let mut outside =
            Figure::share(&outside, book.answered_outside, book.outside).at_least(99.99);
        if !book.surprises.is_empty() {
            outside = outside.note(book.surprises());
        }
        vec![
            outside,
            Figure::share(&what("answered, faults or not"), book.answered, book.all),
            Figure::count(&what("stuck operations"), book.stuck).of(book.all).is(0.0),
            Figure::count(&what("wrong answers"), book.wrong).of(book.all).is(0.0),
            Figure::count(&what("faults"), book.faults.len()).note(book.kinds()),
        ]
    }
}

impl Book {
    /// Whether any of the time from `due` to `ended` was that of a fault, or right after one.
    fn is_near_a_fault(&self, due: Instant, ended: Instant) -> bool {
        self.faults
            .iter()
            .rev()
            .any(|(_, begin, end)| *begin <= ended && end.is_none_or(|end| due <= end + AFTER))
    }

    /// The last fault that was over at `due`, and how many whole seconds it was.
    fn fault_before(&self, due: Instant) -> Option<(Fault, u64)> {
        let over = |(fault, _, end): &(Fault, Instant, Option<Instant>)| {
            Some((*fault, due.checked_duration_since((*end)?)?.as_secs()))
        };
        self.faults.iter().rev().find_map(over)
    }

    /// How often what failed outside of faults, with the first error of each kind.
    fn surprises(&self) -> String {
        let one = |(surprise, (count, error)): (&Surprise, &(usize, Error))| {
            let when = match surprise.after {
                Some((fault, seconds)) => format!("{seconds} s after {fault:?}").to_lowercase(),
                None => "before any fault".to_owned(),
            };
            format!("{count} × {when}: {}", error.message())
        };
        self.surprises.iter().map(one).collect::<Vec<_>>().join("; ")
    }

    fn kinds(&self) -> String {
        let count = |kind: Fault| self.faults.iter().filter(|(fault, ..)| *fault == kind).count();
        let kinds = Fault::ALL.map(|kind| format!("{} × {kind:?}", count(kind)));
        kinds.join(", ").to_lowercase()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_touches_a_fault_or_comes_right_after_it_is_not_outside() {
        let ledger = Ledger::default();
        let second = Duration::from_secs(1);
        let began = Instant::now();
        ledger.count(began, End::Answered);
        tokio::time::advance(second).await;
        ledger.fault_begins(Fault::Cut);
        ledger.count(began, End::Stuck);
        tokio::time::advance(second).await;
        ledger.fault_ends();
        tokio::time::advance(second * 3).await;
        ledger.count(began + second * 3, End::Wrong);
        ledger.count(began + second * 4, End::Wrong);
        let book = ledger.book();
        assert_eq!((book.all, book.outside, book.answered_outside), (4, 2, 1));
        assert_eq!((book.stuck, book.wrong), (1, 2));
        assert!(book.kinds().contains("1 × cut"), "{}", book.kinds());
    }
}
