//! What is written and read, the same for all.

use super::{account, bars};
use anyhow::Result;
use mongodb::Database;
use mongodb::bson::{Document, doc};
use qa_mongo::market::{self, DayBar, MinuteBar, QifiAccount};
use qa_mongo::{BulkOptions, ensure_unique_index, mongodb};
use std::time::Duration;

const STOCKS: u32 = 5_000;
/// Of a year.
const DAYS: u32 = 250;
/// Stocks whose year is read.
const READ: u32 = 500;
pub(super) const WORKERS: u32 = 8;
const MINUTES: u32 = 20_800;
const ACCOUNTS: u32 = 100;
/// For whatever has to end, on a busy machine as well.
pub(super) const LIMIT: Duration = Duration::from_secs(300);
/// Documents in one command, and in one answer.
pub(super) const CHUNK: usize = 1_000;
pub(super) const BATCH: u32 = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Workload {
    /// W1: the evening's daily bars, upserted, and once more as after a kill.
    Kline,
    /// W2: minutes inserted by several workers, in no order.
    Minutes,
    /// W3: the latest price of every stock, upserted.
    Snapshot,
    /// W4: a year of days of many stocks, read.
    Range,
    /// W5: accounts upserted, all at once, each with a line of history.
    Accounts,
}

impl Workload {
    pub(super) const ALL: [Self; 5] =
        [Self::Kline, Self::Minutes, Self::Snapshot, Self::Range, Self::Accounts];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Kline => "kline",
            Self::Minutes => "minutes",
            Self::Snapshot => "snapshot",
            Self::Range => "range",
            Self::Accounts => "accounts",
        }
    }

    /// What is done, in words.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Kline => "W1 daily bars of 5,000 stocks, upserted, twice",
            Self::Minutes => "W2 minutes, inserted by 8 workers, 20,800 each",
            Self::Snapshot => "W3 prices of 5,000 stocks, upserted",
            Self::Range => "W4 daily bars of 500 stocks and a year, read",
            Self::Accounts => "W5 100 accounts of 22 KB, upserted, with a line of history each",
        }
    }

    /// Has a round find what the one before it found.
    pub(super) async fn reset(self, database: &Database) -> Result<()> {
        let emptied = match self {
            Self::Kline => "stock_day",
            Self::Minutes => "stock_min",
            Self::Snapshot | Self::Range | Self::Accounts => return Ok(()),
        };
        let emptied = database.collection::<Document>(emptied);
        emptied.drop().await?;
        if self == Self::Kline {
            ensure_unique_index(&emptied, &["code", "date"], LIMIT).await?;
        }
        Ok(())
    }
}

/// What a workload is about; what it does not need is empty.
#[derive(Default)]
pub(super) struct Data {
    pub(super) days: Vec<DayBar>,
    /// For each worker.
    pub(super) minutes: Vec<Vec<MinuteBar>>,
    pub(super) quotes: Vec<Document>,
    pub(super) codes: Vec<String>,
    pub(super) accounts: Vec<QifiAccount>,
}

impl Data {
    pub(super) fn new(workload: Workload, scale: f64) -> Self {
        let scaled = |count| scaled(count, scale);
        let mut data = Self::default();
        match workload {
            Workload::Kline => {
                let days = |stock: u32| (0..=stock % 5).map(move |day| bars::day(stock, day));
                data.days = (0..scaled(STOCKS)).flat_map(days).collect();
            }
            Workload::Minutes => {
                let of = |stock| (0..scaled(MINUTES)).map(|at| bars::minute(stock, at)).collect();
                data.minutes = (0..WORKERS).map(of).collect();
            }
            Workload::Snapshot => {
                let quote = |stock| doc! { "code": bars::code(stock), "price": 10.0, "second": 1 };
                data.quotes = (0..scaled(STOCKS)).map(quote).collect();
            }
            Workload::Range => {
                let of = |stock| (0..scaled(DAYS)).map(move |day| bars::day(stock, day));
                data.days = (0..scaled(READ)).flat_map(of).collect();
                data.codes = (0..scaled(READ)).map(bars::code).collect();
            }
            Workload::Accounts => {
                let of = |at| account::account(at, 0, account::ORDERS);
                data.accounts = (0..scaled(ACCOUNTS)).map(of).collect();
            }
        }
        data
    }

    /// The documents of a round.
    pub(super) fn documents(&self, workload: Workload) -> usize {
        match workload {
            Workload::Kline => 2 * self.days.len(),
            Workload::Minutes => self.minutes.iter().map(Vec::len).sum(),
            Workload::Snapshot => self.quotes.len(),
            Workload::Range => self.days.len(),
            Workload::Accounts => 2 * self.accounts.len(),
        }
    }

    /// What the range's query asks for.
    pub(super) fn year(&self) -> Document {
        let codes: Vec<_> = self.codes.iter().map(String::as_str).collect();
        DayBar::between(&codes, &bars::date(0), &bars::date(DAYS))
    }

    /// Stores what is there before the first round.
    pub(super) async fn prepare(&self, workload: Workload, database: &Database) -> Result<()> {
        let client = database.client();
        match workload {
            Workload::Kline | Workload::Minutes => {}
            Workload::Snapshot => {
                let realtime = database.collection::<Document>("realtime");
                ensure_unique_index(&realtime, &["code"], LIMIT).await?;
            }
            Workload::Range => {
                market::ensure_indexes::<DayBar>(client, LIMIT).await?;
                market::upsert(client, &self.days, &BulkOptions::default()).await?;
            }
            Workload::Accounts => market::ensure_indexes::<QifiAccount>(client, LIMIT).await?,
        }
        Ok(())
    }
}

/// So many at this scale, but at least one.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
fn scaled(count: u32, scale: f64) -> u32 {
    (f64::from(count) * scale).round().max(1.0) as u32
}
