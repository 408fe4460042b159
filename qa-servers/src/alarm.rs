//! RabbitMQ's memory alarm: the broker goes on, and takes no messages.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::process::rabbitmq::WATERMARK;
use crate::server::Host;
use crate::speak::http;
use crate::{Error, Server, System};

/// How long the broker may take to change its mind.
const LIMIT: Duration = Duration::from_secs(30);
/// The pause between two looks at it.
const PAUSE: Duration = Duration::from_millis(20);
/// A limit that every broker is above.
const NOTHING: &str = "1";
/// Answers with a failure while there is an alarm. Unlike the figures of the nodes, it is no older
/// than the question.
const LOOK: &str = "/api/health/checks/local-alarms";

impl Server {
    /// Raises RabbitMQ's memory alarm, as a broker does that is short of memory, and waits until it
    /// is on: it tells every connection that publishes that it is blocked, and reads no more from
    /// it. Does nothing if it is on.
    ///
    /// It is on until [`clear_alarm`](Server::clear_alarm), or the next start.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] for the other systems and for an external server; [`Error::Refused`]
    /// when the broker does not do it within 30 seconds.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the alarm may be on or off; call either again.
    pub async fn raise_alarm(&self) -> Result<(), Error> {
        self.turn("raise its alarm", NOTHING, true).await
    }

    /// Ends the alarm, and waits until it is off. Does nothing if it is off.
    ///
    /// # Errors
    ///
    /// As [`raise_alarm`](Server::raise_alarm).
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the alarm may be on or off; call either again.
    pub async fn clear_alarm(&self) -> Result<(), Error> {
        self.turn("clear its alarm", WATERMARK, false).await
    }

    async fn turn(&self, what: &'static str, watermark: &str, wanted: bool) -> Result<(), Error> {
        if self.system() != System::RabbitMq {
            return Err(self.has_no_alarm(what, "only rabbitmq has one"));
        }
        let deadline = Instant::now() + LIMIT;
        let words = ["set_vm_memory_high_watermark", "absolute", watermark];
        let said = match &self.host {
            Host::External => {
                return Err(self.has_no_alarm(what, "it belongs to someone else"));
            }
            Host::Process(process) => {
                let command = process.lock().await.control(&words);
                timeout(LIMIT, command).await.unwrap_or_else(|_| Err(slow()))
            }
            Host::Container(container) => container.lock().await.control(&words).await,
        };
        said.map_err(|reason| self.refused(what, &reason))?;
        while self.has_alarm().await != Some(wanted) {
            if Instant::now() >= deadline {
                return Err(self.refused(what, &slow()));
            }
            sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Whether the alarm is on; `None` where the broker does not say.
    async fn has_alarm(&self) -> Option<bool> {
        let look = http::request(&self.address, self.management_port()?, "GET", LOOK, "");
        match timeout(LIMIT, look).await.ok()? {
            Ok(_) => Some(false),
            Err(reason) if reason.contains("status 503") => Some(true),
            Err(_) => None,
        }
    }

    fn has_no_alarm(&self, what: &'static str, reason: &'static str) -> Error {
        Error::Unsupported { system: self.system(), provider: self.provider(), what, reason }
    }

    fn refused(&self, what: &'static str, reason: &str) -> Error {
        Error::Refused { system: self.system(), what, reason: self.address.redact(reason) }
    }
}

fn slow() -> String {
    format!("it did not within {LIMIT:?}")
}
