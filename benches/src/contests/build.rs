//! B13: what a backend costs whoever builds with it.

use crate::bench::Bench;
use crate::contest::{Contest, Party, number};
use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use std::env;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;
use tokio::process::Command;

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/programs/Cargo.toml");

/// The features of the two programs, in `programs/Cargo.toml`.
const ALL_FOUR: &str = "mongo,amqp,clickhouse,redis";
const ALL_DRIVERS: &str = "bare-mongo,bare-amqp,bare-clickhouse,bare-redis";

/// What is built in, with which features of ours, beside what, and with which features of that.
const BUILDS: [(&str, &str, &str, &str); 7] = [
    ("no backend", "ours", "tokio alone", "bare"),
    ("MongoDB", "mongo", "the bare driver", "bare-mongo"),
    ("RabbitMQ", "amqp", "the bare driver", "bare-amqp"),
    ("ClickHouse", "clickhouse", "the bare driver", "bare-clickhouse"),
    ("Redis", "redis", "the bare driver", "bare-redis"),
    ("all four", ALL_FOUR, "the bare drivers", ALL_DRIVERS),
    ("every feature", "every", "the bare drivers", ALL_DRIVERS),
];

pub(crate) async fn hold(bench: &mut Bench) -> Result<()> {
    for driver in ["mongodb", "lapin", "clickhouse", "redis"] {
        bench.driver(driver);
    }
    bench.takes_part(compiler().await?);
    fetch().await?;
    for (what, ours, name, bare) in bench.pick(&BUILDS[..1], &BUILDS) {
        let features = |bin, features: &&'static str| Build { bin, features };
        let contest = Contest::new(*what, &["bytes", "s"], "qa-pool", features("ours", ours))
            .beside(name, &[], features("bare", bare))
            .cold()
            .rounds_at_most(bench.pick(1, 3));
        bench.hold(contest).await?;
    }
    Ok(())
}

/// One of the two programs, built from nothing.
struct Build {
    bin: &'static str,
    features: &'static str,
}

#[async_trait]
impl Party for Build {
    /// The bytes of the program without its symbols, and how long it took.
    async fn round(&mut self) -> Result<Vec<f64>> {
        let target = tempfile::tempdir()?;
        let mut command = cargo("build");
        command.args(["--offline", "--release", "--config", "profile.release.strip=true"]);
        command.args(["--bin", self.bin, "--features", self.features]);
        let began = Instant::now();
        run(command.arg("--target-dir").arg(target.path())).await?;
        let took = began.elapsed().as_secs_f64();
        let program = target.path().join("release").join(self.bin);
        Ok(vec![number(size(&program)?), took])
    }
}

fn size(program: &Path) -> Result<usize> {
    let about = program.metadata().with_context(|| format!("{}", program.display()))?;
    Ok(usize::try_from(about.len())?)
}

/// Has what is built downloaded before it is built.
async fn fetch() -> Result<()> {
    run(cargo("tree").arg("--all-features").stdout(Stdio::null())).await
}

/// Cargo, of which nothing is kept that was compiled before.
fn cargo(what: &str) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args([what, "--locked", "--quiet", "--manifest-path", MANIFEST]);
    command.env_remove("RUSTC_WRAPPER").kill_on_drop(true);
    command
}

async fn run(command: &mut Command) -> Result<()> {
    let status = command.status().await.context("starting cargo, to build a program")?;
    ensure!(status.success(), "a program could not be built; cargo's error is above");
    Ok(())
}

/// The compiler's name and version.
async fn compiler() -> Result<String> {
    let output = Command::new("rustc").arg("--version").output().await.context("starting rustc")?;
    let said = String::from_utf8(output.stdout)?;
    Ok(said.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
}
