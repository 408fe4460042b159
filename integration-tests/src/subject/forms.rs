//! Other forms of the same backends: with TLS, under a sentinel, in a cluster or a replica set, as a group
//! of two. What is asked of the server is the same; how it is started and reached is not.

use super::{Lent, MongoDb, Reach, Redis, Subject};
use crate::servers::{self, Form};
use qa_pool::core::{Target, TlsSettings, async_trait};
use qa_pool::{Group, Result, mongo, redis};
use qa_servers::cluster::{MongoReplicaSet, RedisCluster, RedisSentinels};
use qa_servers::proxy::FaultProxy;
use qa_servers::{Server, System};
use std::marker::PhantomData;
use std::time::Duration;

/// A backend whose server speaks TLS, and whose client trusts nobody but who made its certificate.
#[derive(Debug)]
pub struct Tls<S>(PhantomData<S>);

#[async_trait]
impl<S: Subject> Subject for Tls<S> {
    type Backend = S::Backend;
    const SYSTEM: System = S::SYSTEM;
    const FORM: Form = Form::Tls;
    const CONNECTIONS: usize = S::CONNECTIONS;
    const MOST_CONNECTIONS: usize = S::MOST_CONNECTIONS;
    const A_CUT_IS_A_LOSS: bool = S::A_CUT_IS_A_LOSS;

    async fn url(server: &Server, name: &str) -> String {
        S::url(server, name).await
    }

    /// `MongoDB` says it in the query, where it matters to nobody who does not answer.
    fn scheme() -> String {
        let plain = S::scheme();
        if S::SYSTEM == System::MongoDb { plain } else { format!("{plain}s") }
    }

    async fn reach(server: &Server, way: Option<&FaultProxy>, name: &str) -> Reach {
        let mut reach = S::reach(server, way, name).await;
        let ca_file = Some(servers::authorities());
        reach.target.tls = TlsSettings { ca_file, ..TlsSettings::default() };
        reach
    }

    async fn ask(group: &Group<S::Backend>, number: u64) -> Result<u64> {
        S::ask(group, number).await
    }

    async fn echo(group: &Group<S::Backend>, number: u64) -> Result<u64> {
        S::echo(group, number).await
    }

    async fn occupy(group: &Group<S::Backend>, time: Duration) -> Result<()> {
        S::occupy(group, time).await
    }

    async fn version(server: &Server, group: &Group<S::Backend>) -> String {
        S::version(server, group).await
    }
}

/// A group of two members, which are the same server by two names: what becomes of it becomes of the whole
/// group. What becomes of a group of which one member is broken is for tests of their own.
#[derive(Debug)]
pub struct Twice<S>(PhantomData<S>);

#[async_trait]
impl<S: Subject> Subject for Twice<S> {
    type Backend = S::Backend;
    const SYSTEM: System = S::SYSTEM;
    const FORM: Form = S::FORM;
    const MEMBERS: usize = 2;
    const CONNECTIONS: usize = 2 * S::CONNECTIONS;
    const MOST_CONNECTIONS: usize = 2 * S::MOST_CONNECTIONS;
    const A_CUT_IS_A_LOSS: bool = S::A_CUT_IS_A_LOSS;

    async fn url(server: &Server, name: &str) -> String {
        S::url(server, name).await
    }

    fn scheme() -> String {
        S::scheme()
    }

    async fn reach(server: &Server, way: Option<&FaultProxy>, name: &str) -> Reach {
        let reach = S::reach(server, way, name).await;
        let port = way.map_or(server.port(), FaultProxy::port);
        let url = Self::url(server, name).await;
        let url = way.map_or(url.clone(), |proxy| proxy.url(&url));
        let host = format!("127.0.0.1:{port}");
        assert!(url.contains(&host), "a server of this machine");
        let twice = Reach::to(name, &url.replace(&host, &format!("{host},localhost:{port}")));
        Reach { target: Target { tls: reach.target.tls, ..twice.target }, guide: reach.guide }
    }

    async fn ask(group: &Group<S::Backend>, number: u64) -> Result<u64> {
        S::ask(group, number).await
    }

    async fn echo(group: &Group<S::Backend>, number: u64) -> Result<u64> {
        S::echo(group, number).await
    }

    async fn occupy(group: &Group<S::Backend>, time: Duration) -> Result<()> {
        S::occupy(group, time).await
    }

    async fn version(server: &Server, group: &Group<S::Backend>) -> String {
        S::version(server, group).await
    }
}

/// A Redis that a sentinel names, which is alone and so replaces it by nobody: a failover is for the
/// tests of a whole cluster.
#[derive(Debug)]
pub enum RedisUnderSentinel {}

#[async_trait]
impl Subject for RedisUnderSentinel {
    type Backend = redis::Redis;
    const SYSTEM: System = System::Redis;
    const CONNECTIONS: usize = Redis::CONNECTIONS;

    fn scheme() -> String {
        "redis-sentinel".to_owned()
    }

    async fn reach(server: &Server, way: Option<&FaultProxy>, name: &str) -> Reach {
        let port = way.map_or(server.port(), FaultProxy::port);
        let guide = RedisSentinels::lone(server, port).await.unwrap();
        let (user, password) = (server.user(), server.password());
        let (host, port) = (guide.host(), guide.port());
        let service = RedisSentinels::NAME_OF_LONE;
        let url = format!(
            "redis-sentinel://{user}:{password}@{host}:{port}/0?service={service}\
             &sentinel_user={user}&sentinel_password={password}"
        );
        Reach { guide: Some(guide), ..Reach::to(name, &url) }
    }

    async fn ask(group: &Group<redis::Redis>, number: u64) -> Result<u64> {
        Redis::ask(group, number).await
    }

    async fn echo(group: &Group<redis::Redis>, number: u64) -> Result<u64> {
        Redis::echo(group, number).await
    }

    async fn version(server: &Server, group: &Group<redis::Redis>) -> String {
        Redis::version(server, group).await
    }
}

/// A Redis that is all of a cluster, so that what becomes of it becomes of the cluster.
#[derive(Debug)]
pub enum RedisInCluster {}

#[async_trait]
impl Subject for RedisInCluster {
    type Backend = redis::Redis;
    const SYSTEM: System = System::Redis;
    const FORM: Form = Form::Cluster;
    const CONNECTIONS: usize = Redis::CONNECTIONS;

    fn scheme() -> String {
        "redis-cluster".to_owned()
    }

    async fn reach(server: &Server, way: Option<&FaultProxy>, name: &str) -> Reach {
        let port = way.map_or(server.port(), FaultProxy::port);
        RedisCluster::announce(server, port).await.unwrap();
        let (user, password, host) = (server.user(), server.password(), server.host());
        Reach::to(name, &format!("redis-cluster://{user}:{password}@{host}:{port}"))
    }

    /// A node tells everybody the same port.
    async fn to_proxy() -> Lent {
        Lent::Own(Box::new(RedisCluster::lone().await.unwrap()))
    }

    async fn ask(group: &Group<redis::Redis>, number: u64) -> Result<u64> {
        Redis::ask(group, number).await
    }

    async fn echo(group: &Group<redis::Redis>, number: u64) -> Result<u64> {
        Redis::echo(group, number).await
    }

    async fn version(server: &Server, group: &Group<redis::Redis>) -> String {
        Redis::version(server, group).await
    }
}

/// A MongoDB that is all of its replica set, so that what becomes of it becomes of the set.
///
/// The driver knows the set by its name and goes where the set says that its member is, which is how
/// services reach theirs; the plain form goes to one server and asks nobody. Of three members the loss of
/// one is none of the set's, whichever it was: the others answer. That every behaviour here begins with
/// a loss is therefore only true of a set of one; what a set of three does instead has tests of its own,
/// with `qa-mongo`.
#[derive(Debug)]
pub enum MongoDbReplicaSet {}

#[async_trait]
impl Subject for MongoDbReplicaSet {
    type Backend = mongo::MongoDb;
    const SYSTEM: System = System::MongoDb;
    const FORM: Form = Form::Cluster;
    const CONNECTIONS: usize = MongoDb::CONNECTIONS;
    const MOST_CONNECTIONS: usize = MongoDb::MOST_CONNECTIONS;
    const A_CUT_IS_A_LOSS: bool = MongoDb::A_CUT_IS_A_LOSS;

    async fn reach(server: &Server, way: Option<&FaultProxy>, name: &str) -> Reach {
        let port = way.map_or(server.port(), FaultProxy::port);
        MongoReplicaSet::announce(server, port).await.unwrap();
        Reach::to(name, &MongoReplicaSet::url_of_lone(server, port))
    }

    /// A set tells everybody the same port.
    async fn to_proxy() -> Lent {
        Lent::Own(Box::new(MongoReplicaSet::lone().await.unwrap()))
    }

    async fn ask(group: &Group<mongo::MongoDb>, number: u64) -> Result<u64> {
        MongoDb::ask(group, number).await
    }

    async fn echo(group: &Group<mongo::MongoDb>, number: u64) -> Result<u64> {
        MongoDb::echo(group, number).await
    }

    async fn version(server: &Server, group: &Group<mongo::MongoDb>) -> String {
        MongoDb::version(server, group).await
    }
}
