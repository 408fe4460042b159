//! Whether the deployment takes writes, as the driver sees it.

use mongodb::event::sdam::TopologyDescription;
use mongodb::{ServerInfo, ServerType, TopologyType};
use tokio::sync::watch;

/// Why a deployment that is there does not take writes; nothing where it does.
pub(crate) type Impairment = Option<&'static str>;

const NO_PRIMARY: &str =
    "the replica set has no primary: it answers reads, and writes wait for one";
const READ_ONLY: &str = "the member that the URL names is not the primary: it takes no writes";

/// What keeps this deployment from taking writes.
pub(crate) fn of(topology: &TopologyDescription) -> Impairment {
    let members = topology.servers();
    judge(topology.topology_type(), members.values().map(ServerInfo::server_type))
}

/// A deployment of which nothing is seen is not impaired but lost, which is said elsewhere.
fn judge(topology: TopologyType, mut members: impl Iterator<Item = ServerType>) -> Impairment {
    match topology {
        TopologyType::ReplicaSetNoPrimary => {
            members.any(|member| member != ServerType::Unknown).then_some(NO_PRIMARY)
        }
        TopologyType::Single => members.any(takes_no_writes).then_some(READ_ONLY),
        _ => None,
    }
}

fn takes_no_writes(member: ServerType) -> bool {
    use ServerType::{RsArbiter, RsGhost, RsOther, RsSecondary};
    matches!(member, RsSecondary | RsArbiter | RsOther | RsGhost)
}

/// Waits until the deployment is impaired although it was not, or the other way round.
pub(crate) async fn changed(mut standing: watch::Receiver<Impairment>, impaired: bool) {
    if standing.wait_for(|impairment| impairment.is_some() != impaired).await.is_err() {
        // The driver is gone: nothing will change any more.
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::ServerType::{Mongos, RsArbiter, RsPrimary, RsSecondary, Standalone, Unknown};

    #[test]
    fn a_set_without_a_primary_and_a_secondary_alone_take_no_writes() {
        use TopologyType::{
            LoadBalanced, ReplicaSetNoPrimary, ReplicaSetWithPrimary, Sharded, Single,
        };
        let cases: [(TopologyType, &[ServerType], Impairment); 10] = [
            (Single, &[Standalone], None),
            (Single, &[RsPrimary], None),
            (Single, &[RsSecondary], Some(READ_ONLY)),
            (Single, &[Unknown], None),
            (ReplicaSetWithPrimary, &[RsPrimary, RsSecondary, Unknown], None),
            (ReplicaSetNoPrimary, &[Unknown, RsSecondary, RsSecondary], Some(NO_PRIMARY)),
            (ReplicaSetNoPrimary, &[Unknown, Unknown, RsArbiter], Some(NO_PRIMARY)),
            (ReplicaSetNoPrimary, &[Unknown, Unknown, Unknown], None),
            (Sharded, &[Mongos, Unknown], None),
            (LoadBalanced, &[ServerType::LoadBalancer], None),
        ];
        for (topology, members, expected) in cases {
            let judged = judge(topology, members.iter().copied());
            assert_eq!(judged, expected, "{topology:?} of {members:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_what_differs_from_what_was_known() {
        let minute = std::time::Duration::from_secs(60);
        let (sender, receiver) = watch::channel(None);
        let waiting = tokio::spawn(changed(receiver.clone(), false));
        assert!(tokio::time::timeout(minute, changed(receiver.clone(), false)).await.is_err());
        sender.send(Some(NO_PRIMARY)).unwrap();
        waiting.await.unwrap();
        assert!(tokio::time::timeout(minute, changed(receiver.clone(), true)).await.is_err());
        changed(receiver.clone(), false).await;
        drop(sender);
        assert!(tokio::time::timeout(minute, changed(receiver, true)).await.is_err());
    }
}
