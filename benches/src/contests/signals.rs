//! B16: what QUANTAXIS does with Redis all day.

use super::redis::version;
use super::{AS_BARE, GOODBYE, NO_LONGER, NO_SLOWER, bare, connected, in_line};
use crate::bench::Bench;
use crate::child::Child;
use crate::contest::{Contest, Party, milliseconds, rate, told, told_milliseconds};
use anyhow::{Result, ensure};
use qa_pool::core::Resource;
use qa_pool::redis::redis::aio::{ConnectionLike, MultiplexedConnection};
use qa_pool::redis::redis::{AsyncCommands, Script, cmd, pipe};
use qa_pool::redis::{Client, LockSettings, Locks, Redis};
use qa_servers::System;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// Commands of one pipeline.
const PIPELINE: usize = 1_000;
/// The minutes of a day.
const BARS: usize = 240;
/// How long a lock is held at the most.
const LEASE: Duration = Duration::from_secs(30);

/// Gives a lock back where it is still ours; what redis-py does, too.
const RELEASE: &str =
    "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0";

pub(crate) async fn hold(bench: &mut Bench) -> Result<()> {
    let url = bench.servers.url(System::Redis).await?;
    bench.driver("redis");
    let ours = connected(&url, Redis::new).await?;
    bench.takes_part(format!("redis-server {}", version(&ours).await?));
    let bare = bare::redis(&url).await?;
    let redis_py = bench.python("day.py", "redis-py", &url).await?;
    bench.hold(pipelines(bench, &ours, &bare, &redis_py)).await?;
    bench.hold(lists(bench, &ours, &bare, &redis_py)).await?;
    bench.hold(locks(bench, &ours, &bare, &redis_py)).await?;
    ours.close(GOODBYE).await;
    Ok(())
}

/// So many times through ours, with a lease for each.
fn leased<F, Fut>(
    ours: &Resource<Redis>,
    times: usize,
    things: usize,
    work: F,
) -> impl Party + 'static
where
    F: Fn(Client) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<()>> + Send + 'static,
{
    let ours = ours.clone();
    repeated(times, things, move || {
        let (ours, work) = (ours.clone(), work.clone());
        async move {
            let lease = ours.acquire().await?;
            work(lease.clone()).await
        }
    })
}

/// The same with the bare driver.
fn alone<F, Fut>(
    bare: &MultiplexedConnection,
    times: usize,
    things: usize,
    work: F,
) -> impl Party + 'static
where
    F: Fn(MultiplexedConnection) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<()>> + Send + 'static,
{
    let bare = bare.clone();
    repeated(times, things, move || work(bare.clone()))
}

/// A party that does this so often, one after the other; of so many things each time.
fn repeated<F, Fut>(times: usize, things: usize, once: F) -> impl Party + 'static
where
    F: Fn() -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<()>> + Send + 'static,
{
    rate(times * things, move || in_line(times, once.clone()))
}

/// Signals, a thousand in one round trip.
fn pipelines(
    bench: &Bench,
    ours: &Resource<Redis>,
    bare: &MultiplexedConnection,
    redis_py: &Arc<Mutex<Child>>,
) -> Contest {
    let times = bench.pick(2, 50);
    let line = told(redis_py, format!("pipeline {times}"), times * PIPELINE);
    let through_ours = leased(ours, times, PIPELINE, pipeline);
    Contest::new("W11 pipelines of 1,000 SET", &["commands/s"], "qa-redis", through_ours)
        .beside("bare driver", &[AS_BARE], alone(bare, times, PIPELINE, pipeline))
        .beside("redis-py", &[NO_SLOWER], line)
}

async fn pipeline(mut connection: impl ConnectionLike + Send + Sync) -> Result<()> {
    let mut pipeline = pipe();
    for number in 0..PIPELINE {
        pipeline.set_ex(format!("signal:{number:06}"), "buy", 300).ignore();
    }
    Ok(pipeline.query_async(&mut connection).await?)
}

/// The bars of a day, pushed onto a list and read from it.
fn lists(
    bench: &Bench,
    ours: &Resource<Redis>,
    bare: &MultiplexedConnection,
    redis_py: &Arc<Mutex<Child>>,
) -> Contest {
    let times = bench.pick(5, 500);
    let line = told(redis_py, format!("list {times}"), times);
    let title = "W11 lists of 240 bars, pushed and read";
    Contest::new(title, &["lists/s"], "qa-redis", leased(ours, times, 1, list))
        .beside("bare driver", &[AS_BARE], alone(bare, times, 1, list))
        .beside("redis-py", &[NO_SLOWER], line)
}

async fn list(mut connection: impl ConnectionLike + Send + Sync) -> Result<()> {
    const KEY: &str = "bars:600000";
    let bars: Vec<String> =
        (0..BARS).map(|minute| format!("{minute},10.5,10.6,10.4,10.5")).collect();
    let () = connection.del(KEY).await?;
    let () = connection.rpush(KEY, &bars).await?;
    let read: Vec<String> = connection.lrange(KEY, 0, -1).await?;
    ensure!(read == bars, "other bars were read");
    Ok(())
}

/// A lock that nobody else wants.
fn locks(
    bench: &Bench,
    ours: &Resource<Redis>,
    bare: &MultiplexedConnection,
    redis_py: &Arc<Mutex<Child>>,
) -> Contest {
    let times = bench.pick(5, 500);
    let locks = Arc::new(Locks::new(ours.clone(), LockSettings::default()));
    let through_ours = milliseconds(times, move || {
        let locks = Arc::clone(&locks);
        async move {
            let once = || async { Ok(locks.acquire("bench-ours", LEASE).await?.release().await?) };
            in_line(times, once).await
        }
    });
    let bare = bare.clone();
    let by_hand = milliseconds(times, move || {
        let bare = bare.clone();
        async move {
            let release = Script::new(RELEASE);
            in_line(times, || locked_by_hand(bare.clone(), &release)).await
        }
    });
    let line = told_milliseconds(redis_py, format!("lock {times}"), times);
    Contest::new("W11 a lock, taken and given back", &["ms"], "qa-redis", through_ours)
        .beside("bare driver, by hand", &[], by_hand)
        .beside("redis-py", &[NO_LONGER], line)
}

async fn locked_by_hand(mut connection: MultiplexedConnection, release: &Script) -> Result<()> {
    const KEY: &str = "bench-bare";
    let token = "one of its own";
    let mut take = cmd("SET");
    take.arg(KEY).arg(token).arg("NX").arg("PX").arg(LEASE.as_millis().to_string());
    let answer: Option<String> = take.query_async(&mut connection).await?;
    ensure!(answer.is_some(), "somebody has the lock");
    let given: usize = release.key(KEY).arg(token).invoke_async(&mut connection).await?;
    ensure!(given == 1, "the lock was lost");
    Ok(())
}
