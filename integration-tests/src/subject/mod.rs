//! One backend as the behaviour suite sees it.

mod clickhouse;
mod forms;
mod mongodb;
mod rabbitmq;
mod redis;

pub use clickhouse::ClickHouse;
pub use forms::{MongoDbReplicaSet, RedisInCluster, RedisUnderSentinel, Tls, Twice};
pub use mongodb::MongoDb;
pub use rabbitmq::RabbitMq;
pub use redis::Redis;

use crate::servers::{self, Form};
use qa_pool::core::{Target, async_trait};
use qa_pool::{Backend, Group, Result};
use qa_servers::proxy::FaultProxy;
use qa_servers::{Server, System};
use std::ops::Deref;
use std::time::Duration;
use tokio::time::sleep;

/// A backend with a server that can be asked something: all that the suite needs to know to hold
/// it to every behaviour.
#[async_trait]
pub trait Subject: Send + Sync + 'static {
    /// The backend, as users know it.
    type Backend: Backend;

    /// The server that belongs to it.
    const SYSTEM: System;

    /// How that server is started.
    const FORM: Form = Form::Plain;

    /// How many members its groups have.
    const MEMBERS: usize = 1;

    /// The connections of a resource that nobody uses, once it is ready.
    const CONNECTIONS: usize;

    /// The most connections that stay open after a load, however many tasks made it.
    const MOST_CONNECTIONS: usize = Self::CONNECTIONS;

    /// Whether a cut connection is a loss. Where it is not, the client has a pool that replaces it,
    /// and the resource stays ready.
    const A_CUT_IS_A_LOSS: bool = true;

    /// The URL of a corner of the server where `name` is alone, where there are such.
    async fn url(server: &Server, name: &str) -> String {
        let _ = name;
        server.url()
    }

    /// The scheme of its URLs.
    #[must_use]
    fn scheme() -> String {
        Self::Backend::SYSTEM.replace("rabbitmq", "amqp")
    }

    /// What a client called `name` is told to reach the server, through the proxy if there is one on
    /// the way.
    async fn reach(server: &Server, way: Option<&FaultProxy>, name: &str) -> Reach {
        let url = Self::url(server, name).await;
        Reach::to(name, &way.map_or(url.clone(), |proxy| proxy.url(&url)))
    }

    /// A server for one test that puts a proxy before it.
    #[must_use]
    async fn to_proxy() -> Lent {
        Lent::Shared(servers::shared(servers::Kind::of::<Self>()).await)
    }

    /// Writes `number` to the server where it can, and reads it back: a question whose answer
    /// belongs to no other question.
    ///
    /// # Errors
    /// Those of the group.
    async fn ask(group: &Group<Self::Backend>, number: u64) -> Result<u64>;

    /// Has the server say `number`: as [`ask`](Self::ask), but it leaves nothing on the server and
    /// costs it little. For load, and for what may be dropped at any moment.
    ///
    /// # Errors
    /// Those of the group.
    async fn echo(group: &Group<Self::Backend>, number: u64) -> Result<u64>;

    /// Takes one of the places that a full server counts, for so long, and asks it something at the
    /// end. Default: a connection is a place, and the resource has it anyway.
    ///
    /// # Errors
    /// Those of the group.
    #[must_use = "it has the place only while it is awaited"]
    async fn occupy(group: &Group<Self::Backend>, time: Duration) -> Result<()> {
        sleep(time).await;
        Self::echo(group, 1).await.map(drop)
    }

    /// The version of the server, which `group` is connected to.
    ///
    /// # Panics
    /// Where it does not tell.
    async fn version(server: &Server, group: &Group<Self::Backend>) -> String;
}

/// What a client is told, and who has to be there that it finds what it is told of.
#[derive(Debug)]
pub struct Reach {
    /// What it is told.
    pub target: Target,
    /// Who names the server to it, where somebody does.
    pub guide: Option<Server>,
}

impl Reach {
    /// By this URL alone.
    ///
    /// # Panics
    /// Where it is none.
    #[must_use]
    pub fn to(name: &str, url: &str) -> Self {
        Self { target: Target::parse(name, url).unwrap(), guide: None }
    }
}

/// A server that others use too, or one's own.
#[derive(Debug)]
pub enum Lent {
    /// Nobody may break it.
    Shared(&'static Server),
    /// It goes with the test.
    Own(Box<Server>),
}

impl Deref for Lent {
    type Target = Server;

    fn deref(&self) -> &Server {
        match self {
            Self::Shared(server) => server,
            Self::Own(server) => server,
        }
    }
}
