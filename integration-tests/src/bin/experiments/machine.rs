//! What the figures are measured on.

use crate::run::Against;
use anyhow::{Context, Result};
use integration_tests::{ClickHouse, MongoDb, RabbitMq, Redis, Rig, Subject, servers};
use qa_pool::Settings;
use qa_servers::System;
use std::collections::BTreeMap;
use std::fs;
use std::thread::available_parallelism;
use time::OffsetDateTime;
use time::macros::format_description;

/// This day in UTC, as `2026-11-22`.
pub(crate) fn today() -> Result<String> {
    let day = format_description!("[year]-[month]-[day]");
    Ok(OffsetDateTime::now_utc().date().format(day)?)
}

/// Cores, memory, kernel, and how this program was built.
pub(crate) fn machine() -> Result<String> {
    let cores = available_parallelism()?;
    let memory = fs::read_to_string("/proc/meminfo")?;
    let kib = memory.split_whitespace().nth(1).and_then(|word| word.parse::<u64>().ok());
    let gib = kib.context("no total in /proc/meminfo")? / (1024 * 1024);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let kernel = kernel.split('-').next().unwrap_or_default().trim();
    let build = if cfg!(debug_assertions) { "debug build" } else { "release build" };
    Ok(format!("{cores} cores, {gib} GiB, Linux {kernel}, {build}"))
}

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

/// The version of a crate in the lock file.
fn locked(name: &str) -> &'static str {
    const LOCK: &str = include_str!("../../../../Cargo.lock");
    let entry = LOCK.split(&format!("name = \"{name}\"\nversion = \"")).nth(1);
    entry.and_then(|rest| rest.split('"').next()).unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_and_the_lock_file_can_be_read() {
        let machine = machine().unwrap();
        assert!(machine.contains("GiB") && !machine.starts_with('0'), "{machine}");
        assert!(locked("lapin").starts_with("4."), "{}", locked("lapin"));
        assert_eq!(today().unwrap().len(), 10);
    }
}
