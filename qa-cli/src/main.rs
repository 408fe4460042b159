//! `qa`: the connections of a trading system, looked at, served, and shown to hold.

mod alarm;
mod bench;
mod certificate;
mod check;
mod cli;
mod completions;
mod config;
mod demo;
mod doctor;
mod looking;
mod output;
mod probe;
mod said;
mod screen;
mod serve;
mod signals;
mod source;
mod survey;
mod watch;
mod words;

use clap::Parser;
use cli::{Cli, Command};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// What is wrong with how the command was called or configured, as opposed to how it went.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// It went as it should, and what it has found is bad; that is said already.
#[derive(Debug, thiserror::Error)]
#[error("something is wrong")]
pub(crate) struct Bad;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    log(cli.verbose, &cli.command);
    match run(cli.command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<Bad>() => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{} {error:#}", output::error());
            ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
        }
    }
}

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Check(options) => check::run(options).await,
        Command::Doctor(options) => doctor::run(options).await,
        Command::Watch(options) => watch::run(options).await,
        Command::Serve(options) => serve::run(options).await,
        Command::Bench(options) => bench::run(options).await,
        Command::Completions(options) => {
            completions::run(&options);
            Ok(())
        }
        Command::Config(options) => config::run(&options),
        Command::Demo(options) => demo::run(options).await,
    }
}

/// The log goes to standard error: nothing but errors, unless asked for. A service tells of every state
/// change.
fn log(verbose: u8, command: &Command) {
    let least = if matches!(command, Command::Serve(_)) { 2 } else { 0 };
    let default = ["error", "warn", "info", "debug"][usize::from(verbose.clamp(least, 3))];
    // What the drivers say of a server that is away is in our own words elsewhere.
    let quiet = format!("{default},lapin=off");
    let filter = EnvFilter::try_from_env("QA_LOG").unwrap_or_else(|_| EnvFilter::new(quiet));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(console::colors_enabled_stderr())
        .with_writer(std::io::stderr)
        .init();
}
