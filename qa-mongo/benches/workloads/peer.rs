//! The same round with pymongo, in a Python process that is told to do it.

use crate::Failure;
use crate::data::{LIMIT, Workload};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/workloads/peer.py");
/// Where its packages are, for the next time as well.
const VENV: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/pymongo");
const PYMONGO: &str = "pymongo>=4.10,<5";
/// For a package that may have to be fetched.
const INSTALL_LIMIT: Duration = Duration::from_secs(120);

pub(crate) struct Peer {
    /// Killed when it is dropped.
    _child: Child,
    told: ChildStdin,
    says: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    /// Starts it; where there is no pymongo yet, it is installed.
    pub(crate) async fn start(url: &str, scale: f64) -> Result<Self, Failure> {
        let python = python().await?;
        let mut command = Command::new(python);
        // Not as an argument: it holds the password.
        command.arg(SCRIPT).env("QA_BENCH_URL", url).env("QA_BENCH_SCALE", scale.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let told = child.stdin.take().ok_or("it has no standard input")?;
        let says = child.stdout.take().ok_or("it has no standard output")?;
        let mut peer = Self { _child: child, told, says: BufReader::new(says).lines() };
        let version = peer.line().await?;
        eprintln!("pymongo {version}");
        Ok(peer)
    }

    /// Has it do a round; says how many documents that were, and how long it took by its own clock.
    pub(crate) async fn round(&mut self, workload: Workload) -> Result<(usize, Duration), Failure> {
        self.told.write_all(format!("{}\n", workload.name()).as_bytes()).await?;
        let line = self.line().await?;
        let (count, seconds) = line.split_once(' ').ok_or("pymongo's script said no figures")?;
        Ok((count.parse()?, Duration::from_secs_f64(seconds.parse()?)))
    }

    async fn line(&mut self) -> Result<String, Failure> {
        let line = timeout(LIMIT, self.says.next_line()).await??;
        Ok(line.ok_or("pymongo's script has ended; its error is above")?)
    }
}

/// A Python that has pymongo.
async fn python() -> Result<PathBuf, Failure> {
    let python = Path::new(VENV).join("bin/python");
    let has = ["-c", "import pymongo"];
    if run(&python, &has).await.is_ok() {
        return Ok(python);
    }
    run(Path::new("python3"), &["-m", "venv", VENV]).await?;
    run(&python, &["-m", "pip", "install", "--quiet", "--disable-pip-version-check", PYMONGO])
        .await?;
    Ok(python)
}

async fn run(program: &Path, arguments: &[&str]) -> Result<(), Failure> {
    let mut command = Command::new(program);
    let command = command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(INSTALL_LIMIT, command.output()).await.map_err(|_| "it took too long");
    let output = output?.map_err(|error| format!("{}: {error}", program.display()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.trim().lines().last().unwrap_or_default();
    Err(format!("{} {}: {last}", program.display(), arguments.join(" ")).into())
}
