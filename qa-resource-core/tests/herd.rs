//! How many resources come back at once. In a test binary of its own, one test after the other: the
//! limit of dials is the process's.

use qa_resource_core::{
    Backend, Class, DIAL_LIMIT, ErrorKind, Resource, Settings, State, async_trait,
};
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Mutex as AsyncMutex, Notify, watch};
use tokio::time::{Instant, sleep, timeout};

const RESOURCES: usize = 200;
const OUTAGE: Duration = Duration::from_secs(60);

/// Held by the test that dials.
static DIALS: AsyncMutex<()> = AsyncMutex::const_new(());

/// A server that all resources connect to, and when they did while it was up.
struct Server {
    up: watch::Sender<bool>,
    cut: Notify,
    came: Mutex<Vec<Instant>>,
}

struct Client(Arc<Server>);

#[async_trait]
impl Backend for Client {
    const SYSTEM: &'static str = "server";
    type Client = ();
    type Error = std::fmt::Error;

    fn address(&self) -> &'static str {
        "nowhere"
    }
    /// Of a server that is not up nobody hears anything.
    async fn connect(&self) -> Result<(), std::fmt::Error> {
        if !*self.0.up.borrow() {
            return pending().await;
        }
        self.0.came.lock().unwrap().push(Instant::now());
        sleep(Duration::from_millis(10)).await;
        Ok(())
    }
    async fn ping(&self, (): &()) -> Result<(), std::fmt::Error> {
        Ok(())
    }
    async fn close(&self, (): ()) -> Result<(), std::fmt::Error> {
        Ok(())
    }
    async fn lost(&self, (): &()) -> std::fmt::Error {
        let mut up = self.0.up.subscribe();
        tokio::select! {
            _ = up.wait_for(|up| !up) => {}
            () = self.0.cut.notified() => {}
        }
        std::fmt::Error
    }
    fn classify(_: &std::fmt::Error) -> Class {
        Class::not_applied(ErrorKind::Connect)
    }
}

async fn connected() -> (Arc<Server>, Vec<Resource<Client>>) {
    fastrand::seed(1);
    let (up, cut) = (watch::Sender::new(true), Notify::new());
    let server = Arc::new(Server { up, cut, came: Mutex::default() });
    let make =
        |nth| Resource::new(format!("r{nth}"), Client(Arc::clone(&server)), Settings::default());
    let resources: Vec<_> = (0..RESOURCES).map(make).collect();
    for resource in &resources {
        resource.connect().await.unwrap();
    }
    (server, resources)
}

/// The most that came within 100 ms.
fn peak(came: &[Instant]) -> usize {
    let at_once = |first: &Instant| {
        let end = *first + Duration::from_millis(100);
        came.iter().filter(|came| *came >= first && **came < end).count()
    };
    came.iter().map(at_once).max().unwrap()
}

/// The dials that hang hold every permit: those who could not dial must not do so all together when
/// the permits are free again.
#[tokio::test(start_paused = true)]
async fn after_a_silence_they_come_back_one_by_one() {
    let _alone = DIALS.lock().await;
    let (server, resources) = connected().await;
    server.up.send_replace(false);
    sleep(OUTAGE).await;
    assert!(resources.iter().all(|resource| resource.state() == State::Reconnecting));
    server.came.lock().unwrap().clear();
    server.up.send_replace(true);
    let cap = Settings::default().backoff_cap;
    for resource in &resources {
        let mut watch = resource.watch();
        // Those whose dial hangs lose the time that it takes to give up.
        let limit = cap * 2 + Duration::from_secs(1);
        assert_eq!(timeout(limit, watch.wait_for(State::Ready)).await, Ok(true));
    }
    let peak = peak(&server.came.lock().unwrap());
    assert!(peak <= RESOURCES * 12 / 100, "{peak} of {RESOURCES} came at once");
    assert!(peak < DIAL_LIMIT);
}

/// A server that cuts everybody and is well: as many come back at once as a process may dial, and the
/// others after a delay each, not in line behind them.
#[tokio::test(start_paused = true)]
async fn of_those_that_are_cut_together_as_many_dial_at_once_as_may() {
    let _alone = DIALS.lock().await;
    let (server, resources) = connected().await;
    sleep(OUTAGE).await;
    server.came.lock().unwrap().clear();
    let cut = Instant::now();
    server.cut.notify_waiters();
    for resource in &resources {
        let mut watch = resource.watch();
        while resource.status().generation < 2 {
            timeout(Duration::from_secs(3), watch.next()).await.unwrap().unwrap();
        }
    }
    let came = server.came.lock().unwrap();
    let first = came.iter().filter(|came| **came == cut).count();
    let soon = came.iter().filter(|came| **came < cut + Duration::from_millis(100)).count();
    assert_eq!((first, soon, came.len()), (DIAL_LIMIT, DIAL_LIMIT, RESOURCES));
}
