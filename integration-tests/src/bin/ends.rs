//! A service that ends in every way that a process can, for the tests of what becomes of its work.
//!
//! It has rows in a batcher, rows in a batcher with a spill, messages that are confirmed and messages that
//! are on their way; says `ready`; and ends as it is told to.

use anyhow::{Result, bail};
use integration_tests::ends::{CONFIRMED, FORGOTTEN, ROWS, Row, batcher};
use qa_pool::amqp::lapin::BasicProperties;
use qa_pool::amqp::{Publisher, PublisherSettings, Publishing};
use qa_pool::clickhouse::Batcher;
use qa_pool::{Config, ResourcePool};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tokio::task::spawn_blocking;

/// What has something left to do when the process ends.
#[expect(dead_code, reason = "it is held, and that is all")]
struct Work {
    in_memory: Batcher<Row>,
    spilled: Batcher<Row>,
    publisher: Publisher,
}

impl Work {
    async fn begin(pool: &ResourcePool, spill: &Path) -> Result<Self> {
        pool.connect().await?;
        let (bars, queue) = (pool.clickhouse()?, pool.amqp()?);
        let in_memory = batcher(&bars, "in_memory", None).await?;
        let spilled = batcher(&bars, "spilled", Some(spill)).await?;
        let rows = || (0..ROWS).map(|number| Row { number });
        in_memory.push_all(rows()).await?;
        spilled.push_all(rows()).await?;
        let publisher = Publisher::new(&queue, PublisherSettings::default());
        let confirmed = (0..CONFIRMED).map(|_| Publishing::new("", "ends", "confirmed"));
        for sent in publisher.publish_all(confirmed).await {
            let _ = sent?;
        }
        for _ in 0..FORGOTTEN {
            let none = BasicProperties::default();
            publisher.publish_and_forget("", "ends", b"on its way", none).await?;
        }
        println!("ready");
        Ok(Self { in_memory, spilled, publisher })
    }
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        // The driver logs the end of a connection that was closed as an error, at times.
        .with_env_filter("warn,lapin=off")
        .init();
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [file, spill, way] = &arguments[..] else { bail!("usage: ends CONFIG FOLDER WAY") };
    let pool = ResourcePool::from_config(&Config::from_file(file)?)?;
    let spill = PathBuf::from(spill);
    let Some(("run", end)) = way.split_once('-') else {
        return by_hand(pool, &spill, way).await;
    };
    let main = async |pool: ResourcePool| {
        let work = Work::begin(&pool, &spill).await?;
        match end {
            "return" => {}
            "error" => bail!("the market is shut"),
            "panic" => panic!("the market is shut"),
            "task" => assert!(tokio::spawn(async { panics() }).await.is_err()),
            "stubborn" => {
                pool.closing().cancelled().await;
                println!("closing");
                std::future::pending::<()>().await;
            }
            _ => pool.closing().cancelled().await,
        }
        drop(work);
        anyhow::Ok(())
    };
    Ok(qa_pool::run(pool, main).await)
}

fn panics() {
    panic!("the market is shut");
}

/// The ends without `run`.
async fn by_hand(pool: ResourcePool, spill: &Path, way: &str) -> Result<ExitCode> {
    let _guard = way.starts_with("guard").then(|| pool.drop_guard(Duration::from_secs(20)));
    let work = Work::begin(&pool, spill).await?;
    match way {
        "return" | "guard-return" => {}
        "guard-error" => bail!("the market is shut"),
        "panic" | "guard-panic" => panic!("the market is shut"),
        "exit" => std::process::exit(3),
        "drop" => {
            drop((work, pool));
            println!("dropped");
            // Goes on until nobody wants it any more.
            spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
        }
        "wait" => std::future::pending().await,
        other => bail!("there is no end `{other}`"),
    }
    Ok(ExitCode::SUCCESS)
}
