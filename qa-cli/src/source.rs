//! Where a command's configuration comes from.

use crate::Usage;
use clap::Args;
use qa_pool::{Config, ResourcePool};
use std::path::PathBuf;

/// The configuration of a command: a file, or the environment.
#[derive(Args, Debug)]
pub(crate) struct Source {
    /// The configuration file; the environment's `QA_<NAME>_URL` where there is none.
    // The help's brackets would be a link in a document.
    #[arg(
        value_name = "FILE",
        help = "The configuration [default: the environment's QA_<NAME>_URL]"
    )]
    pub(crate) file: Option<PathBuf>,
}

impl Source {
    /// Reads it.
    pub(crate) fn read(&self) -> anyhow::Result<Config> {
        let config = match &self.file {
            Some(file) => Config::from_file(file),
            None => Config::from_env(),
        };
        let config = config.map_err(|error| Usage(error.to_string()))?;
        if config.resources.is_empty() {
            let nothing = match &self.file {
                Some(file) => format!("{} has no [[resource]]", file.display()),
                None => "no resource is configured: give a FILE, or set QA_<NAME>_URL in the \
                         environment, such as QA_CACHE_URL=redis://localhost"
                    .to_owned(),
            };
            return Err(Usage(nothing).into());
        }
        Ok(config)
    }
}

/// A pool of what is configured. No I/O.
pub(crate) fn pool(config: &Config) -> anyhow::Result<ResourcePool> {
    Ok(ResourcePool::from_config(config).map_err(|error| Usage(error.to_string()))?)
}
