//! Where a value came from.

use super::ConfigError;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// Where a value of a [`Config`](super::Config) came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Origin {
    /// Nobody set it.
    #[default]
    Default,
    /// The configuration file.
    File {
        /// Its name.
        file: String,
        /// The line, from 1.
        line: usize,
    },
    /// An environment variable, of this name.
    Variable(String),
    /// A file that holds this one secret.
    SecretFile {
        /// The file.
        path: PathBuf,
        /// What names the file.
        named_by: Box<Self>,
    },
}

impl Origin {
    /// An error of the value that came from here.
    pub(super) fn error(&self, message: String) -> ConfigError {
        match self {
            Self::File { file, line } => {
                ConfigError::File { file: file.clone(), line: *line, message }
            }
            Self::Variable(variable) => {
                ConfigError::Variable { variable: variable.clone(), message }
            }
            Self::SecretFile { named_by, .. } => named_by.error(message),
            Self::Default => ConfigError::Variable { variable: "(none)".to_owned(), message },
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { file, line } => write!(f, "{file}:{line}"),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::SecretFile { path, named_by } => {
                write!(f, "file {} (named by {named_by})", path.display())
            }
        }
    }
}

/// The origins of one resource's values, by key; what is not there is a default.
pub(super) type Origins = BTreeMap<String, Origin>;

/// Where the values of a configuration came from, and what its certificates were. Made by loading
/// it; a configuration that was made in code has none.
#[derive(Clone, Default)]
pub struct Sources {
    pub(super) shutdown_timeout: Origin,
    /// By the resource's name.
    pub(super) resources: BTreeMap<String, Origins>,
}

impl Sources {
    /// Where the value of a resource's key came from.
    pub(super) fn of(&self, resource: &str, key: &str) -> Origin {
        let origins = self.resources.get(resource);
        origins.and_then(|origins| origins.get(key)).cloned().unwrap_or_default()
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(&self.resources).finish()
    }
}
