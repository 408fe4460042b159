//! The command line.

use crate::run::Against;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

/// Breaks real servers, measures what our resources make of it, and writes the table of results.
#[derive(Debug, Parser)]
#[command(name = "experiments", max_term_width = 100, after_help = EXAMPLES)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// The experiments to run, such as E1 e20 [default: all]
    #[arg(value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// Only against this backend; may be given more than once [default: all]
    #[arg(long, value_enum, value_name = "BACKEND")]
    pub(crate) backend: Vec<Against>,
    /// Fewer repetitions and shorter faults, for a quick look; writes no table unless --out is given
    #[arg(long)]
    pub(crate) short: bool,
    /// How long the soak (E28) lasts [default: 10m, and 20s with --short]
    #[arg(long, value_parser = duration, value_name = "TIME")]
    pub(crate) soak: Option<Duration>,
    /// How many of those that mostly wait run at once, beside a busy one
    #[arg(long, default_value_t = 3, value_name = "N")]
    pub(crate) jobs: usize,
    /// Where experiments.md and experiments.json are written [default: docs]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
}

const EXAMPLES: &str = "Examples:
  experiments                           all of them, and write the table
  experiments E1 E3 --backend redis     two of them against one backend; the other rows stay
  experiments --short                   all of them in their short form; writes nothing
  experiments E28 --soak 2h             the soak, for longer

Servers come from where the tests get theirs: QA_TEST_PROVIDER and QA_TEST_<SYSTEM>_URL choose.
Exit codes: 0 every criterion holds, 1 some do not, 2 bad usage or it could not be run.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lists the experiments
    List,
    /// Runs one experiment in this process and prints its figures as JSON
    #[command(hide = true)]
    One(One),
    /// Holds a lock again and again, for E32
    #[command(hide = true)]
    Hold(Hold),
}

/// A process of holders; its server's URL is in `QA_HOLDER_URL`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Hold {
    #[arg(long)]
    pub(crate) tasks: usize,
    #[arg(long, value_parser = duration)]
    pub(crate) ttl: Duration,
}

/// One experiment on one backend.
#[derive(Args, Clone, Debug)]
pub(crate) struct One {
    pub(crate) id: String,
    #[arg(value_enum)]
    pub(crate) against: Against,
    #[arg(long)]
    pub(crate) short: bool,
    #[arg(long, value_parser = duration)]
    pub(crate) soak: Option<Duration>,
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; write it like 10m or 90s"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn ids_and_the_hidden_command_are_told_apart() {
        let cli = Cli::parse_from(["experiments", "E1", "E3", "--backend", "redis"]);
        assert!(cli.command.is_none());
        assert_eq!((cli.ids.len(), cli.backend), (2, vec![Against::Redis]));
        let cli = Cli::parse_from(["experiments", "one", "E1", "mongodb", "--short"]);
        assert!(matches!(cli.command, Some(Command::One(one)) if one.short));
    }
}
