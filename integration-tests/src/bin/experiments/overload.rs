//! E25: a server that is asked for five times what it can do, and refuses some of that by chance.

use crate::run::Run;
use crate::scripted::{Fail, Script, Scripted};
use crate::virtual_time::each_seed;
use integration_tests::experiment::Figure;
use qa_resource_core::{Resource, Settings};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

/// What the server works on at once, …
const PLACES: usize = 8;

/// … and how long on each: it can do 800 a second.
const WORK: Duration = Duration::from_millis(10);

/// Five times that.
const ASKED: Duration = Duration::from_micros(250);

/// A caller waits so long; short, so that retries meet it.
const LIMIT: Duration = Duration::from_millis(400);

/// How a server answers, and what it has seen.
struct Server {
    places: Semaphore,
    /// How much of what is asked it refuses whatever it has to do.
    refuses: f64,
    with: Fail,
    attempts: AtomicUsize,
    done: AtomicUsize,
}

impl Server {
    async fn serve(&self) -> Result<(), Fail> {
        self.attempts.fetch_add(1, Relaxed);
        if fastrand::f64() < self.refuses {
            return Err(self.with);
        }
        let Ok(_place) = self.places.try_acquire() else { return Err(Fail::Overloaded) };
        sleep(WORK).await;
        self.done.fetch_add(1, Relaxed);
        Ok(())
    }
}

/// What became of one load.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    operations: usize,
    attempts: usize,
    done: usize,
    /// When the last attempt of any operation began, from when that operation did.
    latest: Duration,
}

impl Seen {
    /// Attempts for each operation.
    fn amplification(&self) -> f64 {
        number(self.attempts) / number(self.operations)
    }
}

fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::NAN, f64::from)
}

/// Every load on runtimes whose time is virtual.
pub(crate) async fn retries(run: Run) -> Vec<Figure> {
    let (seeds, seconds, threads) = (run.pick(2, 6), run.pick(3, 20), run.pick(1, 2));
    run.progress(&format!("{seeds} seeds of {seconds} s, five times as much as the server can do"));
    let time = Duration::from_secs(seconds);
    let all = move |refuses, with, attempts| {
        each_seed(seeds, threads, async |_| load(time, refuses, with, attempts).await)
    };
    let work = tokio::task::spawn_blocking(move || {
        let attempts = Settings::default().retry_attempts;
        let calm = all(0.0, Fail::Overloaded, 1);
        let refused = all(0.3, Fail::Overloaded, attempts);
        let permanent = [all(0.3, Fail::Password, attempts), all(0.3, Fail::No, attempts)].concat();
        [calm, refused, permanent].map(|seen| seen.into_iter().flatten().collect::<Vec<_>>())
    });
    let [calm, refused, permanent] = work.await.unwrap();
    let capacity = calm.iter().map(|seen| number(seen.done)).sum::<f64>() / number(calm.len());
    let goodput: Vec<_> = refused.iter().map(|seen| 100.0 * number(seen.done) / capacity).collect();
    let amplified: Vec<_> = refused.iter().map(Seen::amplification).collect();
    let latest: Vec<_> = refused.iter().map(|seen| seen.latest).collect();
    // A full server says so of the others, and that is worth a retry: those are left out.
    let again: Vec<_> = permanent.iter().map(Seen::amplification).collect();
    vec![
        Figure::new("attempts per operation", "", &amplified).at_most(1.2).note(
            "in virtual time, on a scripted server that does 800 a second, is asked for 4,000, and \
             refuses 30 % by chance and what it has no place for",
        ),
        Figure::new("goodput, of what it does without faults and retries", "%", &goodput)
            .at_least(90.0),
        Figure::seconds("the last attempt of an operation", &latest)
            .at_most(LIMIT.as_secs_f64())
            .note("from its beginning; its limit is 0.4 s"),
        Figure::new("attempts per operation, where a third is refused for good", "", &again)
            .at_most(1.2),
        permanent_alone(&run).await,
    ]
}

/// Operations at a steady rate for so long.
async fn load(time: Duration, refuses: f64, with: Fail, attempts: u32) -> Seen {
    let server = Arc::new(Server {
        places: Semaphore::new(PLACES),
        refuses,
        with,
        attempts: AtomicUsize::new(0),
        done: AtomicUsize::new(0),
    });
    let settings =
        Settings { operation_timeout: LIMIT, retry_attempts: attempts, ..Settings::default() };
    let resource = Resource::new("r", Scripted::<false>(Script::new()), settings);
    resource.connect().await.unwrap();
    let (end, mut ticks) = (Instant::now() + time, interval(ASKED));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut running, mut seen) = (JoinSet::new(), Seen::default());
    while Instant::now() < end {
        ticks.tick().await;
        seen.operations += 1;
        running.spawn(operation(resource.clone(), Arc::clone(&server)));
        while let Some(latest) = running.try_join_next() {
            seen.latest = seen.latest.max(latest.unwrap());
        }
    }
    while let Some(latest) = running.join_next().await {
        seen.latest = seen.latest.max(latest.unwrap());
    }
    resource.close(LIMIT).await;
    Seen { attempts: server.attempts.load(Relaxed), done: server.done.load(Relaxed), ..seen }
}

/// One operation; gives when its last attempt began.
async fn operation(resource: Resource<Scripted<false>>, server: Arc<Server>) -> Duration {
    let (began, mut latest) = (Instant::now(), Duration::ZERO);
    let _ = resource
        .run(|_lease| {
            latest = began.elapsed();
            let server = Arc::clone(&server);
            async move { server.serve().await }
        })
        .await;
    latest
}

/// A server that refuses everything for good is asked once each time.
async fn permanent_alone(run: &Run) -> Figure {
    let operations = run.pick(200, 2_000);
    let resource = Resource::new("r", Scripted::<false>(Script::new()), Settings::default());
    resource.connect().await.unwrap();
    let attempts = AtomicUsize::new(0);
    for fail in [Fail::Password, Fail::No] {
        for _ in 0..operations {
            let once = resource.run(|_lease| {
                attempts.fetch_add(1, Relaxed);
                async move { Err::<(), _>(fail) }
            });
            once.await.unwrap_err();
        }
    }
    resource.close(LIMIT).await;
    let again = attempts.load(Relaxed) - 2 * operations;
    Figure::count("retries of permanent errors", again).of(2 * operations).is(0.0)
}
