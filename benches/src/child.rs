//! Another process, which does a round for each line that it is told.

use anyhow::{Context, Result, bail};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{self, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;
use tokio::time::timeout;

/// Within this it has to say what it was asked.
const LIMIT: Duration = Duration::from_secs(300);

/// In its environment: the server's URL, which holds a password and so is no argument.
pub(crate) const URL: &str = "QA_BENCH_URL";

/// A process that says who it is, and then, for each line that it is told, what it measured: numbers, the
/// seconds first.
pub(crate) struct Child {
    /// Killed when this is dropped.
    _process: process::Child,
    told: ChildStdin,
    says: Lines<BufReader<ChildStdout>>,
    /// Its name and version.
    pub(crate) about: String,
}

impl Child {
    /// Starts it and waits until it says who it is.
    pub(crate) async fn start(mut command: Command, url: &str) -> Result<Arc<Mutex<Self>>> {
        // An error is a line, and not from where it came.
        command
            .env(URL, url)
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let program = command.as_std().get_program().to_owned();
        let mut child = command.spawn().with_context(|| format!("{}", program.display()))?;
        let told = child.stdin.take().context("it has no standard input")?;
        let says = child.stdout.take().context("it has no standard output")?;
        let says = BufReader::new(says).lines();
        let mut child = Self { _process: child, told, says, about: String::new() };
        child.about = child.line().await?;
        Ok(Arc::new(Mutex::new(child)))
    }

    /// Has it do a round; what it measured.
    pub(crate) async fn ask(&mut self, line: &str) -> Result<Vec<f64>> {
        self.told.write_all(format!("{line}\n").as_bytes()).await?;
        let said = self.line().await?;
        if let Some(error) = said.strip_prefix("error: ") {
            bail!("{}, {line}: {error}", self.about);
        }
        let numbers = said.split_whitespace().map(str::parse).collect::<Result<_, _>>();
        numbers.with_context(|| format!("{}, {line}: it said {said}", self.about))
    }

    async fn line(&mut self) -> Result<String> {
        let line = timeout(LIMIT, self.says.next_line()).await;
        let line = line.with_context(|| format!("{} said nothing for {LIMIT:?}", self.about))??;
        line.with_context(|| format!("{} has ended; its error is above", self.about))
    }
}
