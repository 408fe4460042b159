//! A backend that does what a script says, in virtual time, and counts what it was asked.

#![allow(dead_code, reason = "each test file uses its own part")]

use qa_resource_core::{About, Backend, Class, ErrorKind, Recovery, Settings, async_trait};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

pub(crate) const CANARY: &str = "c4n4ry";

/// What a verb does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Does {
    Ok,
    Error(Fail),
    Slow(Duration),
    Never,
}

/// How a verb fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fail {
    Refused,
    Password,
    Overloaded,
    Cut,
    No,
}

impl fmt::Display for Fail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for Fail {}

/// What a verb was asked, and when.
pub(crate) type Call = (&'static str, Duration);

/// The script and the record, shared by the test and the backend.
pub(crate) struct Script {
    pub(crate) connect: Mutex<Does>,
    pub(crate) ping: Mutex<Does>,
    pub(crate) close: Mutex<Does>,
    pub(crate) about: Mutex<Does>,
    pub(crate) cut: Notify,
    pub(crate) back: Notify,
    pub(crate) impaired: AtomicBool,
    pub(crate) heard: AtomicBool,
    pub(crate) proves: AtomicBool,
    pub(crate) alarm: Notify,
    pub(crate) calls: Mutex<Vec<Call>>,
    pub(crate) open: AtomicUsize,
    pub(crate) made: AtomicUsize,
    began: Instant,
}

impl Script {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            connect: Mutex::new(Does::Ok),
            ping: Mutex::new(Does::Ok),
            close: Mutex::new(Does::Ok),
            about: Mutex::new(Does::Ok),
            cut: Notify::new(),
            back: Notify::new(),
            impaired: AtomicBool::new(false),
            heard: AtomicBool::new(false),
            proves: AtomicBool::new(false),
            alarm: Notify::new(),
            calls: Mutex::default(),
            open: AtomicUsize::new(0),
            made: AtomicUsize::new(0),
            began: Instant::now(),
        })
    }

    pub(crate) fn set(verb: &Mutex<Does>, does: Does) {
        *verb.lock().unwrap() = does;
    }

    /// The driver's word that the connection is gone.
    pub(crate) fn cut(&self) {
        self.cut.notify_one();
    }

    /// When `verb` was called, since the script was made.
    pub(crate) fn times(&self, verb: &str) -> Vec<Duration> {
        let calls = self.calls.lock().unwrap();
        calls.iter().filter(|(name, _)| *name == verb).map(|(_, at)| *at).collect()
    }

    pub(crate) fn count(&self, verb: &str) -> usize {
        self.times(verb).len()
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    async fn play(&self, verb: &'static str, script: &Mutex<Does>) -> Result<(), Fail> {
        self.calls.lock().unwrap().push((verb, self.began.elapsed()));
        let does = *script.lock().unwrap();
        match does {
            Does::Ok => Ok(()),
            Does::Error(fail) => Err(fail),
            Does::Slow(how) => {
                sleep(how).await;
                Ok(())
            }
            Does::Never => std::future::pending().await,
        }
    }
}

/// A client; the script counts those that are open.
pub(crate) struct Connection {
    script: Arc<Script>,
    pub(crate) number: usize,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.script.open.fetch_sub(1, Ordering::SeqCst);
    }
}

pub(crate) struct Scripted<const DRIVER: bool>(pub(crate) Arc<Script>);

#[async_trait]
impl<const DRIVER: bool> Backend for Scripted<DRIVER> {
    const SYSTEM: &'static str = "scripted";
    const RECOVERY: Recovery = if DRIVER { Recovery::Driver } else { Recovery::Supervisor };
    type Client = Arc<Connection>;
    type Error = Fail;

    fn address(&self) -> &'static str {
        "nowhere:1/test"
    }

    async fn connect(&self) -> Result<Arc<Connection>, Fail> {
        self.0.play("connect", &self.0.connect).await?;
        self.0.open.fetch_add(1, Ordering::SeqCst);
        let number = self.0.made.fetch_add(1, Ordering::SeqCst) + 1;
        Ok(Arc::new(Connection { script: Arc::clone(&self.0), number }))
    }

    fn connect_proves(&self) -> bool {
        self.0.proves.load(Ordering::SeqCst)
    }

    async fn ping(&self, _: &Arc<Connection>) -> Result<(), Fail> {
        self.0.play("ping", &self.0.ping).await
    }

    async fn close(&self, _: Arc<Connection>) -> Result<(), Fail> {
        self.0.play("close", &self.0.close).await
    }

    fn heard(&self, _: &Arc<Connection>, _: Duration) -> bool {
        self.0.heard.load(Ordering::SeqCst)
    }

    async fn lost(&self, _: &Arc<Connection>) -> Fail {
        self.0.cut.notified().await;
        Fail::Cut
    }

    async fn regained(&self, _: &Arc<Connection>) {
        self.0.back.notified().await;
    }

    fn impairment(&self, _: &Arc<Connection>) -> Option<String> {
        self.0.impaired.load(Ordering::SeqCst).then(|| "an alarm".to_owned())
    }

    async fn impairment_changed(&self, _: &Arc<Connection>, _: bool) {
        self.0.alarm.notified().await;
    }

    async fn about(&self, _: &Arc<Connection>) -> Result<About, Fail> {
        self.0.play("about", &self.0.about).await?;
        Ok(About { version: Some("1.2.3".to_owned()), clock: None })
    }

    fn classify(error: &Fail) -> Class {
        match error {
            Fail::Refused => Class::not_applied(ErrorKind::Connect),
            Fail::Password => Class::not_applied(ErrorKind::Auth),
            Fail::Overloaded => Class::not_applied(ErrorKind::Overloaded),
            Fail::Cut => Class::unknown(ErrorKind::Connect),
            Fail::No => Class::not_applied(ErrorKind::Operation),
        }
    }
}

pub(crate) type Plain = Scripted<false>;
pub(crate) type Healing = Scripted<true>;

/// Settings whose times are exact: the delay between attempts is always 100 ms.
pub(crate) fn exact() -> Settings {
    Settings {
        backoff_floor: Duration::from_millis(100),
        backoff_cap: Duration::from_millis(100),
        ..Settings::default()
    }
}

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
