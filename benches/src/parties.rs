//! Parties that are ours, or bare drivers, in a process of their own: this program again, which does a round
//! for each line that it is told.

use crate::child::{Child, URL};
use crate::contest::{Party, number};
use crate::contests::{acquire, idle, ingest};
use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use std::io::Write;
use std::sync::Arc;
use tokio::process::Command;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

/// Starts the party of this name.
pub(crate) async fn start(name: &str, url: &str) -> Result<Arc<Mutex<Child>>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["party", name]);
    Child::start(command, url).await.with_context(|| format!("starting {name}"))
}

/// A party in a process that is new for each round. What it says after the seconds, divided by how many things
/// it did, is what is measured.
pub(crate) struct Fresh {
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) line: String,
    pub(crate) each: usize,
}

#[async_trait]
impl Party for Fresh {
    async fn round(&mut self) -> Result<Vec<f64>> {
        let child = start(&self.name, &self.url).await?;
        let says = child.lock().await.ask(&self.line).await?;
        Ok(says.iter().skip(1).map(|value| value / number(self.each)).collect())
    }
}

/// Says who it is, and then does a round for each line until there are no more.
pub(crate) async fn serve(name: String) -> Result<()> {
    let url = std::env::var(URL).with_context(|| format!("{URL} is not set"))?;
    say(&name)?;
    while let Some(line) = spawn_blocking(|| std::io::stdin().lines().next()).await?.transpose()? {
        match round(&name, &url, &line).await {
            Ok(measured) => {
                let words: Vec<_> = measured.iter().map(f64::to_string).collect();
                say(&words.join(" "))?;
            }
            Err(error) => say(&format!("error: {error:#}").replace('\n', " "))?,
        }
    }
    Ok(())
}

fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

async fn round(name: &str, url: &str, line: &str) -> Result<Vec<f64>> {
    match name.split_once('-') {
        Some(("acquire", what)) => acquire::round(what, line).await,
        Some(("ingest", how)) => ingest::round(how, url, line).await,
        Some(("idle", whose)) => idle::round(whose, url, line).await,
        _ => bail!("there is no party {name}"),
    }
}
