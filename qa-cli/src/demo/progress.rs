//! How far the flow is: counted, shown, waited for.

use super::bars::Bar;
use crate::output::say;
use anyhow::bail;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// The flow has failed where nothing at all is stored for this long.
const STALL: Duration = Duration::from_secs(120);

/// The counts of a running flow. Cheap to clone; all clones count together.
#[derive(Clone)]
pub(crate) struct Progress(Arc<Inner>);

struct Inner {
    all: usize,
    confirmed: watch::Sender<usize>,
    stored: watch::Sender<usize>,
    keys: Mutex<HashSet<String>>,
    again: AtomicUsize,
    signals: AtomicUsize,
    bar: ProgressBar,
    plain: bool,
}

impl Progress {
    pub(crate) fn new(all: usize) -> Self {
        let bar = ProgressBar::with_draw_target(Some(all as u64), ProgressDrawTarget::stdout());
        if let Ok(style) = ProgressStyle::with_template(
            "  {bar:40} {pos}/{len} stored, {msg} confirmed, {elapsed}",
        ) {
            bar.set_style(style);
        }
        let plain = bar.is_hidden();
        Self(Arc::new(Inner {
            all,
            confirmed: watch::Sender::new(0),
            stored: watch::Sender::new(0),
            keys: Mutex::default(),
            again: AtomicUsize::new(0),
            signals: AtomicUsize::new(0),
            bar,
            plain,
        }))
    }

    pub(crate) fn confirmed(&self) {
        self.0.confirmed.send_modify(|confirmed| *confirmed += 1);
        self.0.bar.set_message(self.0.confirmed.borrow().to_string());
    }

    /// These bars are in MongoDB and in ClickHouse.
    pub(crate) fn stored(&self, bars: &[Bar]) {
        let mut keys = self.0.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = bars.iter().filter(|bar| keys.insert(bar.key())).count();
        drop(keys);
        self.0.again.fetch_add(bars.len() - fresh, Ordering::Relaxed);
        let before = self.stored_count();
        self.0.stored.send_modify(|stored| *stored += fresh);
        self.0.bar.inc(fresh as u64);
        self.say(before);
    }

    /// Where there is no terminal, a line at each tenth.
    fn say(&self, before: usize) {
        let (now, all) = (self.stored_count(), self.0.all);
        if self.0.plain && before * 10 / all != now * 10 / all {
            say!("  {now}/{all} stored, {} confirmed", *self.0.confirmed.borrow());
        }
    }

    pub(crate) fn signalled(&self, count: usize) {
        self.0.signals.fetch_add(count, Ordering::Relaxed);
    }

    /// A line that does not disturb the bar.
    pub(crate) fn tell(&self, line: &str) {
        if self.0.plain {
            say!("  {line}");
        } else {
            self.0.bar.println(format!("  {line}"));
        }
    }

    pub(crate) fn finish(&self) {
        self.0.bar.finish();
    }

    pub(crate) fn stored_count(&self) -> usize {
        *self.0.stored.borrow()
    }

    /// Bars that were stored more than once, because they were delivered more than once.
    pub(crate) fn stored_again(&self) -> usize {
        self.0.again.load(Ordering::Relaxed)
    }

    pub(crate) fn signals(&self) -> usize {
        self.0.signals.load(Ordering::Relaxed)
    }

    /// Waits until half of all bars are confirmed.
    pub(crate) async fn until_half_confirmed(&self) {
        let half = self.0.all / 2;
        // The sender lives as long as this does.
        let _ = self.0.confirmed.subscribe().wait_for(|confirmed| *confirmed >= half).await;
    }

    /// Waits until every bar is stored.
    ///
    /// # Errors
    /// Nothing was stored or confirmed for [`STALL`].
    pub(crate) async fn until_all_stored(&self) -> anyhow::Result<()> {
        let (mut stored, mut confirmed) = (self.0.stored.subscribe(), self.0.confirmed.subscribe());
        while *stored.borrow_and_update() < self.0.all {
            let moved = async {
                tokio::select! {
                    _ = stored.changed() => {}
                    _ = confirmed.changed() => {}
                }
            };
            if timeout(STALL, moved).await.is_err() {
                bail!(
                    "{} of {} bars are stored, and nothing has moved for {STALL:?}",
                    self.stored_count(),
                    self.0.all
                );
            }
        }
        Ok(())
    }
}
