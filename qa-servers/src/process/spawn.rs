//! Starting a recipe.

use std::fs::OpenOptions;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::recipe::Recipe;
use super::tree::MARK;
use crate::Error;

/// Starts the recipe's program in a process group of its own, with its output in the log.
pub(super) fn spawn(recipe: &Recipe, home: &Path) -> Result<Child, Error> {
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&recipe.log)
        .map_err(Error::io(format!("open {}", recipe.log.display())))?;
    let errors = log.try_clone().map_err(Error::io("share the log file"))?;
    Command::new(&recipe.program)
        .args(&recipe.arguments)
        .envs(recipe.variables.iter().map(|(name, value)| (name, value)))
        .env(MARK, home)
        .current_dir(home)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .process_group(0)
        .spawn()
        .map_err(Error::io(format!("start {}", recipe.program.display())))
}
