//! `qa config`: what is in force, and where each value came from.

use crate::output::say;
use crate::{Usage, output};
use clap::Args;
use qa_pool::{Config, ConfigValue, ResourcePool};
use std::path::PathBuf;

pub(crate) const EXAMPLES: &str = "Examples:
  qa config qa.toml                    a table of every value, and where it came from
  qa config qa.toml --json             the same for programs
  qa config                            what the variables QA_<NAME>_URL make
  qa config --quantaxis                what the variables of a QUANTAXIS deployment make
  qa config --schema > qa.schema.json  the JSON schema of the file, for an editor

Secrets are shown as ***. Nothing is connected.
Exit codes: 0 the configuration is good, 2 it is not, or bad usage.";

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The configuration [default: none, the environment alone]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// The variables that QUANTAXIS deployments set, such as MONGODB, instead of a file
    #[arg(long, conflicts_with = "file")]
    quantaxis: bool,
    /// Print JSON: an array of resource, key, value and origin
    #[arg(long)]
    json: bool,
    /// Print the JSON schema of the file, and nothing else
    #[arg(long, conflicts_with_all = ["file", "quantaxis", "json"])]
    schema: bool,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    if options.schema {
        say!("{}", serde_json::to_string_pretty(&Config::schema())?);
        return Ok(());
    }
    let config = load(options).map_err(|error| Usage(error.to_string()))?;
    // What a backend says of its URL belongs to a check, too.
    ResourcePool::from_config(&config).map_err(|error| Usage(error.to_string()))?;
    let values = config.values();
    if options.json {
        say!("{}", serde_json::to_string_pretty(&values)?);
    } else {
        let header = ["resource", "key", "value", "from"];
        say!("{}", output::table(&header, header.len(), values.into_iter().map(row)));
    }
    Ok(())
}

fn load(options: &Options) -> Result<Config, qa_pool::ConfigError> {
    match &options.file {
        Some(file) => Config::from_file(file),
        None if options.quantaxis => Config::from_quantaxis_env(),
        None => Config::from_env(),
    }
}

fn row(value: ConfigValue) -> Vec<String> {
    let ConfigValue { resource, key, value, origin, .. } = value;
    vec![resource.unwrap_or_default(), key, value, origin.to_string()]
}
