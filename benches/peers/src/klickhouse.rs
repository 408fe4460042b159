//! ClickHouse by its native protocol.

use crate::url::parts;
use crate::{Peer, count};
use ::klickhouse::{Client, ClientOptions, Date, Row};
use anyhow::{Result, bail, ensure};
use async_trait::async_trait;
use futures_util::{TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use std::time::Instant;

include!("../../shared/tick.rs");

/// The same words as ours.
const BARS: &str = "SELECT * FROM bars WHERE code < '000500' ORDER BY code, date";

/// Rows of a block.
const BLOCK: u64 = 50_000;

#[derive(Row)]
struct Bar {
    code: String,
    date: Date,
    open: f64,
    high: f64,
    low: f64,
    close: f64,
    volume: f64,
    amount: f64,
    factor: f64,
    pre_close: f64,
    turnover: f64,
}

pub(crate) struct Klickhouse(Client);

pub(crate) async fn connect(url: &str) -> Result<Klickhouse> {
    let url = parts(url)?;
    let options = ClientOptions {
        username: url.user.to_owned(),
        password: url.password.to_owned(),
        default_database: "default".to_owned(),
        // It knows no other method of compression, and servers have another by default.
        settings: [("network_compression_method".to_owned(), "LZ4".to_owned())].into(),
        ..ClientOptions::default()
    };
    Ok(Klickhouse(Client::connect((url.host, url.port), options).await?))
}

#[async_trait]
impl Peer for Klickhouse {
    async fn round(&mut self, words: &[&str]) -> Result<Vec<f64>> {
        match words.first() {
            Some(&"read") => self.read(count(words, 1)?).await,
            Some(&"insert") => self.insert(count(words, 1)?).await,
            _ => bail!("{words:?} is nothing to do"),
        }
    }
}

impl Klickhouse {
    async fn read(&self, rows: usize) -> Result<Vec<f64>> {
        let began = Instant::now();
        let bars = self.0.query::<Bar, _>(BARS).await?;
        let read = bars.try_fold(0, |count, _| async move { Ok(count + 1) }).await?;
        ensure!(read == rows, "{read} rows were read, of {rows}");
        Ok(vec![began.elapsed().as_secs_f64()])
    }

    async fn insert(&self, rows: usize) -> Result<Vec<f64>> {
        self.0.execute("TRUNCATE TABLE native").await?;
        let (began, rows) = (Instant::now(), u64::try_from(rows)?);
        let firsts = (0..rows).step_by(usize::try_from(BLOCK)?);
        let blocks = firsts.map(move |first| (first..rows.min(first + BLOCK)).map(tick).collect());
        let insert = "INSERT INTO native FORMAT native";
        self.0.insert_native::<Tick>(insert, stream::iter(blocks)).await?;
        let took = began.elapsed();
        let stored: u64 = self.count().await?;
        ensure!(stored == rows, "{stored} rows were stored, of {rows}");
        Ok(vec![took.as_secs_f64()])
    }

    async fn count(&self) -> Result<u64> {
        let count = self.0.query_one::<::klickhouse::UnitValue<u64>>("SELECT count() FROM native");
        Ok(count.await?.0)
    }
}
