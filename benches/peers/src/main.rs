//! A peer does a round for each line on standard input, and says how many seconds it took.
//!
//! `peers NAME`, with the server's URL in `QA_BENCH_URL`. It says its name and version first. An error is a
//! line that begins with `error: `.

mod amqprs;
mod inserter;
mod klickhouse;
mod pools;
mod rabbit;
mod redis;
mod url;

use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use std::io::Write;
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

/// One who does what a line says.
#[async_trait]
trait Peer: Send {
    /// Does it; what it measured, the seconds first.
    async fn round(&mut self, words: &[&str]) -> Result<Vec<f64>>;
}

#[tokio::main]
async fn main() -> Result<()> {
    // In a task, where services work: what a thread outside of the runtime awaits itself must be woken for
    // each answer.
    tokio::spawn(serve()).await?
}

async fn serve() -> Result<()> {
    let name = std::env::args().nth(1).context("usage: peers NAME")?;
    let url = std::env::var("QA_BENCH_URL").context("QA_BENCH_URL is not set")?;
    let mut peer = peer(&name, &url).await?;
    say(&format!("{name} {}", version(&name)))?;
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let words: Vec<_> = line.split_whitespace().collect();
        match peer.round(&words).await {
            Ok(measured) => {
                let words: Vec<_> = measured.iter().map(f64::to_string).collect();
                say(&words.join(" "))?;
            }
            Err(error) => say(&format!("error: {error:#}").replace('\n', " "))?,
        }
    }
    Ok(())
}

async fn peer(name: &str, url: &str) -> Result<Box<dyn Peer>> {
    Ok(match name {
        "connection-manager" => Box::new(redis::Keys(pools::manager(url).await?)),
        "deadpool-redis" => Box::new(redis::Keys(pools::deadpool(url)?)),
        "bb8-redis" => Box::new(redis::Keys(pools::bb8(url).await?)),
        "fred" => Box::new(redis::Keys(pools::fred(url).await?)),
        "deadpool-lapin" => Box::new(rabbit::deadpool(url).await?),
        "bb8-lapin" => Box::new(rabbit::bb8(url).await?),
        "amqprs" => Box::new(amqprs::connect(url).await?),
        "inserter" => Box::new(inserter::Inserter::new(url)?),
        "klickhouse" => Box::new(klickhouse::connect(url).await?),
        _ => bail!("there is no peer {name}"),
    })
}

fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// The version of a crate in the lock file; the driver's, where the peer is a part of that.
fn version(name: &str) -> &'static str {
    const LOCK: &str = include_str!("../Cargo.lock");
    let name = match name {
        "connection-manager" => "redis",
        "inserter" => "clickhouse",
        name => name,
    };
    let entry = LOCK.split(&format!("name = \"{name}\"\nversion = \"")).nth(1);
    entry.and_then(|rest| rest.split('"').next()).unwrap_or("unknown")
}

/// A number that a line says.
fn count(words: &[&str], at: usize) -> Result<usize> {
    let word = words.get(at).with_context(|| format!("{words:?} has no word {at}"))?;
    word.parse().with_context(|| format!("{word} is no number"))
}
