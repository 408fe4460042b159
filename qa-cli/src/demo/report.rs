//! What the flow counted, and how fast it was.

use super::progress::Progress;
use super::publish::Published;
use crate::output::{heading, say, table};
use qa_pool::amqp::ConsumerStats;
use std::time::Duration;

/// What the flow counted.
pub(crate) struct Counts {
    /// Bars that the broker has confirmed.
    pub(crate) confirmed: usize,
    sent_again: usize,
    published_in: Duration,
    handled: u64,
    restarts: u64,
    stored: usize,
    stored_again: usize,
    signals: usize,
    took: Duration,
}

impl Counts {
    pub(crate) fn new(
        published: &Published,
        progress: &Progress,
        consumer: ConsumerStats,
        took: Duration,
    ) -> Self {
        Self {
            confirmed: published.confirmed,
            sent_again: published.again,
            published_in: published.took,
            handled: consumer.handled,
            restarts: consumer.restarts,
            stored: progress.stored_count(),
            stored_again: progress.stored_again(),
            signals: progress.signals(),
            took,
        }
    }

    pub(crate) fn print(&self) {
        heading("Throughput (the fault included)");
        let row = |what: &str, count: u64, took: Duration| {
            #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
            let rate = count as f64 / took.as_secs_f64();
            vec![
                what.to_owned(),
                count.to_string(),
                format!("{:.1}", took.as_secs_f64()),
                format!("{rate:.0}"),
            ]
        };
        let rows = [
            row("published and confirmed", self.confirmed as u64, self.published_in),
            row("consumed and acknowledged", self.handled, self.took),
            row("upserted into MongoDB, inserted into ClickHouse", self.stored as u64, self.took),
            row("signals set in Redis", self.signals as u64, self.took),
        ];
        say!("{}", table(&["what", "count", "seconds", "per second"], 1, rows));
        say!(
            "sent again: {} messages; stored again, over themselves: {} bars; restarts of the consumer: {}",
            self.sent_again,
            self.stored_again,
            self.restarts
        );
    }
}
