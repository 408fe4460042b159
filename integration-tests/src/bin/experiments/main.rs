//! The experiments: real faults on real servers, measured, and the table that is made of it.
//!
//! `cargo run --release -p integration-tests --bin experiments -- --help`
//!
//! Each experiment runs in a process of its own, once per backend, so that threads, file
//! descriptors, logs and metrics are its own, and it may stop or kill itself. What else may run
//! beside it is said in `catalogue.rs`. To add one: a function in a file here that takes a
//! [`Run`](run::Run) and gives its figures, and a line in that catalogue.

mod behind;
mod black_hole;
mod broker;
mod cancelled;
mod catalogue;
mod census;
mod changes;
mod child;
mod cli;
mod cold;
mod elections;
mod fairness;
mod frozen;
mod half_open;
mod herd;
mod host;
mod keys;
mod leaks;
mod limit;
mod lines;
mod load;
mod machine;
mod model;
mod moments;
mod ordered;
mod overload;
mod pair;
mod passing;
mod races;
mod redaction;
mod restart;
mod rotated;
mod run;
mod scene;
mod schedule;
mod shaky;
mod silent_door;
mod soak;
mod steady;
mod stopped;
mod storm;
mod table;
mod ugly;
mod virtual_time;

#[path = "../../../../qa-resource-core/tests/common/mod.rs"]
mod scripted;

use clap::Parser;
use cli::{Cli, Command};
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match &cli.command {
        Some(Command::List) => {
            catalogue::list();
            Ok(true)
        }
        Some(Command::One(one)) => child::run(one).await.map(|()| true),
        Some(Command::Hold(hold)) => keys::hold(hold).await.map(|()| true),
        None => schedule::run(&cli).await,
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("experiments: {error:#}");
            ExitCode::from(2)
        }
    }
}
