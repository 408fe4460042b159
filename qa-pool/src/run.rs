//! The whole of a well-behaved `main`.

use crate::follow::{Hangups, follow};
use crate::{Config, ResourcePool};
use futures_util::FutureExt;
use qa_resource_core::ShutdownReport;
use std::any::Any;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// How long a shutdown may take unless told otherwise: under the 30 s after which Kubernetes kills.
pub(crate) const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(25);

/// Connects `pool`, runs `main`, and shuts down when it ends or SIGTERM or SIGINT comes; gives the
/// process's exit code. The shutdown may take 25 s, see [`run_within`].
///
/// ```no_run
/// # use qa_pool::{Config, ResourcePool};
/// #[tokio::main]
/// async fn main() -> std::process::ExitCode {
///     let pool = match Config::from_file("qa.toml").map_err(|e| e.to_string()).and_then(|config| {
///         ResourcePool::from_config(&config).map_err(|e| e.to_string())
///     }) {
///         Ok(pool) => pool,
///         Err(error) => {
///             eprintln!("{error}");
///             return std::process::ExitCode::from(2);
///         }
///     };
///     qa_pool::run(pool, async |pool: ResourcePool| {
///         pool.closing().cancelled().await;
///         Ok::<_, std::io::Error>(())
///     })
///     .await
/// }
/// ```
pub async fn run<E: Display>(
    pool: ResourcePool,
    main: impl AsyncFnOnce(ResourcePool) -> Result<(), E>,
) -> ExitCode {
    run_within(pool, SHUTDOWN_TIMEOUT, main).await
}

/// As [`run`], with a pool that is made from a file, whose `shutdown_timeout` is the limit of the
/// shutdown, and that follows it: SIGHUP has the file read anew, and what can change while the pool
/// runs is taken ([`ResourcePool::reload`]). Secrets and certificates that are mounted anew are noticed
/// without a signal, within three seconds. Each change is logged; a file with an error changes nothing,
/// and its error is logged.
///
/// The exit code is 2 where the file can't be used at the start, and that of [`run_within`] otherwise.
///
/// ```no_run
/// # use qa_pool::ResourcePool;
/// #[tokio::main]
/// async fn main() -> std::process::ExitCode {
///     qa_pool::run_from("qa.toml", async |pool: ResourcePool| {
///         pool.closing().cancelled().await;
///         Ok::<_, std::io::Error>(())
///     })
///     .await
/// }
/// ```
///
/// # Cancel safety
/// What it holds is closed in the background where this is dropped, as with any pool that is dropped.
pub async fn run_from<E: Display>(
    path: impl Into<PathBuf>,
    main: impl AsyncFnOnce(ResourcePool) -> Result<(), E>,
) -> ExitCode {
    let path = path.into();
    let (pool, hangups) = match prepare(&path) {
        Ok(prepared) => prepared,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let limit = || pool.loaded().config().shutdown_timeout;
    tokio::select! {
        code = run_for(pool.clone(), &limit, main) => code,
        never = follow(&path, &pool, hangups) => match never {},
    }
}

fn prepare(path: &Path) -> Result<(ResourcePool, Hangups), String> {
    // Before anything else: until it is heard, the signal ends the process.
    let hangups = Hangups::new().map_err(|error| format!("cannot listen for SIGHUP: {error}"))?;
    let config = Config::from_file(path).map_err(|error| error.to_string())?;
    let pool = ResourcePool::from_config(&config).map_err(|error| error.to_string())?;
    Ok((pool, hangups))
}

/// As [`run`], with a limit for the shutdown.
///
/// At the first signal the pool begins to close: [`ResourcePool::closing`] fires, and `main` goes
/// on within the time for draining, so that its loops can end. A second signal ends everything at
/// once. What went wrong, and what the shutdown had to force, is printed on standard error.
///
/// The exit code is 0 where `main` ended well (or had to be asked to) and nothing was forced, and
/// 1 otherwise.
///
/// # Panics
/// Where `main` does, once everything is shut down as after any other end.
pub async fn run_within<E: Display>(
    pool: ResourcePool,
    limit: Duration,
    main: impl AsyncFnOnce(ResourcePool) -> Result<(), E>,
) -> ExitCode {
    run_for(pool, &|| limit, main).await
}

/// As [`run_within`], with a limit that is asked for when the shutdown begins.
async fn run_for<E: Display>(
    pool: ResourcePool,
    limit: &impl Fn() -> Duration,
    main: impl AsyncFnOnce(ResourcePool) -> Result<(), E>,
) -> ExitCode {
    let mut signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => {
            eprintln!("cannot listen for signals: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = tokio::select! {
        ended = begin(&pool, main) => ended,
        () = told_to_stop(&pool, &mut signals, limit) => Ended::Well,
    };
    let report = tokio::select! {
        report = pool.close(limit()) => report,
        () = signals.next() => pool.close(Duration::ZERO).await,
    };
    conclude(ended, &report)
}

/// How `main` ended: well, with an error that is to be told, or by a panic, which has told its own.
enum Ended {
    Well,
    Failed(String),
    Panicked(Box<dyn Any + Send>),
}

async fn begin<E: Display>(
    pool: &ResourcePool,
    main: impl AsyncFnOnce(ResourcePool) -> Result<(), E>,
) -> Ended {
    if let Err(error) = pool.connect().await {
        return Ended::Failed(error.to_string());
    }
    // A close waits for this token as for any of the application's tasks.
    let _token = pool.tasks().token();
    // Nothing of `main` is looked at after its panic, which goes on when everything is closed.
    match AssertUnwindSafe(main(pool.clone())).catch_unwind().await {
        Ok(Ok(())) => Ended::Well,
        Ok(Err(error)) => Ended::Failed(error.to_string()),
        Err(panic) => Ended::Panicked(panic),
    }
}

/// Waits for a signal, then closes, while `main` goes on beside it.
async fn told_to_stop(pool: &ResourcePool, signals: &mut Signals, limit: impl Fn() -> Duration) {
    signals.next().await;
    tracing::info!("told to stop");
    tokio::select! {
        _ = pool.close(limit()) => {}
        () = signals.next() => drop(pool.close(Duration::ZERO).await),
    }
}

fn conclude(ended: Ended, report: &ShutdownReport) -> ExitCode {
    if let Ended::Failed(error) = &ended {
        eprintln!("{error}");
    }
    if !report.is_clean() {
        eprintln!("{report}");
    }
    match ended {
        Ended::Panicked(panic) => resume_unwind(panic),
        Ended::Well if report.is_clean() => ExitCode::SUCCESS,
        Ended::Well | Ended::Failed(_) => ExitCode::FAILURE,
    }
}

/// SIGTERM and SIGINT, or what stands for them elsewhere.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {})
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
