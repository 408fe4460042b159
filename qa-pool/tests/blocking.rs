//! The pool from code that is not async, on real servers.
#![cfg(all(feature = "blocking", feature = "mongo", feature = "redis"))]

use futures_util::stream;
use qa_pool::blocking::{CLOSE_ON_DROP, Group, ResourcePool};
use qa_pool::core::Resource;
use qa_pool::mongo::MongoDb;
use qa_pool::mongo::mongodb::bson::{Document, doc};
use qa_pool::redis::Redis;
use qa_pool::redis::redis::AsyncTypedCommands;
use qa_pool::{Config, Error, ErrorKind, Outcome, Settings, State};
use qa_servers::testing::{connections, eventually};
use qa_servers::{Server, System};
use std::future::pending;
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

/// For what takes a moment, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(30);
/// Beyond its limit a drop may take this: a thread is started and a runtime ends.
const SLACK: Duration = Duration::from_millis(500);

/// A server, and the runtime of who looks after it.
struct World {
    runtime: Runtime,
    server: Option<Server>,
}

impl World {
    fn with(system: System) -> Self {
        let runtime = Runtime::new().unwrap();
        let server = runtime.block_on(Server::start_owned(system)).unwrap();
        Self { runtime, server: Some(server) }
    }

    fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    /// A pool that is connected to it.
    fn pool(&self) -> ResourcePool {
        let url = self.server().url();
        let text = format!("[[resource]]\nname = 'it'\nurl = '{url}'\noperation_timeout = '2s'");
        let pool = ResourcePool::from_config(&Config::from_toml(&text).unwrap()).unwrap();
        pool.connect().unwrap();
        pool
    }

    fn connections(&self) -> usize {
        connections(self.server().port())
    }

    fn nobody_is_connected(&self) {
        let nobody = async || self.connections() == 0;
        self.runtime.block_on(eventually("nobody is connected", PATIENCE, nobody));
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.remove());
        }
    }
}

fn count(redis: &Group<Redis>) -> Result<isize, Error> {
    redis.run(async |lease| lease.clone().incr("count", 1).await)
}

#[test]
fn many_threads_use_one_redis_and_a_close_leaves_nothing() {
    let world = World::with(System::Redis);
    let pool = world.pool();
    let redis = pool.redis().unwrap();
    let threads: Vec<_> = (0..20)
        .map(|_| {
            let redis = redis.clone();
            thread::spawn(move || (0..50).for_each(|_| assert!(count(&redis).unwrap() > 0)))
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(count(&redis).unwrap(), 1001);
    assert!(pool.is_ready() && redis.state() == State::Ready);
    assert_eq!(pool.health().unwrap().len(), 1);
    assert!(pool.status()[0].stats.operations > 1000);
    let report = pool.close(PATIENCE).unwrap();
    assert!(report.is_clean(), "{report}");
    assert_eq!(count(&redis).unwrap_err().kind(), ErrorKind::Closed);
    world.nobody_is_connected();
}

#[test]
fn the_documents_of_a_cursor_come_one_by_one_and_it_may_be_left() {
    let world = World::with(System::MongoDb);
    let pool = world.pool();
    let mongo = pool.mongo().unwrap();
    let insert = async |lease: qa_pool::Lease<MongoDb>| {
        let numbers = MongoDb::database(&lease).collection::<Document>("numbers");
        numbers.insert_many((0..500).map(|n| doc! { "n": n })).await
    };
    mongo.run(insert).unwrap();
    let find = || {
        let lease = mongo.acquire().unwrap();
        let limit = mongo.settings().operation_timeout;
        let open = qa_pool::mongo::documents(lease, limit, async |client| {
            let numbers = MongoDb::database(&client).collection::<Document>("numbers");
            numbers.find(doc! {}).sort(doc! { "n": 1 }).batch_size(10).await
        });
        mongo.iterate(mongo.wait(open).unwrap().unwrap())
    };
    let numbers: Vec<_> =
        find().map(|document| document.unwrap().unwrap().get_i32("n").unwrap()).collect();
    assert_eq!(numbers, (0..500).collect::<Vec<_>>());
    assert_eq!(find().take(25).count(), 25);
    let report = pool.close(PATIENCE).unwrap();
    assert!(report.is_clean(), "{report}");
    world.nobody_is_connected();
}

#[test]
fn what_never_ends_is_a_timeout_of_unknown_outcome() {
    let world = World::with(System::Redis);
    let pool = world.pool();
    let redis = pool.redis().unwrap();
    let error = redis.wait_within(Duration::from_millis(50), pending::<()>()).unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, Outcome::Unknown));
    assert_eq!(error.resource(), "it");
    let begun = Instant::now();
    let mut silent = redis.iterate(stream::pending::<()>());
    assert_eq!(silent.next().unwrap().unwrap_err().kind(), ErrorKind::Timeout);
    assert!(silent.next().is_none(), "it has ended");
    assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
    assert!(pool.close(PATIENCE).unwrap().is_clean());
}

fn refused<T: std::fmt::Debug>(result: Result<T, Error>) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    assert!(error.to_string().contains("within an async runtime"), "{error}");
}

fn is_refused(pool: &ResourcePool, redis: &Group<Redis>) {
    refused(pool.connect().map_err(|mut error| error.failures.remove(0)));
    refused(pool.health());
    refused(pool.block_on(async {}));
    refused(pool.close(PATIENCE));
    refused(redis.acquire());
    refused(count(redis));
    refused(redis.run_idempotent(async |lease| lease.clone().get("count").await));
    refused(redis.wait(async {}));
    refused(redis.iterate(stream::iter([1])).next().unwrap());
    assert!(pool.is_ready() && redis.status().len() == 1, "what does not wait is answered");
}

#[test]
fn within_async_code_it_is_an_error_and_no_panic_and_a_drop_there_closes() {
    let world = World::with(System::Redis);
    let runtimes = [
        Runtime::new().unwrap(),
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
    ];
    for runtime in runtimes {
        let pool = world.pool();
        let redis = pool.redis().unwrap();
        runtime.block_on(async {
            is_refused(&pool, &redis);
            let (theirs, group) = (pool.clone(), redis.clone());
            tokio::task::spawn_blocking(move || is_refused(&theirs, &group)).await.unwrap();
            // A thread that is no runtime's may.
            let group = redis.clone();
            thread::spawn(move || count(&group)).join().unwrap().unwrap();
            let begun = Instant::now();
            drop((pool, redis));
            assert!(begun.elapsed() < SLACK, "a drop here waits for nothing");
        });
        world.nobody_is_connected();
    }
}

#[test]
fn the_last_one_that_is_dropped_closes() {
    let world = World::with(System::Redis);
    let pool = world.pool();
    let redis = pool.redis().unwrap();
    drop(pool);
    count(&redis).unwrap();
    assert!(world.connections() > 0);
    drop(redis);
    world.nobody_is_connected();
}

#[test]
fn a_drop_on_a_thread_of_its_own_runtime_closes() {
    let world = World::with(System::Redis);
    let pool = world.pool();
    let (sender, receiver) = oneshot::channel();
    pool.block_on(async { drop(tokio::spawn(async { drop(receiver.await) })) }).unwrap();
    sender.send(pool).unwrap();
    world.nobody_is_connected();
}

#[test]
fn a_drop_waits_no_longer_than_its_limit_for_a_frozen_server_and_a_lease() {
    let world = World::with(System::MongoDb);
    let pool = world.pool();
    let lease = pool.mongo().unwrap().acquire().unwrap();
    world.runtime.block_on(world.server().freeze()).unwrap();
    let begun = Instant::now();
    drop(pool);
    let took = begun.elapsed();
    assert!(took < CLOSE_ON_DROP + SLACK, "{took:?}");
    assert!(lease.is_lost());
    drop(lease);
    world.runtime.block_on(world.server().thaw()).unwrap();
    world.nobody_is_connected();
}

#[test]
fn one_that_was_made_in_code_and_never_connected_is_dropped_at_once() {
    let target = qa_pool::core::Target::parse("never", "redis://127.0.0.1:1").unwrap();
    let pool = qa_pool::ResourcePool::new();
    pool.add(Resource::new("never", Redis::new(&target).unwrap(), Settings::default())).unwrap();
    let pool = ResourcePool::new(pool).unwrap();
    assert_eq!(pool.get::<Redis>("never").unwrap().name(), "never");
    let begun = Instant::now();
    drop(pool);
    assert!(begun.elapsed() < SLACK, "{:?}", begun.elapsed());
}
