//! Every state change of every resource: who, when, how long, why.

use super::connections::Connections;
use crate::output::{heading, say, table};
use qa_pool::core::{Transition, Watch};
use qa_pool::{Backend, Group, State};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// A cause is cut here, so that a line stays a line.
const CAUSE_WIDTH: usize = 70;

type Log = Arc<Mutex<Vec<(Duration, Transition)>>>;

/// Follows the resources for as long as it is kept.
pub(crate) struct Timeline {
    log: Log,
    _watchers: JoinSet<()>,
}

impl Timeline {
    pub(crate) fn follow(connections: &Connections, began: Instant) -> Self {
        let (log, mut watchers) = (Log::default(), JoinSet::new());
        watchers.spawn(record(watch(&connections.mongo), log.clone(), began));
        watchers.spawn(record(watch(&connections.amqp), log.clone(), began));
        watchers.spawn(record(watch(&connections.clickhouse), log.clone(), began));
        watchers.spawn(record(watch(&connections.redis), log.clone(), began));
        Self { log, _watchers: watchers }
    }

    pub(crate) fn print(&self) {
        heading("State changes");
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = log.iter().map(|(at, change)| {
            vec![
                format!("{:.2}", at.as_secs_f64()),
                change.resource.to_string(),
                change.to.to_string(),
                what(change),
            ]
        });
        say!("{}", table(&["at (s)", "who", "is", "after"], usize::MAX, rows));
    }
}

fn watch<B: Backend>(group: &Group<B>) -> Watch<B> {
    group.watch()
}

async fn record<B: Backend>(mut watch: Watch<B>, log: Log, began: Instant) {
    while let Some(transition) = watch.next().await {
        log.lock().unwrap_or_else(PoisonError::into_inner).push((began.elapsed(), transition));
    }
}

fn what(change: &Transition) -> String {
    let took = change.in_previous;
    match (change.from, change.to) {
        (State::Connecting, State::Ready) => format!("connected in {took:.1?}"),
        (State::Reconnecting, State::Ready) => format!("back after {took:.1?}"),
        _ => change.cause.as_ref().map_or_else(String::new, |cause| cut(cause.message())),
    }
}

fn cut(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= CAUSE_WIDTH {
        return line.to_owned();
    }
    line.chars().take(CAUSE_WIDTH - 1).chain(['…']).collect()
}
