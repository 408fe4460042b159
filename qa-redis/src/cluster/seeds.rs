//! Whom a cluster is asked about: the nodes that the URL names, and later those that are connected.

use super::commands::{Commands, known_commands};
use super::map::Map;
use super::state::View;
use crate::classify::classify;
use crate::majority::Majority;
use crate::node::Node;
use crate::options::Options;
use crate::place::Place;
use crate::server::Server;
use crate::session::Session;
use crate::tls::Tls;
use crate::way::{Route, Way};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use qa_resource_core::ErrorKind as Kind;
use redis::{Cmd, ErrorKind, ProtocolVersion, RedisError, RedisResult};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Limit for asking several of them.
const LIMIT: Duration = Duration::from_secs(2);

/// So many are asked at once: enough for a majority that is not one of the past.
const ASKED: usize = 5;

/// The nodes that the URL names, and how one is reached.
#[derive(Debug)]
pub(crate) struct Seeds {
    options: Options,
    tls: Option<Tls>,
}

/// What the first words with a cluster tell.
pub(super) struct First {
    pub(super) map: Map,
    pub(super) commands: Commands,
    pub(super) protocol: ProtocolVersion,
}

impl Seeds {
    pub(crate) fn new(options: Options, tls: Option<Tls>) -> Self {
        Self { options, tls }
    }

    pub(super) fn options(&self) -> &Options {
        &self.options
    }

    /// The resource, as the server knows it.
    pub(super) fn name(&self) -> &str {
        self.options.name.as_deref().unwrap_or_default()
    }

    pub(super) fn may_read_replicas(&self) -> bool {
        self.options.may_read_replicas()
    }

    pub(super) fn way_to(&self, place: Place) -> Way {
        let (options, tls) = (self.options.clone(), self.tls.clone());
        Way { options, tls, route: Route::Direct(place) }
    }

    /// Asks those that the URL names, all at once, for what a client has to know.
    pub(super) async fn first(&self) -> RedisResult<First> {
        let places = &self.options.places;
        let deadline = Instant::now() + LIMIT;
        let mut asked: FuturesUnordered<_> = places.iter().map(|place| self.meet(place)).collect();
        let (mut maps, mut errors) = (Majority::of(places.len()), Vec::new());
        let mut first = None;
        while let Ok(Some(answer)) = timeout_at(deadline, asked.next()).await {
            match answer {
                Ok((session, map)) => {
                    maps.count(map);
                    first.get_or_insert(session);
                    if maps.is_decided() {
                        break;
                    }
                }
                Err(error) => errors.push(error),
            }
        }
        let (Some(mut session), Some(map)) = (first, maps.most()) else {
            return Err(unheard(places, errors));
        };
        if map.shards.is_empty() {
            return Err(without_slots());
        }
        let commands = known_commands(&mut session).await?;
        Ok(First { map, commands, protocol: session.protocol })
    }

    /// What this node says of the cluster, over a session that is left for more.
    async fn meet(&self, place: &Place) -> Result<(Session, Map), (Place, RedisError)> {
        let met = async {
            let mut session = self.way_to(place.clone()).open(None).await?;
            let answer = slots().query_async(&mut session.connection).await?;
            Ok((session, Map::read(&answer, place)?))
        };
        met.await.map_err(|error| (place.clone(), error))
    }

    /// What most of those say that are connected, of some that are drawn; `None` where none of them
    /// says anything, or all say that nobody has any slot.
    pub(super) async fn map_of(&self, view: &View) -> Option<Map> {
        let mut live: Vec<_> = view.live().collect();
        fastrand::shuffle(&mut live);
        live.truncate(ASKED);
        let deadline = Instant::now() + LIMIT;
        let mut maps = Majority::of(live.len());
        let mut asked: FuturesUnordered<_> =
            live.into_iter().map(|node| ask(Arc::clone(node))).collect();
        while let Ok(Some(answer)) = timeout_at(deadline, asked.next()).await {
            if let Some(map) = answer {
                maps.count(map);
            }
            if maps.is_decided() {
                break;
            }
        }
        maps.most().filter(|map| !map.shards.is_empty())
    }
}

/// What a connected node says of the cluster.
async fn ask(node: Arc<Node>) -> Option<Map> {
    let mut server: Server = node.server()?;
    let answer = server.request(&slots()).await.ok()?;
    Map::read(&answer.extract_error().ok()?, &node.place).ok()
}

fn slots() -> Cmd {
    let mut command = redis::cmd("CLUSTER");
    command.arg("SLOTS");
    command
}

/// Where none of them said anything of use: the one reason, or all of them. A refusal that only
/// somebody can mend comes before a node that is away.
fn unheard(places: &[Place], mut errors: Vec<(Place, RedisError)>) -> RedisError {
    let is = |error: &RedisError, kinds: &[Kind]| kinds.contains(&classify(error).kind);
    if errors.iter().any(|(_, error)| is_no_cluster(error)) {
        let text = "it is no cluster; use the scheme redis for a single server";
        return (ErrorKind::InvalidClientConfig, text).into();
    }
    let to_mend = errors.iter().position(|(_, error)| is(error, &[Kind::Auth, Kind::Config]));
    if let Some(at) = to_mend.or((places.len() == 1 && errors.len() == 1).then_some(0)) {
        return errors.swap_remove(at).1;
    }
    let silent = places.len() - errors.len();
    let mut why: Vec<_> = errors.iter().map(|(place, error)| format!("{place}: {error}")).collect();
    if silent > 0 {
        why.push(format!("{silent} did not answer within {LIMIT:?}"));
    }
    let text = format!("none of {} nodes answered: {}", places.len(), why.join("; "));
    io::Error::new(io::ErrorKind::NotConnected, text).into()
}

fn is_no_cluster(error: &RedisError) -> bool {
    error.detail().is_some_and(|text| text.contains("cluster support disabled"))
}

fn without_slots() -> RedisError {
    let kind = ErrorKind::Server(redis::ServerErrorKind::ClusterDown);
    (kind, "no node of the cluster has any slots yet").into()
}
