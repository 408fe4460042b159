//! `qa completions`: what a shell needs to complete the command line.

use crate::cli::Cli;
use crate::output::put;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

const EXAMPLES: &str = "Examples:
  qa completions bash > /etc/bash_completion.d/qa
  qa completions zsh > \"${fpath[1]}/_qa\"
  qa completions fish > ~/.config/fish/completions/qa.fish";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Completions {
    /// The shell that they are for
    shell: Shell,
}

pub(crate) fn run(options: &Completions) {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Cli::command(), "qa", &mut script);
    put(&script);
}
