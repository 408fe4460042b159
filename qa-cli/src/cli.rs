//! The command line.

use crate::bench::Bench;
use crate::check::Check;
use crate::completions::Completions;
use crate::doctor::Doctor;
use crate::serve::Serve;
use crate::watch::Watch;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// The connections of a trading system, kept.
#[derive(Debug, Parser)]
#[command(name = "qa", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// Say more on standard error: -v warnings, -vv every state change, -vvv all (or set `QA_LOG`)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Connects everything that is configured, and shows how it stands
    Check(Check),
    /// Says in words what is wrong with what is configured, and what to do
    Doctor(Doctor),
    /// Shows how everything stands, as it changes
    Watch(Watch),
    /// Answers health, status and metrics over HTTP
    Serve(Serve),
    /// Measures the round trip to everything that is configured
    Bench(Bench),
    /// Prints what a shell needs to complete this command line
    Completions(Completions),
    /// Sends real prices through MongoDB, RabbitMQ, ClickHouse and Redis, kills one of them in the
    /// middle, and shows that nothing is lost
    ///
    /// Each bar is published to a durable queue with a confirm, consumed, upserted into MongoDB,
    /// inserted into ClickHouse, and turned into a signal in Redis. Then everything is read back and
    /// compared with the file.
    #[command(after_help = EXAMPLES)]
    Demo(Demo),
    /// Prints what a configuration comes to, and where each value came from; secrets are masked
    #[command(after_help = crate::config::EXAMPLES)]
    Config(crate::config::Options),
}

const EXAMPLES: &str = "Examples:
  qa demo                              start four servers, kill RabbitMQ midway
  qa demo --break mongo                kill MongoDB instead
  qa demo --file data/goog_1d.csv      one file of one's own instead of the two that come with it
  qa demo --config qa.toml             use one's own servers; nothing is killed

Exit codes: 0 all reconciled, 1 something failed or does not match, 2 bad usage or configuration.
Colour is used on a terminal unless NO_COLOR is set.";

#[derive(Args, Debug)]
pub(crate) struct Demo {
    /// The server to kill midway and start again [default: rabbitmq; none with --config]
    #[arg(long = "break", value_enum, value_name = "SERVER")]
    pub(crate) breaks: Option<Break>,
    /// How long the killed server stays down
    #[arg(long, default_value = "3s", value_parser = duration, value_name = "TIME")]
    pub(crate) down: Duration,
    /// A CSV file with the columns time, Open, High, Low, Close, Volume; its name up to the first _
    /// is the code. May be given more than once [default: the two files in data/]
    #[arg(long, value_name = "CSV")]
    pub(crate) file: Vec<PathBuf>,
    /// Use the servers of this configuration instead of starting some
    #[arg(long, value_name = "TOML")]
    pub(crate) config: Option<PathBuf>,
}

/// What the demo kills.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Break {
    Rabbitmq,
    Mongo,
    Clickhouse,
    Redis,
    None,
}

impl Demo {
    /// What is to be killed: nobody kills another's servers.
    pub(crate) fn to_break(&self) -> Break {
        let default = if self.config.is_some() { Break::None } else { Break::Rabbitmq };
        self.breaks.unwrap_or(default)
    }
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; write it like 3s or 500ms"))
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
    fn nothing_is_killed_by_default_on_servers_of_ones_own() {
        let parse = |arguments: &[&str]| {
            let cli = Cli::try_parse_from([&["qa", "demo"], arguments].concat()).unwrap();
            let Command::Demo(demo) = cli.command else { panic!("{arguments:?}") };
            demo.to_break()
        };
        assert_eq!(parse(&[]), Break::Rabbitmq);
        assert_eq!(parse(&["--config", "qa.toml"]), Break::None);
        assert_eq!(parse(&["--break", "redis"]), Break::Redis);
    }
}
