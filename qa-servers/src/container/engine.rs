//! Talking to the Docker engine, from one runtime of our own.
//!
//! A client's connections belong to the runtime that opened them, and a server lives longer than
//! the runtime of the test that started it. So every call runs here; one that its caller gives up
//! runs to its end, and its result is dropped here, where a container can remove itself.

use std::error::Error as Cause;
use std::sync::{LazyLock, mpsc};
use std::time::Duration;

use testcontainers_modules::testcontainers::bollard::Docker;
use testcontainers_modules::testcontainers::core::client::docker_client_instance;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::timeout;

use crate::Error;

/// The limit of one call: the engine's grace for a stop is 40 seconds.
pub(super) const LIMIT: Duration = Duration::from_secs(60);
/// The limit for finding out whether there is an engine.
const ANSWER: Duration = Duration::from_secs(5);

static RUNTIME: LazyLock<Result<Runtime, String>> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("qa-servers-engine")
        .enable_all()
        .build()
        .map_err(|error| error.to_string())
});

fn runtime(what: &str) -> Result<&'static Runtime, Error> {
    RUNTIME.as_ref().map_err(|reason| engine_error(what, reason.clone()))
}

fn engine_error(what: &str, reason: String) -> Error {
    Error::Engine { what: what.to_owned(), reason }
}

/// Runs a call on the engine's runtime, within the limit.
pub(super) async fn on_engine<T, E>(
    what: impl Into<String>,
    limit: Duration,
    call: impl Future<Output = Result<T, E>> + Send + 'static,
) -> Result<T, Error>
where
    T: Send + 'static,
    E: Cause + Send + 'static,
{
    let what = what.into();
    let call = runtime(&what)?.spawn(async move { timeout(limit, call).await });
    match call.await {
        Ok(Ok(Ok(done))) => Ok(done),
        Ok(Ok(Err(error))) => Err(engine_error(&what, chain(&error))),
        Ok(Err(_)) => Err(engine_error(&what, format!("no answer within {limit:?}"))),
        Err(error) => Err(engine_error(&what, error.to_string())),
    }
}

/// Runs a task on the engine's runtime and blocks the thread for it; says whether it ended in
/// time. On the runtime's own thread it is only started: to wait there would be to wait for
/// oneself.
pub(super) fn blocking(limit: Duration, task: impl Future<Output = ()> + Send + 'static) -> bool {
    let Ok(runtime) = RUNTIME.as_ref() else {
        return false;
    };
    let (done, finished) = mpsc::channel();
    runtime.spawn(async move {
        task.await;
        let _ = done.send(());
    });
    let own = Handle::try_current().is_ok_and(|handle| handle.id() == runtime.handle().id());
    !own && finished.recv_timeout(limit).is_ok()
}

/// The messages of an error and of its causes, which libraries do not agree on where to put.
fn chain(error: &(dyn Cause + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

/// Whether there is an engine that answers.
pub(super) async fn answers() -> Result<(), Error> {
    let ping = async {
        let docker = docker().await?;
        docker.ping().await.map_err(boxed)
    };
    on_engine("answer", ANSWER, ping).await.map(drop)
}

/// Sends signal 9 to a container's main process.
pub(super) async fn kill(id: &str) -> Result<(), Error> {
    let id = id.to_owned();
    let kill = async move { docker().await?.kill_container(&id, None).await.map_err(boxed) };
    on_engine("kill a container", LIMIT, kill).await
}

/// Lets a container go on that may be paused.
pub(super) async fn thaw(id: &str) -> Result<(), Error> {
    let id = id.to_owned();
    let thaw = async move {
        let docker = docker().await?;
        let state = docker.inspect_container(&id, None).await.map_err(boxed)?.state;
        if state.and_then(|state| state.paused) == Some(true) {
            docker.unpause_container(&id).await.map_err(boxed)?;
        }
        Ok::<_, Failure>(())
    };
    on_engine("go on with a container", LIMIT, thaw).await
}

/// Any error of the two libraries.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) struct Failure(Box<dyn Cause + Send + Sync>);

pub(super) fn boxed(error: impl Cause + Send + Sync + 'static) -> Failure {
    Failure(Box::new(error))
}

pub(super) async fn docker() -> Result<Docker, Failure> {
    docker_client_instance().await.map_err(boxed)
}
