//! One experiment in a process of its own: its rows as JSON on standard output, a line each, and
//! what it says meanwhile on standard error.

use crate::catalogue;
use crate::cli::One;
use crate::run::{PROGRESS, Run};
use anyhow::{Context, Result, bail};
use integration_tests::experiment::{Row, Setting};
use std::collections::VecDeque;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

/// So many of its last lines tell why it failed.
const LAST_LINES: usize = 8;

/// Runs it. What goes wrong in it is a panic, as in a test: whoever started us tells.
pub(crate) async fn run(one: &One) -> Result<()> {
    let experiment = catalogue::find(&one.id).context("there is no such experiment")?;
    let run = Run { against: one.against, short: one.short, soak: one.soak };
    let figures = (experiment.run)(run).await;
    let setting = Setting {
        id: experiment.id.to_owned(),
        title: experiment.title.to_owned(),
        backend: one.against.name().to_owned(),
        ..Setting::default()
    };
    for figure in figures {
        println!("{}", serde_json::to_string(&Row::new(setting.clone(), figure))?);
    }
    Ok(())
}

/// Starts `command`, which runs one experiment, and waits for its rows.
pub(crate) async fn watch(id: &str, mut command: Command, limit: Duration) -> Result<Vec<Row>> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.kill_on_drop(true).spawn()?;
    let (output, errors) = (child.stdout.take(), child.stderr.take());
    let (output, errors) = output.zip(errors).context("it has no output")?;
    let all = async { tokio::join!(text(output), last_lines(id, errors), child.wait()) };
    let ended = timeout(limit, all).await;
    let (text, said, status) = ended.with_context(|| format!("it did not end in {limit:?}"))?;
    let status = status?;
    if !status.success() {
        bail!("{status}: {}", said.join(" ¶ "));
    }
    let rows = text?.lines().map(serde_json::from_str).collect::<Result<Vec<Row>, _>>()?;
    if rows.is_empty() {
        bail!("it measured nothing");
    }
    Ok(rows)
}

async fn text(mut from: impl AsyncRead + Unpin) -> std::io::Result<String> {
    let mut text = String::new();
    from.read_to_string(&mut text).await?;
    Ok(text)
}

/// Passes progress on, and keeps the last of the rest.
async fn last_lines(id: &str, from: impl AsyncRead + Unpin) -> Vec<String> {
    let (mut lines, mut last) = (BufReader::new(from).lines(), VecDeque::new());
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(progress) = line.strip_prefix(PROGRESS) {
            eprintln!("        {id:<4} {progress}");
            continue;
        }
        last.push_back(line);
        if last.len() > LAST_LINES {
            last.pop_front();
        }
    }
    last.into()
}
