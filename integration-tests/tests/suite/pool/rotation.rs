//! Logins that are changed under load, with an overlap in which the old and the new one are good.

use crate::behaviour::PATIENCE;
use integration_tests::rotation::{Mounted, Users};
use integration_tests::{
    ClickHouse, MongoDb, RabbitMq, Redis, Subject, eventually, reaches, servers,
};
use qa_pool::{Group, ResourcePool, State};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::interval;

/// A new login is used so soon after it was written.
const SOON: Duration = Duration::from_secs(5);

/// What is under way on the old connection ends within the limit of an operation.
const DRAINED: Duration = Duration::from_secs(15);

/// Two hundred operations a second, none of which may fail.
struct Load {
    done: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

impl Load {
    fn on<S: Subject>(group: &Group<S::Backend>) -> Self {
        let (done, over) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let mut tasks = JoinSet::new();
        for _ in 0..4 {
            let (group, done, over) = (group.clone(), Arc::clone(&done), Arc::clone(&over));
            tasks.spawn(async move {
                let mut ticks = interval(Duration::from_millis(20));
                while !over.load(Ordering::SeqCst) {
                    ticks.tick().await;
                    let number = done.fetch_add(1, Ordering::SeqCst);
                    assert_eq!(S::echo(&group, number).await.unwrap(), number);
                }
            });
        }
        Self { done, over, tasks }
    }

    async fn goes_on(&self) {
        let before = self.done.load(Ordering::SeqCst);
        let more = async || self.done.load(Ordering::SeqCst) > before + 200;
        eventually("two hundred operations more", PATIENCE, more).await;
    }

    async fn end(mut self) {
        self.over.store(true, Ordering::SeqCst);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
    }
}

/// From one user to another, by files, until the first is gone.
async fn a_login_is_rotated_by_files<S: Users>(name: &str) {
    let server = servers::shared(S::SYSTEM).await;
    let url = S::url(server, name).await;
    let (first, second) = (format!("{name}-first"), format!("{name}-second"));
    S::add_user(server, name, &first, "one").await;
    S::add_user(server, name, &second, "two").await;
    let mounted = Mounted::new(&first, "one");
    let pool = ResourcePool::from_config(&mounted.config(name, &url)).unwrap();
    pool.connect().await.unwrap();
    let group = pool.get::<S::Backend>(name).unwrap();
    let load = Load::on::<S>(&group);
    load.goes_on().await;
    let logged_in = async || S::connections_of(server, &first).await > 0;
    eventually("the server knows whose connections they are", PATIENCE, logged_in).await;

    mounted.write(&second, "two");
    let changes = pool.refresh().await;
    assert_eq!(changes.iter().count(), 1, "{changes}");
    let fresh = async || group.status()[0].generation == 2 && group.state() == State::Ready;
    eventually("the new login is used", SOON, fresh).await;
    load.goes_on().await;
    let drained = async || S::connections_of(server, &first).await == 0;
    eventually("the old ones are drained", DRAINED, drained).await;
    S::remove_user(server, &first).await;
    load.goes_on().await;
    load.end().await;
    assert_eq!(group.status()[0].generation, 2, "nothing was lost when the old user went");
    assert!(pool.refresh().await.is_empty(), "nothing changed since");
    let report = pool.close(PATIENCE).await;
    assert!(report.is_clean(), "{report}");
    S::remove_user(server, &second).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_rotates_a_login_under_load_and_no_operation_fails() {
    a_login_is_rotated_by_files::<Redis>("rotation-redis").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mongodb_rotates_a_login_under_load_and_no_operation_fails() {
    a_login_is_rotated_by_files::<MongoDb>("rotation-mongodb").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rabbitmq_rotates_a_login_under_load_and_no_operation_fails() {
    a_login_is_rotated_by_files::<RabbitMq>("rotation-rabbitmq").await;
}

/// The test's ClickHouse reads its users when it starts, so that the old and the new one are never
/// good at once: what can be promised is that the next connect has the new one.
#[tokio::test]
async fn clickhouse_takes_the_password_that_is_in_the_file_at_the_next_connect() {
    let mut server = crate::behaviour::to_break::<ClickHouse>().await;
    let old = server.password().to_owned();
    let mounted = Mounted::new(server.user(), &old);
    let pool = ResourcePool::from_config(&mounted.config("bars", &server.url())).unwrap();
    pool.connect().await.unwrap();
    let group = pool.get::<<ClickHouse as Subject>::Backend>("bars").unwrap();
    assert_eq!(ClickHouse::echo(&group, 1).await.unwrap(), 1);
    server.change_password("rotated").await.unwrap();
    mounted.write(server.user(), "rotated");
    pool.refresh().await;
    reaches(&group, State::Ready, PATIENCE).await;
    let answers = async || ClickHouse::echo(&group, 2).await.is_ok_and(|answer| answer == 2);
    eventually("it answers to the new one", PATIENCE, answers).await;
    server.change_password(&old).await.unwrap();
    assert!(pool.close(PATIENCE).await.is_clean());
}
