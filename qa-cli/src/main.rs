//! `qa`: the whole promise of qa-resource on real servers and real prices.

mod cli;
mod config;
mod demo;
mod output;

use clap::Parser;
use cli::{Cli, Command};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// What is wrong with how the command was called or configured, as opposed to how it went.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    log(cli.verbose);
    let outcome = match cli.command {
        Command::Demo(options) => demo::run(options).await,
        Command::Config(options) => config::run(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{} {error:#}", output::bad("error:"));
            ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
        }
    }
}

/// The log goes to standard error: nothing but errors, unless asked for.
fn log(verbose: u8) {
    let default = ["error", "warn", "info", "debug"][usize::from(verbose.min(3))];
    // The demo breaks a server on purpose: what qa-resource says of that is in its timeline.
    let quiet = format!("{default},lapin=off");
    let filter = EnvFilter::try_from_env("QA_LOG").unwrap_or_else(|_| EnvFilter::new(quiet));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(console::colors_enabled_stderr())
        .with_writer(std::io::stderr)
        .init();
}
