//! The service of `src/bin/ends.rs`, and what is left of it.

use futures_util::TryStreamExt;
use integration_tests::ends::{Row, batcher};
use integration_tests::servers::shared;
use integration_tests::{
    ClickHouse, MongoDb, RabbitMq, Redis, Rig, Subject, eventually, management, within,
};
use qa_pool::Settings;
use qa_pool::amqp::{Queue, RabbitMq as Backend, Topology};
use qa_pool::core::{Resource, Target};
use qa_pool::mongo::mongodb::bson::doc;
use qa_pool::redis::redis;
use rustix::process::{Pid, Signal, kill_process};
use std::io::Write as _;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tempfile::{NamedTempFile, TempDir};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::{Mutex, MutexGuard};

/// For each step, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The tables and the queue are one service's at a time.
static TURN: Mutex<()> = Mutex::const_new(());

/// The service, running, and at the point from which it ends.
pub(crate) struct Service {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// What its connections are called at the servers.
    name: String,
    /// Its virtual host's URL.
    rabbit: String,
    spill: TempDir,
    _file: NamedTempFile,
    _turn: MutexGuard<'static, ()>,
}

/// What is left of a service that has ended.
pub(crate) struct Left {
    /// Its exit code; none where a signal has ended it.
    pub(crate) code: Option<i32>,
    /// What it said on standard error.
    pub(crate) said: String,
    /// Rows of the batcher in memory that are stored.
    pub(crate) in_memory: u32,
    /// Rows of the batcher with a spill that are stored.
    pub(crate) spilled: u32,
    /// Rows that the next batcher has found on the disk, and stored.
    pub(crate) on_disk: u32,
    /// Messages in the queue.
    pub(crate) messages: u32,
}

impl Service {
    pub(crate) async fn ready(way: &str) -> Self {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let turn = TURN.lock().await;
        let number = STARTED.fetch_add(1, Ordering::SeqCst);
        let (name, rabbit) = (format!("ends{number}"), prepare(number).await);
        let (file, spill) = (config(&name, &rabbit).await, TempDir::new().unwrap());
        let mut child = Command::new(env!("CARGO_BIN_EXE_ends"))
            .args([file.path(), spill.path(), way.as_ref()])
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut service = Self { child, lines, name, rabbit, spill, _file: file, _turn: turn };
        service.until("ready").await;
        service
    }

    /// Waits for a line.
    pub(crate) async fn until(&mut self, expected: &str) {
        let line = within(expected, PATIENCE, self.lines.next_line()).await.unwrap();
        if line.as_deref() != Some(expected) {
            let mut said = String::new();
            self.child.stderr.take().unwrap().read_to_string(&mut said).await.unwrap();
            panic!("{line:?} and not `{expected}`: {said}");
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|id| Pid::from_raw(id.try_into().unwrap())).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits until no server knows of it any more, by the servers' own word.
    pub(crate) async fn is_gone_from_the_servers(&self) {
        eventually("redis has no connection of it", PATIENCE, async || {
            in_redis(&self.name).await == 0
        })
        .await;
        eventually("mongodb has no connection of it", PATIENCE, async || {
            in_mongodb(&self.name).await == 0
        })
        .await;
        eventually("rabbitmq has no connection of it", PATIENCE, async || {
            in_rabbitmq(&self.name).await == 0
        })
        .await;
    }

    /// Waits for its end, and looks at what is left.
    pub(crate) async fn end(mut self) -> Left {
        // Where it waits for that.
        drop(self.child.stdin.take());
        let mut said = String::new();
        let mut errors = self.child.stderr.take().unwrap();
        let ended = async {
            errors.read_to_string(&mut said).await.unwrap();
            self.child.wait().await.unwrap()
        };
        let code = within("its end", PATIENCE, ended).await.code();
        self.is_gone_from_the_servers().await;
        let bars = bars().await;
        let in_memory = count(&bars, "in_memory").await;
        let spilled = count(&bars, "spilled").await;
        let next = batcher(&bars.group, "spilled", Some(self.spill.path())).await.unwrap();
        let report = next.close(PATIENCE).await;
        assert!(report.is_clean(), "{report}");
        drop(next);
        let on_disk = count(&bars, "spilled").await - spilled;
        bars.close().await;
        let messages = messages(&self.rabbit).await;
        Left { code, said, in_memory, spilled, on_disk, messages }
    }
}

async fn bars() -> Rig<ClickHouse> {
    let server = shared(ClickHouse::SYSTEM).await;
    Rig::connected("looking", &server.url(), Settings::default()).await
}

/// Makes the tables and the queue, empty; gives the URL of the queue's virtual host.
async fn prepare(number: u32) -> String {
    let bars = bars().await;
    for table in ["in_memory", "spilled"] {
        let sql = Row::table(table);
        let sql = sql.as_str();
        let made = bars.group.run(|lease| async move { lease.query(sql).execute().await }).await;
        made.unwrap();
    }
    bars.close().await;
    let server = shared(RabbitMq::SYSTEM).await;
    let url = RabbitMq::url(server, &format!("ends{number}")).await;
    queue(&url).await.close(PATIENCE).await;
    url
}

/// Four resources of that name, so that their servers know whose the connections are.
async fn config(name: &str, rabbit: &str) -> NamedTempFile {
    let [redis, mongo, clickhouse] = [Redis::SYSTEM, MongoDb::SYSTEM, ClickHouse::SYSTEM]
        .map(|system| async move { shared(system).await.url() });
    let (redis, mongo, clickhouse) = tokio::join!(redis, mongo, clickhouse);
    let mut file = NamedTempFile::with_suffix(".toml").unwrap();
    for (kind, url) in [
        ("amqp", rabbit),
        ("clickhouse", clickhouse.as_str()),
        ("mongo", mongo.as_str()),
        ("redis", redis.as_str()),
    ] {
        write!(file, "[[resource]]\nname = '{name}-{kind}'\nurl = '{url}'\n").unwrap();
    }
    file
}

/// A resource whose topology is the queue.
async fn queue(url: &str) -> Resource<Backend> {
    let backend = Backend::new(&Target::parse("looking", url).unwrap()).unwrap();
    let backend = backend.with_topology(Topology::new().queue(Queue::classic("ends")));
    let rabbit = Resource::new("looking", backend, Settings::default());
    rabbit.connect().await.unwrap();
    rabbit
}

/// Messages in the queue, once it has settled: what is on its way when its connection ends may come in
/// a moment later, but not when the broker has forgotten the connection.
async fn messages(url: &str) -> u32 {
    let rabbit = queue(url).await;
    let count = rabbit.run(async |lease| lease.messages("ends").await).await.unwrap();
    rabbit.close(PATIENCE).await;
    count
}

async fn count(bars: &Rig<ClickHouse>, table: &str) -> u32 {
    let sql = format!("SELECT count() FROM {table}");
    let sql = sql.as_str();
    let counted = bars.group.run(|lease| async move { lease.query(sql).fetch_one::<u64>().await });
    counted.await.unwrap().try_into().unwrap()
}

async fn in_redis(name: &str) -> usize {
    let rig =
        Rig::<Redis>::connected("looking", &shared(Redis::SYSTEM).await.url(), Settings::default())
            .await;
    let lease = rig.group.acquire().await.unwrap();
    let list = redis::cmd("CLIENT").arg("LIST").query_async(&mut lease.clone()).await;
    drop(lease);
    rig.close().await;
    let list: String = list.unwrap();
    list.lines().filter(|line| line.contains(&format!("name={name}-"))).count()
}

async fn in_mongodb(name: &str) -> usize {
    let rig = Rig::<MongoDb>::connected(
        "looking",
        &shared(MongoDb::SYSTEM).await.url(),
        Settings::default(),
    )
    .await;
    let lease = rig.group.acquire().await.unwrap();
    let all = doc! { "$currentOp": { "allUsers": true, "idleConnections": true } };
    let ours = doc! { "$match": { "clientMetadata.application.name": format!("{name}-mongo") } };
    let found = lease.database("admin").aggregate([all, ours]).await.unwrap();
    let found: Vec<_> = found.try_collect().await.unwrap();
    drop(lease);
    rig.close().await;
    found.len()
}

async fn in_rabbitmq(name: &str) -> usize {
    let server = shared(RabbitMq::SYSTEM).await;
    let list = management(server, "GET", "connections", "").await;
    list.matches(&format!("{name}-amqp")).count()
}
