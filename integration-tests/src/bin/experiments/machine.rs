//! The versions of what the figures are measured on.

use crate::host::locked;
use crate::run::Against;
use integration_tests::{ClickHouse, MongoDb, RabbitMq, Redis, Rig, Subject, servers};
use qa_pool::Settings;
use qa_servers::System;
use std::collections::BTreeMap;

/// The versions of the library, the servers and the drivers, by what a run is against.
pub(crate) struct Versions {
    of: BTreeMap<&'static str, String>,
}

impl Versions {
    /// Asks the shared servers.
    pub(crate) async fn ask() -> Self {
        let of = [
            (System::MongoDb.name(), ask::<MongoDb>("mongodb").await),
            (System::RabbitMq.name(), ask::<RabbitMq>("lapin").await),
            (System::ClickHouse.name(), ask::<ClickHouse>("clickhouse").await),
            (System::Redis.name(), ask::<Redis>("redis").await),
        ];
        Self { of: of.into() }
    }

    /// The versions that matter to a run.
    pub(crate) fn of(&self, against: Against) -> String {
        let library = format!("qa-resource {}", env!("CARGO_PKG_VERSION"));
        let name = match against {
            Against::MongodbSet => Against::Mongodb.name(),
            Against::RabbitmqCluster => Against::Rabbitmq.name(),
            Against::RedisSentinels | Against::RedisCluster => Against::Redis.name(),
            other => other.name(),
        };
        match (against, self.of.get(name)) {
            (_, Some(own)) => format!("{library}, {own}"),
            (Against::Pool, None) => {
                let all: Vec<_> = self.of.values().cloned().collect();
                format!("{library}, {}", all.join(", "))
            }
            (_, None) => library,
        }
    }
}

/// The server's version, and the driver's.
async fn ask<S: Subject>(driver: &str) -> String {
    let server = servers::shared(S::SYSTEM).await;
    let url = S::url(server, "versions").await;
    let rig = Rig::<S>::connected("versions", &url, Settings::default()).await;
    let version = S::version(server, &rig.group).await;
    rig.close().await;
    format!("{} {version} (crate {driver} {})", S::SYSTEM, locked(driver))
}
