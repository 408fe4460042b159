//! Canaries as logins, in good use and in every way to fail, and where they show.
//!
//! There is one log and one recorder in a process: one life at a time, each with both to itself.

mod admit;
mod canary;
mod ways;

pub use admit::{Admit, Login};
pub use canary::CANARY;

use crate::Capture;
use tokio::sync::Mutex;
use tracing_subscriber::fmt::format::FmtSpan;

/// Everything, less two things that drivers write and that only a filter keeps out; the front pages
/// of `qa-amqp` and `qa-clickhouse` say so to their users. At TRACE lapin writes its frames, the first
/// of which has user and password; at DEBUG clickhouse writes the server's errors, of which that of a
/// refused login has the user. And less what the tests' own servers are started by, which is told
/// their passwords to do so.
pub const FILTER: &str = "trace,lapin=debug,clickhouse::error=info,bollard=off";

/// Everything that could be read in a life whose logins are canaries.
#[derive(Debug)]
pub struct Output {
    /// What the library says when it is asked: `Debug`, `Display`, errors with all their causes.
    pub said: String,
    /// What was logged, by whomever, with the spans and their fields.
    pub log: String,
    /// The metrics, with their labels.
    pub metrics: String,
    /// The password that was used where the server takes no canary for one.
    password: String,
}

impl Output {
    /// The output of a life on a server of system `S`: a canary as user and password that work and
    /// that don't, a server that is frozen and killed, passwords that are rotated, a refused port, a
    /// key that can't be used, and URLs that are wrong.
    ///
    /// # Panics
    /// Where that life is not as it should be.
    pub async fn of_a_life<S: Admit>() -> Self {
        static ONE: Mutex<()> = Mutex::const_new(());
        let _one = ONE.lock().await;
        let capture = Capture::install(FILTER, FmtSpan::FULL);
        drop(capture.take_log());
        let mut said = String::new();
        let password = ways::good_use::<S>(&mut said).await;
        ways::rotated_password::<S>(&mut said).await;
        ways::wrong_password::<S>(&mut said).await;
        ways::refused_port::<S>(&mut said).await;
        ways::unusable_key::<S>(&mut said).await;
        ways::bad_urls::<S>(&mut said);
        let metrics = format!("{:#?}", capture.metrics());
        Self { said, log: capture.take_log(), metrics, password }
    }

    /// The lines of a part of it that show a canary: as it is, percent-encoded, in base64 or
    /// hexadecimal, or as bytes.
    #[must_use]
    pub fn hits<'a>(&self, part: &'a str) -> Vec<&'a str> {
        canary::lines_that_show(part, &[CANARY, &self.password])
    }
}
