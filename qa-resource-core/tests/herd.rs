//! How many resources come back at once. In a test binary of its own: the limit of dials is the
//! process's.

use qa_resource_core::{
    Backend, Class, DIAL_LIMIT, ErrorKind, Resource, Settings, State, async_trait,
};
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

const RESOURCES: usize = 200;
const OUTAGE: Duration = Duration::from_secs(60);

/// A server that all resources connect to, and when they did while it was up.
struct Server {
    up: watch::Sender<bool>,
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
        let _ = self.0.up.subscribe().wait_for(|up| !up).await;
        std::fmt::Error
    }
    fn classify(_: &std::fmt::Error) -> Class {
        Class::not_applied(ErrorKind::Connect)
    }
}

/// The dials that hang hold every permit: those who could not dial must not do so all together when
/// the permits are free again.
#[tokio::test(start_paused = true)]
async fn after_a_silence_they_come_back_one_by_one() {
    fastrand::seed(1);
    let server = Arc::new(Server { up: watch::Sender::new(true), came: Mutex::default() });
    let make =
        |nth| Resource::new(format!("r{nth}"), Client(Arc::clone(&server)), Settings::default());
    let resources: Vec<_> = (0..RESOURCES).map(make).collect();
    for resource in &resources {
        resource.connect().await.unwrap();
    }
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
    let came = server.came.lock().unwrap().clone();
    let at_once = |first: &Instant| {
        let end = *first + Duration::from_millis(100);
        came.iter().filter(|came| *came >= first && **came < end).count()
    };
    let peak = came.iter().map(at_once).max().unwrap();
    assert!(peak <= RESOURCES * 12 / 100, "{peak} of {RESOURCES} came at once");
    assert!(peak < DIAL_LIMIT);
}
