//! What this process has: memory, open files, tasks, threads.

use crate::behind::open_files;
use integration_tests::experiment::Figure;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// What there is at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Census {
    pub(crate) memory_kib: u32,
    pub(crate) files: u32,
    pub(crate) tasks: u32,
    pub(crate) threads: u32,
}

impl Census {
    /// Looks.
    pub(crate) fn take() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let number = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        Self {
            memory_kib: number("VmRSS:"),
            threads: number("Threads:"),
            files: count(open_files()),
            tasks: count(Handle::current().metrics().num_alive_tasks()),
        }
    }

    /// How many files, tasks and threads there are more than there were.
    pub(crate) fn beyond(&self, before: &Self) -> [u32; 3] {
        let of = |census: &Self| [census.files, census.tasks, census.threads];
        let (now, then) = (of(self), of(before));
        std::array::from_fn(|index| now[index].saturating_sub(then[index]))
    }
}

/// Looks once a second for as long as it lives.
#[derive(Debug)]
pub(crate) struct Watch {
    began: Instant,
    /// A short run only warms up.
    judged: bool,
    seen: Arc<Mutex<Vec<Census>>>,
    task: JoinHandle<()>,
}

impl Watch {
    /// Looks for about as long as `length`, whose memory it takes now. What is `judged` has
    /// criteria.
    pub(crate) fn start(length: Duration, judged: bool) -> Self {
        let looks = usize::try_from(length.as_secs()).unwrap_or(0) * 2 + 60;
        let seen = Arc::new(Mutex::new(Vec::with_capacity(looks)));
        let task = tokio::spawn({
            let seen = seen.clone();
            async move {
                let mut ticks = interval(LOOK);
                loop {
                    ticks.tick().await;
                    seen.lock().unwrap_or_else(PoisonError::into_inner).push(Census::take());
                }
            }
        });
        Self { began: Instant::now(), judged, seen, task }
    }

    /// How fast one of the numbers grew, in percent an hour: less than one, or so little in all
    /// that it can't be told from noise.
    pub(crate) fn growth(&self, what: &str, of: fn(&Census) -> u32, noise: f64) -> Figure {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let values: Vec<_> = seen.iter().map(|census| f64::from(of(census))).collect();
        let (figure, grown) = growth(what, &values, self.began.elapsed());
        if !self.judged {
            return figure;
        }
        let criterion = format!("< 1 %/h, or grown by ≤ {noise} in all");
        let slow = figure.max < 1.0;
        figure.must(&criterion, slow || grown <= noise)
    }
}

/// By how much the values grew over that time, in percent an hour and in all.
fn growth(what: &str, values: &[f64], time: Duration) -> (Figure, f64) {
    let (before, after) = halves(values);
    let (grown, hours) = (after - before, time.as_secs_f64() / 7200.0);
    let told = format!(
        "{before:.0} at the least in the second quarter of the run, {after:.0} in the last"
    );
    let figure = Figure::new(what, "%/h", &[grown * 100.0 / before / hours]);
    (figure.of(values.len()).note(told), grown)
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The least of the second and of the last quarter, which are half of the time apart. The first one
/// warms up. A leak raises the least; what comes and goes, as a driver's pool does, need not.
fn halves(values: &[f64]) -> (f64, f64) {
    let quarter = values.len() / 4;
    let least = |part: &[f64]| Figure::new("", "", part).min;
    (least(&values[quarter..quarter * 2]), least(&values[values.len() - quarter..]))
}

/// How many panics there were since this was called first, in any task.
pub(crate) fn panics() -> usize {
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let shown = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.fetch_add(1, Ordering::Relaxed);
            shown(panic);
        }));
    });
    PANICS.load(Ordering::Relaxed)
}

fn count(of: usize) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_has_memory_and_files_and_threads() {
        let census = Census::take();
        assert!(census.memory_kib > 1000 && census.files >= 3 && census.threads >= 1);
    }

    #[tokio::test]
    async fn what_grows_fast_and_by_much_is_not_flat() {
        let values: Vec<_> = (0..100).map(f64::from).collect();
        assert_eq!(halves(&values), (25.0, 75.0));
        let (figure, grown) = growth("tasks", &values, Duration::from_secs(7200));
        assert_eq!((figure.max.round(), grown), (200.0, 50.0));
        let watch = |judged| {
            let watch = Watch::start(LOOK, judged);
            let census = Census::take();
            let looks = (0..100).map(|tasks| Census { tasks, ..census });
            watch.seen.lock().unwrap().extend(looks);
            watch
        };
        let tasks = |census: &Census| census.tasks;
        assert!(watch(true).growth("tasks", tasks, 50.0).pass);
        assert!(!watch(true).growth("tasks", tasks, 49.0).pass);
        assert!(watch(true).growth("threads", |census| census.threads, 0.0).pass);
        assert!(watch(false).growth("tasks", tasks, 0.0).criterion.is_empty());
    }
}
