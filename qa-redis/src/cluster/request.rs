//! One command: to whom it is for, and on to whom that has gone to.

use super::commands::Join;
use super::join::join;
use super::route::{Part, Route, route};
use super::state::View;
use super::{Cluster, away, nobody, nobody_has};
use crate::classify::classify;
use crate::node::Node;
use crate::place::Place;
use crate::server::Server;
use futures_util::future::join_all;
use qa_resource_core::{ErrorKind, Outcome};
use redis::{Cmd, Pipeline, RedisError, RedisResult, ServerError, Value};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// So often a command is sent on. More only comes of nodes that don't agree.
const HOPS: u32 = 5;

/// The pause before one that was refused is sent again.
pub(super) const PAUSE: Duration = Duration::from_millis(50);

/// What has to be done about an answer.
pub(super) enum Verdict {
    /// It is the answer.
    Done,
    /// Another node has the slot now.
    Moved(Place),
    /// Another node may have the key, and is to be asked this once.
    Ask(Place),
    /// It was not applied, and the cluster may be about to mend.
    Later,
}

/// To whom a command is sent next.
enum To {
    Slot,
    Node { node: Arc<Node>, asking: bool },
}

impl Cluster {
    /// The answer to one command.
    pub(crate) async fn request(&self, command: &Cmd) -> RedisResult<Value> {
        match route(command, &self.0.shared.commands) {
            Route::Slot { slot, reads_only } => self.to_slot(slot, reads_only, command).await,
            Route::Anybody => self.to_anybody(command).await,
            Route::EachMaster(how) => {
                self.to_each(&self.0.shared.view().masters, how, command).await
            }
            Route::EachNode(how) => {
                let view = self.0.shared.view();
                let replicas = view.replicas.iter().flatten().filter(|node| node.is_live());
                let nodes: Vec<_> = view.masters.iter().chain(replicas).cloned().collect();
                self.to_each(&nodes, how, command).await
            }
            Route::Parts(parts, how) => self.to_parts(parts, how).await,
        }
    }

    /// To who has the slot, wherever that goes.
    pub(super) async fn to_slot(
        &self,
        slot: u16,
        reads_only: bool,
        command: &Cmd,
    ) -> RedisResult<Value> {
        let shared = &self.0.shared;
        let deadline = Instant::now() + shared.seeds.options().node_wait();
        let (mut to, mut hops) = (To::Slot, 0);
        loop {
            let result = match &to {
                To::Slot => {
                    let mut server = self.reach_slot(slot, reads_only, deadline).await?;
                    server.request(command).await
                }
                // Who was not reached may not be in the map that came meanwhile: asked of the slot again.
                To::Node { node, asking } => match self.reach(node, deadline).await {
                    Ok(mut server) if *asking => ask(&mut server, command).await,
                    Ok(mut server) => server.request(command).await,
                    Err(not_reached) => Err(not_reached),
                },
            };
            to = match verdict(&result) {
                Verdict::Moved(place) if hops < HOPS => {
                    shared.look_again();
                    To::Node { node: shared.meet(&place), asking: false }
                }
                Verdict::Ask(place) if hops < HOPS => {
                    To::Node { node: shared.meet(&place), asking: true }
                }
                Verdict::Later if Instant::now() + PAUSE < deadline => {
                    shared.look_again();
                    sleep(PAUSE).await;
                    // It does not count: the deadline bounds it.
                    to = To::Slot;
                    continue;
                }
                _ => return result,
            };
            hops += 1;
        }
    }

    /// The server that is to have this, as soon as it is connected.
    pub(super) async fn reach_slot(
        &self,
        slot: u16,
        reads_only: bool,
        deadline: Instant,
    ) -> RedisResult<Server> {
        let shared = &self.0.shared;
        let reads_only = reads_only && shared.seeds.may_read_replicas();
        if let Some(server) = shared.view().server_of(slot, reads_only) {
            return Ok(server);
        }
        shared.look_again();
        let found = shared.until(|view| view.server_of(slot, reads_only));
        tokio::select! {
            biased;
            () = shared.stop.cancelled() => Err(crate::fate::gone()),
            _ = shared.fate.lost() => Err(crate::fate::gone()),
            found = timeout_at(deadline, found) => found.map_err(|_| {
                let view = shared.view();
                view.master_of(slot).map_or_else(|| nobody_has(slot), |node| not_connected(node))
            }),
        }
    }

    /// This node, as soon as it is connected. An error, with nothing sent, too where another map comes
    /// first that doesn't name it: after a failover, from a node that has not heard of it.
    pub(super) async fn reach(&self, node: &Arc<Node>, deadline: Instant) -> RedisResult<Server> {
        if let Some(server) = node.server() {
            return Ok(server);
        }
        let shared = &self.0.shared;
        let found = shared.until(|_| node.server());
        tokio::select! {
            biased;
            () = node.stop.cancelled() => Err(not_connected(node)),
            found = timeout_at(deadline, found) => found.map_err(|_| not_connected(node)),
        }
    }

    async fn to_anybody(&self, command: &Cmd) -> RedisResult<Value> {
        let mut masters = self.masters();
        if masters.is_empty() {
            return Err(nobody());
        }
        masters.swap_remove(fastrand::usize(..masters.len())).request(command).await
    }

    async fn to_each(&self, nodes: &[Arc<Node>], how: Join, command: &Cmd) -> RedisResult<Value> {
        let each = nodes.iter().map(|node| async move {
            let answer = match node.server() {
                Some(mut server) => server.request(command).await,
                None => Err(not_connected(node)),
            };
            (answer, Vec::new())
        });
        join(how, join_all(each).await)
    }

    async fn to_parts(&self, parts: Vec<Part>, how: Join) -> RedisResult<Value> {
        let each = parts.into_iter().map(|part| async move {
            let Part { slot, reads_only, command, places } = part;
            (self.to_slot(slot, reads_only, &command).await, places)
        });
        join(how, join_all(each).await)
    }
}

impl View {
    /// Who is connected and may answer: where it only reads and may be read from a replica, one of
    /// those first, in turns.
    fn server_of(&self, slot: u16, from_replica: bool) -> Option<Server> {
        static TURN: AtomicUsize = AtomicUsize::new(0);
        let shard = self.map.shard_of(slot)?;
        let master = || self.masters.get(shard).and_then(|master| master.server());
        if !from_replica {
            return master();
        }
        let replicas = self.replicas.get(shard).map(Vec::as_slice).unwrap_or_default();
        let turn = TURN.fetch_add(1, Ordering::Relaxed);
        let mut in_turn = (0..replicas.len()).map(|nth| &replicas[(turn + nth) % replicas.len()]);
        in_turn.find_map(|replica| replica.server()).or_else(master)
    }
}

/// What the answer asks for.
pub(super) fn verdict(result: &RedisResult<Value>) -> Verdict {
    match result {
        Ok(Value::ServerError(error)) => verdict_of(error),
        Ok(_) => Verdict::Done,
        Err(error) => verdict_of_error(error),
    }
}

pub(super) fn verdict_of_error(error: &RedisError) -> Verdict {
    if let Some(errors) = error.clone().into_server_errors() {
        return errors.first().map_or(Verdict::Done, |(_, refusal)| verdict_of(refusal));
    }
    // The connection was given up before it was sent.
    let class = classify(error);
    let unsent = class.kind == ErrorKind::Connect && class.outcome == Outcome::NotApplied;
    if unsent { Verdict::Later } else { Verdict::Done }
}

fn verdict_of(error: &ServerError) -> Verdict {
    let place = || redirected(error.details()?);
    match error.code() {
        "MOVED" => place().map_or(Verdict::Later, Verdict::Moved),
        "ASK" => place().map_or(Verdict::Later, Verdict::Ask),
        "TRYAGAIN" | "CLUSTERDOWN" | "LOADING" | "MASTERDOWN" => Verdict::Later,
        _ => Verdict::Done,
    }
}

/// Where a redirection points to: `3999 127.0.0.1:6381`. Without a host it is as good as a refusal.
fn redirected(details: &str) -> Option<Place> {
    let (_, address) = details.trim().split_once(' ')?;
    let (host, port) = address.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let place = Place { host: host.to_owned(), port: port.parse().ok()? };
    (!place.host.is_empty()).then_some(place)
}

/// Sends it with leave to ask a node that is about to have the slot.
async fn ask(server: &mut Server, command: &Cmd) -> RedisResult<Value> {
    let mut pipeline = Pipeline::with_capacity(2);
    pipeline.cmd("ASKING").add_command(command.clone());
    let mut answers = server.request_all(&pipeline, 0, 2).await?;
    answers.pop().ok_or_else(nobody)
}

fn not_connected(node: &Node) -> RedisError {
    match node.trouble() {
        Some(trouble) => away(&format!("{} is not connected ({trouble})", node.place)),
        None => away(&format!("{} is not connected", node.place)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirection_names_a_node() {
        let place = |text: &str| redirected(text).map(|place| place.to_string());
        assert_eq!(place("3999 127.0.0.1:6381").as_deref(), Some("127.0.0.1:6381"));
        assert_eq!(place("3999 ::1:6381").as_deref(), Some("[::1]:6381"));
        assert_eq!(place("3999 [::1]:6381").as_deref(), Some("[::1]:6381"));
        assert_eq!(place("3999 node.example:6381").as_deref(), Some("node.example:6381"));
        for text in ["", "3999", "3999 :6381", "3999 h", "3999 h:x", "3999 h:70000"] {
            assert_eq!(place(text), None, "{text}");
        }
    }

    #[test]
    fn only_what_was_not_applied_is_sent_again() {
        let said = |text: &str| redis::parse_redis_value(format!("-{text}\r\n").as_bytes());
        let verdict = |text: &str| verdict(&said(text));
        assert!(matches!(verdict("MOVED 1 h:1"), Verdict::Moved(_)));
        assert!(matches!(verdict("ASK 1 h:1"), Verdict::Ask(_)));
        assert!(matches!(verdict("MOVED 1 :1"), Verdict::Later));
        for text in ["CLUSTERDOWN The cluster is down", "TRYAGAIN x", "LOADING x"] {
            assert!(matches!(verdict(text), Verdict::Later), "{text}");
        }
        for text in ["ERR x", "WRONGTYPE x", "CROSSSLOT x", "NOPERM x"] {
            assert!(matches!(verdict(text), Verdict::Done), "{text}");
        }
        let io = |kind: std::io::ErrorKind| Err(std::io::Error::from(kind).into());
        assert!(matches!(super::verdict(&io(std::io::ErrorKind::NotConnected)), Verdict::Later));
        assert!(matches!(super::verdict(&io(std::io::ErrorKind::BrokenPipe)), Verdict::Done));
        assert!(matches!(super::verdict(&io(std::io::ErrorKind::TimedOut)), Verdict::Done));
    }
}
