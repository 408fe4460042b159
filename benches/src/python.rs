//! The peers that are Python: scripts, and their packages in pinned versions.

use crate::peers::folder;
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio::time::timeout;

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python");
const PACKAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python/requirements.txt");
/// For packages that have to be fetched.
const LIMIT: Duration = Duration::from_secs(300);

/// What starts the peer of this name, of this script.
pub(crate) async fn command(script: &str, name: &str) -> Result<Command> {
    let mut command = Command::new(python().await?);
    // What the scripts share is compiled anew rather than left in the source.
    command.env("PYTHONDONTWRITEBYTECODE", "1").arg(Path::new(SCRIPTS).join(script)).arg(name);
    Ok(command)
}

/// A Python that has the packages, for this time and the next ones.
async fn python() -> Result<PathBuf> {
    let venv = folder("python")?;
    let (python, installed) = (venv.join("bin/python"), venv.join("installed.txt"));
    let wanted = std::fs::read_to_string(PACKAGES).context(PACKAGES)?;
    if std::fs::read_to_string(&installed).is_ok_and(|packages| packages == wanted) {
        return Ok(python);
    }
    eprintln!("     installing the Python peers");
    run(Path::new("python3"), &["-m", "venv", &venv.display().to_string()]).await?;
    let install =
        ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", PACKAGES];
    run(&python, &install).await?;
    std::fs::write(&installed, wanted)?;
    Ok(python)
}

async fn run(program: &Path, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new(program);
    let command = command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(LIMIT, command.output()).await;
    let output =
        output.with_context(|| format!("{} took more than {LIMIT:?}", program.display()))??;
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.trim().lines().last().unwrap_or_default();
    ensure!(output.status.success(), "{} {}: {last}", program.display(), arguments.join(" "));
    Ok(())
}
