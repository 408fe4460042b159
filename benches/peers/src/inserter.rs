//! ClickHouse: the driver's own way to cut a stream of rows into inserts.

use crate::url::parts;
use crate::{Peer, count};
use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use clickhouse::{Client, Row};
use serde::{Deserialize, Serialize};
use std::time::Instant;

include!("../../shared/tick.rs");

const TABLE: &str = "ticks_inserter";

/// Rows of one insert.
const BATCH: u64 = 50_000;

pub(crate) struct Inserter(Client);

impl Inserter {
    pub(crate) fn new(url: &str) -> Result<Self> {
        let url = parts(url)?;
        let client = Client::default().with_url(format!("http://{}:{}", url.host, url.port));
        let client = client.with_user(url.user).with_password(url.password);
        Ok(Self(client.with_database(url.path)))
    }

    async fn truncate(&self) -> Result<()> {
        Ok(self.0.query(&format!("TRUNCATE TABLE {TABLE}")).execute().await?)
    }
}

#[async_trait]
impl Peer for Inserter {
    async fn round(&mut self, words: &[&str]) -> Result<Vec<f64>> {
        ensure!(words.first() == Some(&"insert"), "{words:?} is nothing to do");
        let rows = u64::try_from(count(words, 1)?)?;
        self.truncate().await?;
        let began = Instant::now();
        let mut inserter = self.0.inserter::<Tick>(TABLE).with_max_rows(BATCH);
        for number in 0..rows {
            inserter.write(&tick(number)).await?;
            inserter.commit().await?;
        }
        inserter.end().await?;
        let took = began.elapsed();
        let count = format!("SELECT count() FROM {TABLE}");
        let stored: u64 = self.0.query(&count).fetch_one().await?;
        ensure!(stored == rows, "{stored} rows were stored, of {rows}");
        self.truncate().await?;
        Ok(vec![took.as_secs_f64(), peak()?])
    }
}

/// The most memory that this process had at any time, in MiB.
fn peak() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).context("no VmHWM")?;
    Ok(kib.parse::<f64>()? / 1024.0)
}
