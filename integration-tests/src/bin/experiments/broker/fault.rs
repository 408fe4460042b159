//! What is done to a broker while messages are published.

use super::Broker;
use crate::passing::until;
use qa_servers::proxy::{Ending, FaultProxy, Faults, Way};
use std::time::Duration;
use tokio::time::Instant;

/// How long a fault that lasts goes on.
const LASTS: Duration = Duration::from_secs(2);

/// Bytes after which a connection is cut.
const CUT_AFTER: u64 = 40_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Every connection is reset.
    Reset,
    /// Every connection is cut in the middle of something.
    CutMidway,
    /// The broker, or the leader of the queue, is killed and started again.
    Kill,
    /// The broker closes every connection.
    Closed,
    /// The broker is short of memory.
    Alarm,
}

impl Fault {
    pub(super) const ALL: [Self; 5] =
        [Self::Reset, Self::CutMidway, Self::Kill, Self::Closed, Self::Alarm];

    /// From its beginning until the broker is there again.
    pub(super) async fn strike(self, broker: &Broker, queue: &str) {
        match self {
            Self::Reset => broker.proxies.iter().for_each(FaultProxy::reset),
            Self::CutMidway => {
                let way = Way { cut_after: Some((CUT_AFTER, Ending::Close)), ..Way::default() };
                broker.proxies.iter().for_each(|proxy| proxy.set(Faults::both(way.clone())));
                until(Instant::now() + LASTS).await;
                broker.proxies.iter().for_each(FaultProxy::heal);
            }
            Self::Kill => {
                let leader = broker.leader(queue).await;
                leader.kill().await.unwrap();
                until(Instant::now() + LASTS).await;
                leader.start_again().await.unwrap();
            }
            Self::Closed => broker.close_connections().await,
            Self::Alarm => {
                let node = &broker.nodes()[0];
                node.raise_alarm().await.unwrap();
                until(Instant::now() + LASTS).await;
                node.clear_alarm().await.unwrap();
            }
        }
    }
}
