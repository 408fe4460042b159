//! Tables of market data, as they are best kept.

use crate::ClickHouse;
use qa_resource_core::{Error, ErrorKind, Group, Result};

/// How a table is cut into partitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Partition {
    /// One for each day, for what is dropped or exchanged by the day: ticks.
    Day,
    /// One for each month: for what is kept for years, and for few rows a day.
    #[default]
    Month,
}

/// A table of bars or ticks, made where it's missing.
///
/// A `ReplacingMergeTree` ordered by code and time: a row that comes again replaces the one before it,
/// in time, or at once in a query with `FINAL`. It keeps track of the last thousand batches, so that a
/// [`Batcher`](crate::Batcher) that has to insert one again does so once.
///
/// An insert into more than a hundred partitions is refused by the server; a batcher then halves its
/// batch until each half fits, so history in the order of time, with fewer partitions in a batch, is
/// inserted faster than in the order of codes.
///
/// ```no_run
/// use qa_clickhouse::{ClickHouse, Partition, Table};
/// use qa_resource_core::Group;
///
/// # async fn example(group: Group<ClickHouse>) -> qa_resource_core::Result<()> {
/// Table::bars("stock_min").partition(Partition::Month).create(&group).await?;
/// Table::ticks("stock_tick").create(&group).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    name: String,
    columns: Vec<(String, String)>,
    partition: Partition,
    window: u32,
}

/// Levels of the book in a tick.
const LEVELS: usize = 5;

impl Table {
    /// Bars: `code`, `time` (to the second), `open`, `high`, `low`, `close`, `volume`, `amount`; by
    /// month.
    #[must_use]
    pub fn bars(name: impl Into<String>) -> Self {
        let figures = ["open", "high", "low", "close", "volume", "amount"];
        Self::new(name, "DateTime('Asia/Shanghai')", &figures, Partition::Month)
    }

    /// Ticks of 33 columns: `code`, `time` (to the millisecond), `price`, `open`, `high`, `low`,
    /// `pre_close`, `volume`, `amount`, `open_interest`, `upper_limit`, `lower_limit`, `trades`, and the
    /// five best bids and asks (`bid_price1`, `bid_volume1`, `ask_price1`, `ask_volume1`, …); by day.
    #[must_use]
    pub fn ticks(name: impl Into<String>) -> Self {
        let figures = [
            "price",
            "open",
            "high",
            "low",
            "pre_close",
            "volume",
            "amount",
            "open_interest",
            "upper_limit",
            "lower_limit",
            "trades",
        ];
        let mut table = Self::new(name, "DateTime64(3, 'Asia/Shanghai')", &figures, Partition::Day);
        for level in 1..=LEVELS {
            for side in ["bid_price", "bid_volume", "ask_price", "ask_volume"] {
                table.columns.push((format!("{side}{level}"), "Float64".to_owned()));
            }
        }
        table
    }

    fn new(name: impl Into<String>, time: &str, figures: &[&str], partition: Partition) -> Self {
        let owned = |(name, kind): (&str, &str)| (name.to_owned(), kind.to_owned());
        let key = [("code", "LowCardinality(String)"), ("time", time)];
        let figures = figures.iter().map(|name| (*name, "Float64"));
        let columns = key.into_iter().chain(figures).map(owned).collect();
        Self { name: name.into(), columns, partition, window: 1000 }
    }

    /// With another column, at the end. The type is ClickHouse's, such as `Nullable(Decimal(18, 4))`.
    #[must_use]
    pub fn column(mut self, name: impl Into<String>, kind: impl Into<String>) -> Self {
        self.columns.push((name.into(), kind.into()));
        self
    }

    /// Cut in another way.
    #[must_use]
    pub fn partition(mut self, partition: Partition) -> Self {
        self.partition = partition;
        self
    }

    /// So many batches are kept track of. Default: 1,000.
    #[must_use]
    pub fn window(mut self, batches: u32) -> Self {
        self.window = batches;
        self
    }

    /// The names of its columns, in order.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|(name, _)| name.as_str())
    }

    /// The statement that makes it.
    ///
    /// # Errors
    /// `Config`: a name that is not letters, digits and underscores. Names are not values that a server
    /// binds, so no others are let through.
    pub fn statement(&self) -> Result<String> {
        let mut names = self.columns().chain([self.name.as_str()]);
        if let Some(name) = names.find(|name| !is_plain(name)) {
            let message = format!("`{name}` is no name of letters, digits and underscores");
            return Err(Error::new(ErrorKind::Config, self.name.as_str(), message));
        }
        let columns: Vec<_> =
            self.columns.iter().map(|(name, kind)| format!("`{name}` {kind}")).collect();
        let cut = match self.partition {
            Partition::Day => "toYYYYMMDD(time)",
            Partition::Month => "toYYYYMM(time)",
        };
        Ok(format!(
            "CREATE TABLE IF NOT EXISTS `{}` ({}) ENGINE = ReplacingMergeTree PARTITION BY {cut} ORDER BY (code, time) SETTINGS non_replicated_deduplication_window = {}",
            self.name,
            columns.join(", "),
            self.window,
        ))
    }

    /// Makes it, where it's missing. One that is there stays as it is.
    ///
    /// # Errors
    /// As [`statement`](Self::statement), and as [`Group::run_idempotent`].
    ///
    /// # Cancel safety
    /// It may have been made where this is dropped.
    pub async fn create(&self, group: &Group<ClickHouse>) -> Result<()> {
        let statement = self.statement()?;
        let statement = statement.as_str();
        group
            .run_idempotent(|lease| async move { lease.query_raw(statement).execute().await })
            .await
    }
}

fn is_plain(name: &str) -> bool {
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statement_says_how_it_is_cut_and_ordered() {
        let bars = Table::bars("day").column("factor", "Nullable(Decimal(18, 4))");
        let statement = bars.window(5).statement().unwrap();
        let expected = "CREATE TABLE IF NOT EXISTS `day` (`code` LowCardinality(String), `time` DateTime('Asia/Shanghai'), `open` Float64, `high` Float64, `low` Float64, `close` Float64, `volume` Float64, `amount` Float64, `factor` Nullable(Decimal(18, 4))) ENGINE = ReplacingMergeTree PARTITION BY toYYYYMM(time) ORDER BY (code, time) SETTINGS non_replicated_deduplication_window = 5";
        assert_eq!(statement, expected);
        let ticks = Table::ticks("tick");
        assert_eq!(ticks.columns().count(), 33);
        assert!(ticks.statement().unwrap().contains("PARTITION BY toYYYYMMDD(time)"));
    }

    #[test]
    fn names_that_are_more_than_names_are_refused() {
        for name in ["", "a b", "x`; DROP TABLE y; --", "1day", "db.table"] {
            assert_eq!(
                Table::bars(name).statement().unwrap_err().kind(),
                ErrorKind::Config,
                "{name}"
            );
        }
        assert!(Table::bars("fine").column("no`t", "Float64").statement().is_err());
    }
}
