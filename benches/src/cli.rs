//! The command line.

use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// Measures ours beside its peers, in the same run and in turns, and writes the table of results.
#[derive(Debug, Parser)]
#[command(name = "benches", max_term_width = 100, after_help = EXAMPLES)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// The benchmarks to run, such as B1 b3 [default: all]
    #[arg(value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// Little work and two rounds, to see that it works; writes no table unless --out is given
    #[arg(long)]
    pub(crate) short: bool,
    /// Rounds that count, after one that warms up; slow benchmarks take fewer, 10, and builds at most 3
    /// [default: 21, and 2 with --short]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) rounds: Option<u32>,
    /// How often all of it is gone through, with a share of the rounds and servers of its own each time: what
    /// a machine does for minutes is in the spread then [default: 3, and 1 with --short]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) laps: Option<u32>,
    /// Only the contests whose title has this in it; writes no table
    #[arg(long, value_name = "TEXT", conflicts_with = "out")]
    pub(crate) only: Option<String>,
    /// Where benchmarks.md, benchmarks.json and the plots are written [default: docs]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
}

const EXAMPLES: &str = "Examples:
  benches                    all of them, and write the table
  benches B2 B3              two of them; the other rows stay
  benches --short            all of them with little work; writes nothing
  benches B2 --only run      of one, what goes through `run`, to look into it; writes nothing
  benches page               write the page anew, from the rows that are there
  benches compare docs old   whether two runs agree within their spread

Servers come from where the tests get theirs: QA_TEST_PROVIDER and QA_TEST_<SYSTEM>_URL choose.
The peers are built, and Python's are installed, when a benchmark first needs them.
Exit codes: 0 every budget holds, 1 some do not, 2 bad usage or it could not be run.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lists the benchmarks
    List,
    /// Writes the page and the plots anew, from the rows that are there
    Page {
        /// Where the rows are, and the page is written [default: docs]
        #[arg(long, value_name = "FOLDER")]
        out: Option<PathBuf>,
    },
    /// Whether two runs agree: the same rows, and quartiles that meet; prints what does not, and exits with 1
    /// where something does not. A row that is a single figure has no quartiles: it is printed, and not judged
    Compare {
        /// The folder with one run's benchmarks.json
        one: PathBuf,
        /// The folder with the other's
        other: PathBuf,
    },
    /// Does a round of one party for each line on standard input
    #[command(hide = true)]
    Party { name: String },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
        let cli = Cli::parse_from(["benches", "B1", "b2", "--short", "--rounds", "3"]);
        assert!(cli.command.is_none() && cli.short);
        assert_eq!((cli.ids.len(), cli.rounds), (2, Some(3)));
        for wrong in
            [["--rounds", "0"], ["--rounds", "100001"], ["--laps", "0"], ["--laps", "1001"]]
        {
            assert!(
                Cli::try_parse_from(["benches"].into_iter().chain(wrong)).is_err(),
                "{wrong:?}"
            );
        }
        assert_eq!(Cli::parse_from(["benches", "--laps", "2"]).laps, Some(2));
        let only = ["benches", "B2", "--only", "run"];
        assert_eq!(Cli::parse_from(only).only.as_deref(), Some("run"));
        // A part would stand for the whole.
        let written = only.into_iter().chain(["--out", "docs"]);
        assert!(Cli::try_parse_from(written).is_err());
    }
}
