//! Ours beside everyone else's: real servers, the same run, in turns; and the table that is made of it.
//!
//! `cargo run --release -p benches -- --help`
//!
//! A benchmark is a file in `contests`, with a function that holds its contests, and a line in
//! `catalogue.rs`. A contest has one party that is ours and some that are not; each does the same work, a
//! round at a time, in turns. What decides is the ratio within a round: what slows a round slows all.

mod bench;
mod budget;
#[path = "../shared/callgrind.rs"]
mod callgrind;
mod catalogue;
mod child;
mod cli;
mod compare;
mod contest;
mod contests;
mod headlines;
#[path = "../../integration-tests/src/bin/experiments/host.rs"]
mod host;
mod known;
#[path = "../shared/nothing.rs"]
mod nothing;
mod page;
mod parties;
mod peers;
mod plot;
mod python;
mod row;
mod run;
mod samples;
mod servers;
mod spread;
mod table;

use clap::Parser;
use cli::{Cli, Command};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match &cli.command {
        Some(Command::List) => {
            catalogue::list();
            Ok(true)
        }
        Some(Command::Page { out }) => {
            table::render(out.as_deref().unwrap_or(Path::new("docs"))).map(|()| true)
        }
        Some(Command::Compare { one, other }) => compare::compare(one, other),
        Some(Command::Party { name }) => {
            run::in_a_task(parties::serve(name.clone())).map(|()| true)
        }
        None => run::in_a_task(run::run(cli)),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("benches: {error:#}");
            ExitCode::from(2)
        }
    }
}
