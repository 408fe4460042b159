//! The servers that the demo starts for itself, breaks, and removes.

use crate::cli::Break;
use crate::output::say;
use anyhow::Context;
use futures_util::future::join_all;
use qa_servers::{Server, System};
use std::sync::Arc;
use std::time::Instant;

/// Four servers of the demo's own, or none where the user's are used.
pub(crate) struct Servers(Vec<Server>);

impl Servers {
    pub(crate) fn none() -> Self {
        Self(Vec::new())
    }

    /// Starts all four at once, and says how each is had.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        say!("starting MongoDB, RabbitMQ, ClickHouse and Redis; RabbitMQ takes its time");
        let starts = System::ALL.into_iter().map(|system| async move {
            let began = Instant::now();
            let server = Server::start_owned(system).await?;
            say!(
                "  {system:<10} {:<9} port {:<5} up in {:.1?}",
                server.provider(),
                server.port(),
                began.elapsed()
            );
            Ok::<_, qa_servers::Error>(server)
        });
        let (mut servers, mut failed) = (Vec::new(), None);
        for started in join_all(starts).await {
            match started {
                Ok(server) => servers.push(server),
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            None => Ok(Self(servers)),
            Some(error) => {
                Self::remove(Arc::new(Self(servers))).await;
                Err(error).context("cannot start the servers")
            }
        }
    }

    pub(crate) fn of(&self, system: System) -> anyhow::Result<&Server> {
        self.0
            .iter()
            .find(|server| server.system() == system)
            .with_context(|| format!("there is no {system} server"))
    }

    /// Ends them all and removes their data.
    pub(crate) async fn remove(servers: Arc<Self>) {
        if let Some(Self(servers)) = Arc::into_inner(servers) {
            join_all(servers.into_iter().map(Server::remove)).await;
        }
    }
}

/// The system that is to be broken.
pub(crate) fn system_of(breaks: Break) -> Option<System> {
    match breaks {
        Break::Rabbitmq => Some(System::RabbitMq),
        Break::Mongo => Some(System::MongoDb),
        Break::Clickhouse => Some(System::ClickHouse),
        Break::Redis => Some(System::Redis),
        Break::None => None,
    }
}
