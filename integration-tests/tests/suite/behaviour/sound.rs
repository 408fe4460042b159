//! With a server that is well.

use super::{PATIENCE, shared};
use futures_util::future::join_all;
use integration_tests::{Rig, Subject, reaches, within};
use qa_pool::{ErrorKind, Health, Settings, State};
use std::sync::Arc;

/// A connected rig on the shared server.
async fn connected<S: Subject>(name: &str) -> Rig<S> {
    Rig::connected_to(shared::<S>().await, name, Settings::default()).await
}

pub(crate) async fn connects_and_answers<S: Subject>() {
    let rig = connected::<S>("connects").await;
    let status = rig.status();
    assert_eq!((status.state, status.generation, status.leases), (State::Ready, 1, 0));
    assert_eq!((status.stats.connects, status.stats.connect_failures), (1, 0));
    assert!(rig.pool.is_ready());

    rig.use_it(41).await.unwrap();
    rig.echo(43).await.unwrap();
    let (name, reading) = rig.pool.health().await.remove(0);
    assert_eq!((name.as_str(), reading.health), ("connects", Health::Up));
    assert!(reading.latency.is_some(), "a ping was answered: {reading:?}");

    let group = rig.group.clone();
    rig.close().await;
    assert_eq!(group.state(), State::Closed);
    let error = S::ask(&group, 42).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
}

pub(crate) async fn close_waits_for_a_lease_and_refuses_new_ones<S: Subject>() {
    let rig = connected::<S>("waits").await;
    let lease = rig.group.acquire().await.unwrap();
    let (group, pool) = (rig.group.clone(), rig.pool.clone());
    let closing = tokio::spawn(async move { pool.close(PATIENCE).await });

    reaches(&group, State::Draining, PATIENCE).await;
    assert_eq!(group.try_acquire().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(group.acquire().await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(group.status().iter().map(|status| status.leases).sum::<usize>(), 1);
    assert!(!closing.is_finished(), "the lease is still out");

    drop(lease);
    let report = within("the close", PATIENCE, closing).await.unwrap();
    assert!(report.is_clean(), "{report}");
    assert_eq!(group.state(), State::Closed);
}

pub(crate) async fn a_hundred_tasks_share_one_client<S: Subject>() {
    const TASKS: u64 = 100;
    const QUESTIONS: u64 = 5;
    let rig = Arc::new(connected::<S>("hundred").await);
    let tasks = (0..TASKS).map(|task| {
        let rig = Arc::clone(&rig);
        tokio::spawn(async move {
            for question in 0..QUESTIONS {
                rig.use_it(1 + task * QUESTIONS + question).await.unwrap();
            }
        })
    });
    for task in join_all(tasks).await {
        task.unwrap();
    }
    let status = rig.status();
    assert_eq!((status.generation, status.stats.disconnects), (1, 0), "one connection");
    assert_eq!((status.stats.errors, status.stats.retries), (0, 0));
    assert!(status.stats.operations >= TASKS * QUESTIONS, "{:?}", status.stats);
    Arc::into_inner(rig).unwrap().close().await;
}
