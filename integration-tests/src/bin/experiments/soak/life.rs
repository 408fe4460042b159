//! The load of one member, and its faults.

use super::Place;
use super::fault::break_at_random;
use super::ledger::End;
use crate::load::number;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use integration_tests::{ClickHouse, MongoDb, RabbitMq, Redis, Subject};
use qa_pool::{Group, ResourcePool};
use qa_servers::System;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout, timeout_at};

/// Operations per second.
const RATE: u32 = 50;

/// Twice the limit of an operation: what takes longer is stuck.
const STUCK: Duration = Duration::from_secs(20);

/// Asks one member of the pool until then, while it is broken again and again.
pub(super) async fn live(pool: &ResourcePool, place: &Arc<Place>, end: Instant, between: Duration) {
    let load = async {
        match place.server.system() {
            System::MongoDb => load::<MongoDb>(pool, place, end).await,
            System::RabbitMq => load::<RabbitMq>(pool, place, end).await,
            System::ClickHouse => load::<ClickHouse>(pool, place, end).await,
            System::Redis => load::<Redis>(pool, place, end).await,
        }
    };
    tokio::join!(break_at_random(place, end, between), load);
}

/// Asks at a steady rate, whatever becomes of it, and waits for what is under way in the end. All of
/// it in one task: what waits for an answer is not to be taken for a task that was left behind.
async fn load<S: Subject>(pool: &ResourcePool, place: &Arc<Place>, end: Instant) {
    let group: Group<S::Backend> = pool.get(place.name()).unwrap();
    let mut ticks = interval(Duration::from_secs(1) / RATE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut running = FuturesUnordered::new();
    loop {
        tokio::select! {
            due = timeout_at(end, ticks.tick()) => match due {
                Ok(due) => running.push(ask::<S>(&group, place, due)),
                Err(_) => break,
            },
            Some(()) = running.next() => {}
        }
    }
    running.collect::<()>().await;
}

async fn ask<S: Subject>(group: &Group<S::Backend>, place: &Place, due: Instant) {
    let number = number();
    let end = match timeout(STUCK, S::echo(group, number)).await {
        Err(_) => End::Stuck,
        Ok(Ok(answer)) if answer == number => End::Answered,
        Ok(Ok(_)) => End::Wrong,
        Ok(Err(error)) => End::Failed(error),
    };
    place.ledger.count(due, end);
}
