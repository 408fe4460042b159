//! The peers that are Rust: a program of a workspace of its own, built when it is first needed.

use anyhow::{Context, Result, ensure};
use std::env;
use std::path::{Path, PathBuf};
use tokio::process::Command;

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/Cargo.toml");

/// The program, once it is built.
#[derive(Default)]
pub(crate) struct Peers {
    program: Option<PathBuf>,
}

impl Peers {
    /// What starts the peer of this name.
    pub(crate) async fn command(&mut self, name: &str) -> Result<Command> {
        let program = match &self.program {
            Some(program) => program.clone(),
            None => self.program.insert(build().await?).clone(),
        };
        let mut command = Command::new(program);
        command.arg(name);
        Ok(command)
    }
}

/// A folder of our own beside our program's.
pub(crate) fn folder(name: &str) -> Result<PathBuf> {
    let program = env::current_exe()?;
    let target = program.parent().and_then(Path::parent).context("we are in no folder")?;
    Ok(target.join(name))
}

/// Builds it as this program was built.
async fn build() -> Result<PathBuf> {
    eprintln!("     building the peers");
    let target = folder("peers")?;
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--locked", "--quiet", "--manifest-path", MANIFEST, "--target-dir"]);
    command.arg(&target).env_remove("CARGO_TARGET_DIR").kill_on_drop(true);
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    if profile == "release" {
        command.arg("--release");
    }
    let status = command.status().await.context("starting cargo, to build the peers")?;
    ensure!(status.success(), "the peers could not be built; cargo's error is above");
    Ok(target.join(profile).join("peers"))
}
