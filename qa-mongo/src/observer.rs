//! What the driver's monitors see of the deployment.

use crate::lead::Lead;
use crate::metrics::TopologyMeter;
use crate::standing::{self, Impairment};
use mongodb::ServerType;
use mongodb::error::{Error, ErrorKind};
use mongodb::event::EventHandler;
use mongodb::event::sdam::{SdamEvent, TopologyDescription};
use mongodb::options::ServerAddress;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// How long no member may be in sight before it counts as a loss. A monitor whose connection was
/// cut has a new one within milliseconds, or, where an operation met the cut first, at its next
/// look half a second later; the driver's server selection hides that from callers.
const GRACE: Duration = Duration::from_millis(750);

/// The same where the last look was refused at once: nobody listens, so there is less to hope for.
const REFUSED_GRACE: Duration = Duration::from_millis(250);

/// Whether the driver sees a member of the deployment.
#[derive(Clone, Debug)]
pub(crate) enum Sight {
    /// It has not seen any yet.
    Unseen,
    /// It has not seen any yet, and every member that it knows of has failed.
    Absent(Error),
    /// It sees at least one.
    Seen,
    /// It saw one, and sees none any more.
    Lost(Error),
}

impl Sight {
    fn is_lost(&self) -> bool {
        matches!(self, Self::Lost(_))
    }

    /// Whether none is in sight any more, and the last one that was dialled refused, at once.
    pub(crate) fn is_refused(&self) -> bool {
        use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
        let Self::Lost(error) = self else { return false };
        let ErrorKind::Io(error) = &*error.kind else { return false };
        matches!(error.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable)
    }

    /// Waits until it is known that a connect can't succeed: no member was ever seen, and each has
    /// failed. The driver itself would go on looking until its server selection times out.
    pub(crate) async fn absent(mut sight: watch::Receiver<Self>) -> Error {
        let seen = sight.wait_for(|sight| matches!(sight, Self::Absent(_))).await;
        match seen.ok().map(|sight| sight.clone()) {
            Some(Self::Absent(error)) => error,
            _ => std::future::pending().await,
        }
    }

    /// Waits until the deployment was out of sight for [`GRACE`], or [`REFUSED_GRACE`].
    pub(crate) async fn lost(sight: watch::Receiver<Self>) -> Error {
        let mut watched = sight.clone();
        loop {
            let seen = watched.wait_for(Self::is_lost).await.map(drop);
            let back = tokio::select! {
                biased;
                back = watched.wait_for(|sight| !sight.is_lost()) => back.map(drop),
                () = Self::grace(sight.clone()) => Ok(()),
            };
            // The driver is gone where there is nothing to see: a closed client is no loss.
            if seen.and(back).is_err() {
                return std::future::pending().await;
            }
            if let Self::Lost(error) = &*sight.borrow() {
                return error.clone();
            }
        }
    }

    /// For as long as a deployment that is out of sight may come back unnoticed.
    async fn grace(mut sight: watch::Receiver<Self>) {
        let refused = async {
            if sight.wait_for(Self::is_refused).await.is_ok() {
                sleep(REFUSED_GRACE).await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        let _ = timeout(GRACE, refused).await;
    }

    /// Waits until a deployment that is out of sight, or gets out of it, is in sight again.
    pub(crate) async fn regained(mut sight: watch::Receiver<Self>) {
        let back = async {
            sight.wait_for(Self::is_lost).await?;
            sight.wait_for(|sight| !sight.is_lost()).await.map(drop)
        };
        if back.await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// What the driver of one client sees.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) sight: watch::Receiver<Sight>,
    pub(crate) standing: watch::Receiver<Impairment>,
    /// The members that can be read from.
    pub(crate) members: watch::Receiver<Vec<ServerAddress>>,
}

impl View {
    /// Of a driver that nobody watches.
    pub(crate) fn unseen() -> Self {
        Self {
            sight: watch::channel(Sight::Unseen).1,
            standing: watch::channel(None).1,
            members: watch::channel(Vec::new()).1,
        }
    }
}

/// Takes the driver's events. Runs inside the driver, so it only touches watches and counters.
pub(crate) struct Observer {
    sight: watch::Sender<Sight>,
    standing: watch::Sender<Impairment>,
    members: watch::Sender<Vec<ServerAddress>>,
    lead: Mutex<Lead>,
    meter: TopologyMeter,
}

impl Observer {
    pub(crate) fn new(meter: TopologyMeter) -> (Self, View) {
        let (sight, seen) = watch::channel(Sight::Unseen);
        let (standing, stands) = watch::channel(None);
        let (members, known) = watch::channel(Vec::new());
        let view = View { sight: seen, standing: stands, members: known };
        (Self { sight, standing, members, lead: Mutex::default(), meter }, view)
    }

    pub(crate) fn into_handler(self) -> EventHandler<SdamEvent> {
        EventHandler::callback(move |event| match event {
            SdamEvent::TopologyDescriptionChanged(change) => {
                self.observe(&change.new_description);
                self.judge(standing::of(&change.new_description));
                self.list(&change.new_description);
                self.follow(&change.new_description);
            }
            SdamEvent::ServerHeartbeatFailed(_) => self.meter.heartbeat_failed(),
            _ => {}
        })
    }

    fn judge(&self, judged: Impairment) {
        self.standing.send_if_modified(|standing| {
            let changed = *standing != judged;
            *standing = judged;
            changed
        });
    }

    fn list(&self, topology: &TopologyDescription) {
        use ServerType::{Mongos, RsPrimary, RsSecondary, Standalone};
        let servers = topology.servers();
        let readable = servers.iter().filter(|(_, server)| {
            matches!(server.server_type(), Standalone | Mongos | RsPrimary | RsSecondary)
        });
        let readable = readable.map(|(address, _)| (*address).clone()).collect();
        self.members.send_replace(readable);
    }

    /// Measures how the primary changes, and how long there is none.
    fn follow(&self, topology: &TopologyDescription) {
        let members = topology.servers();
        let mut leads = members.values().filter(|one| one.server_type() == ServerType::RsPrimary);
        let primary = leads.next().map(mongodb::ServerInfo::address);
        let mut lead = self.lead.lock().unwrap_or_else(PoisonError::into_inner);
        let look = lead.sees(primary, Instant::now());
        drop(lead);
        if look.changed {
            self.meter.primary_changed();
        }
        if let Some(absent) = look.absent {
            self.meter.primary_was_absent(absent);
        }
    }

    fn observe(&self, topology: &TopologyDescription) {
        let servers = topology.servers();
        if servers.values().any(|server| server.server_type() != ServerType::Unknown) {
            self.sight.send_if_modified(|sight| {
                let changed = !matches!(sight, Sight::Seen);
                *sight = Sight::Seen;
                changed
            });
            return;
        }
        let failed: Vec<_> = servers.values().filter_map(|server| server.error()).collect();
        let Some(error) = failed.first().map(|error| (*error).clone()) else { return };
        let all_failed = failed.len() == servers.len();
        self.sight.send_if_modified(|sight| {
            let next = match sight {
                // Also while it is lost: its latest reason is the one to tell.
                Sight::Seen | Sight::Lost(_) => Sight::Lost(error),
                Sight::Unseen if all_failed => Sight::Absent(error),
                _ => return false,
            };
            *sight = next;
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind::{ConnectionRefused, ConnectionReset};

    fn lost() -> Sight {
        Sight::Lost(std::io::Error::from(ConnectionReset).into())
    }

    #[test]
    fn a_silence_and_a_cut_are_no_refusals() {
        let lost = |kind| Sight::Lost(io::Error::from(kind).into());
        assert!(lost(io::ErrorKind::ConnectionRefused).is_refused());
        assert!(!lost(io::ErrorKind::TimedOut).is_refused());
        assert!(!lost(ConnectionReset).is_refused());
        assert!(!Sight::Seen.is_refused());
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_loss_that_lasts_is_one() {
        let (sender, receiver) = watch::channel(Sight::Seen);
        let start = tokio::time::Instant::now();
        let waiting = tokio::spawn(Sight::lost(receiver));
        sender.send(lost()).unwrap();
        tokio::time::sleep(GRACE / 2).await;
        sender.send(Sight::Seen).unwrap();
        tokio::time::sleep(GRACE * 2).await;
        assert!(!waiting.is_finished());
        sender.send(lost()).unwrap();
        let error = waiting.await.unwrap();
        assert!(error.to_string().contains("reset"), "{error}");
        assert_eq!(start.elapsed(), GRACE / 2 + GRACE * 2 + GRACE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_refuses_is_lost_sooner() {
        let (sender, receiver) = watch::channel(Sight::Seen);
        let start = tokio::time::Instant::now();
        let waiting = tokio::spawn(Sight::lost(receiver));
        sender.send(lost()).unwrap();
        tokio::time::sleep(REFUSED_GRACE / 2).await;
        sender.send(Sight::Lost(io::Error::from(ConnectionRefused).into())).unwrap();
        let error = waiting.await.unwrap();
        assert!(error.to_string().contains("refused"), "{error}");
        assert_eq!(start.elapsed(), REFUSED_GRACE / 2 + REFUSED_GRACE);
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_was_lost_is_regained() {
        let (sender, receiver) = watch::channel(Sight::Seen);
        let waiting = tokio::spawn(Sight::regained(receiver));
        for sight in [Sight::Seen, lost(), lost()] {
            sender.send(sight).unwrap();
            tokio::time::sleep(GRACE * 2).await;
            assert!(!waiting.is_finished());
        }
        sender.send(Sight::Seen).unwrap();
        timeout(GRACE, waiting).await.unwrap().unwrap();
        drop(sender);
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_client_is_not_a_lost_one() {
        let (sender, receiver) = watch::channel(Sight::Seen);
        drop(sender);
        let minute = Duration::from_secs(60);
        assert!(timeout(minute, Sight::lost(receiver.clone())).await.is_err());
        assert!(timeout(minute, Sight::regained(receiver)).await.is_err());
        let (sender, receiver) = watch::channel(lost());
        drop(sender);
        assert!(timeout(minute, Sight::lost(receiver)).await.is_err());
    }
}
