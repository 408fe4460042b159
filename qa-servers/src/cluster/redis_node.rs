//! The commands by which one node of a Redis Cluster is made such, and is asked about it.

use super::slots::{self, Line, SLOTS};
use crate::address::Address;
use crate::speak::Answer;
use crate::speak::redis::{Connection, field};

/// Gives the node of this number its epoch, and its share of the slots if it is one of the first,
/// the masters. Does nothing twice.
pub(super) async fn assign_slots(node: &Address, number: usize, masters: usize) -> Answer<()> {
    let mut connection = Connection::open(node).await?;
    let info = connection.text(&["CLUSTER", "INFO"]).await?;
    if field(&info, "cluster_my_epoch") == "0" {
        let epoch = (number + 1).to_string();
        connection.command(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]).await?;
    }
    if number < masters && field(&info, "cluster_slots_assigned") == "0" {
        let first = |number| usize::from(SLOTS) * number / masters;
        let (first, last) = (first(number).to_string(), (first(number + 1) - 1).to_string());
        connection.command(&["CLUSTER", "ADDSLOTSRANGE", &first, &last]).await?;
    }
    Ok(())
}

/// Whether the node takes commands.
pub(super) async fn serves(node: &Address) -> Answer<()> {
    let info = Connection::open(node).await?.text(&["CLUSTER", "INFO"]).await?;
    let ok = field(&info, "cluster_state") == "ok";
    ok.then_some(()).ok_or_else(|| "the cluster is down".to_owned())
}

/// Has the node tell clients this port.
pub(super) async fn announce(node: &Address, port: u16) -> Answer<()> {
    let words = ["CONFIG", "SET", "cluster-announce-port", &port.to_string()];
    Connection::open(node).await?.command(&words).await.map(drop)
}

/// Makes a node known to another one, and by gossip to all that this one knows.
pub(super) async fn meet(node: &Address, other: &Address) -> Answer<()> {
    let bus = Connection::open(other).await?.command(&["CONFIG", "GET", "cluster-port"]).await?;
    let bus = bus.get(1).ok_or("it has no port for other nodes")?;
    let port = other.port.to_string();
    let words = ["CLUSTER", "MEET", &other.host, &port, bus];
    Connection::open(node).await?.command(&words).await.map(drop)
}

pub(super) async fn id(node: &Address) -> Answer<String> {
    Connection::open(node).await?.text(&["CLUSTER", "MYID"]).await
}

/// Makes a node the replica of the one with that id. Does nothing twice.
pub(super) async fn replicate(node: &Address, master: &str) -> Answer<()> {
    let mut connection = Connection::open(node).await?;
    let answer = connection.text(&["CLUSTER", "NODES"]).await?;
    if myself(&answer)?.master == master {
        return Ok(());
    }
    connection.command(&["CLUSTER", "REPLICATE", master]).await.map(drop)
}

/// Has the node begin to take the place of its master, if that is the one with this id.
pub(super) async fn take_over(node: &Address, master: &str) -> Answer<()> {
    let mut connection = Connection::open(node).await?;
    let answer = connection.text(&["CLUSTER", "NODES"]).await?;
    if myself(&answer)?.master != master {
        return Ok(());
    }
    connection.command(&["CLUSTER", "FAILOVER"]).await.map(drop)
}

/// The epoch of a node's claim to a key, if it has one and takes commands.
pub(super) async fn claim(node: &Address, key: &str) -> Answer<Option<u64>> {
    let mut connection = Connection::open(node).await?;
    let slot = connection.text(&["CLUSTER", "KEYSLOT", key]).await?;
    let slot = slot.parse().map_err(|_| "it does not know the key's slot")?;
    let info = connection.text(&["CLUSTER", "INFO"]).await?;
    let answer = connection.text(&["CLUSTER", "NODES"]).await?;
    let line = myself(&answer)?;
    let leads = field(&info, "cluster_state") == "ok" && line.is_master() && line.has(slot);
    Ok(leads.then_some(line.epoch))
}

/// Whether the node takes commands and sees all `count` nodes in their places, and has its data if
/// it is a replica.
pub(super) async fn check(node: &Address, count: usize) -> Answer<()> {
    let mut connection = Connection::open(node).await?;
    let info = connection.text(&["CLUSTER", "INFO"]).await?;
    if field(&info, "cluster_state") != "ok" {
        return Err("the cluster is down".to_owned());
    }
    slots::complete(&connection.text(&["CLUSTER", "NODES"]).await?, count)?;
    let info = connection.text(&["INFO", "replication"]).await?;
    let in_sync = field(&info, "role") == "master" || field(&info, "master_link_status") == "up";
    in_sync.then_some(()).ok_or_else(|| "it has no link to its master".to_owned())
}

fn myself(answer: &str) -> Answer<Line<'_>> {
    slots::lines(answer).find(Line::is_myself).ok_or_else(|| "it does not know itself".to_owned())
}
