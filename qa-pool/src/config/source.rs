//! A table of the file, with the lines that its keys are on.

use super::ConfigError;
use super::error::without_value;
use super::keys::OWN;
use super::origin::Origin;
use serde::Deserialize;
use std::ops::Range;
use toml::{Table, Value};

/// Where a table stands in its file, for errors with a line.
pub(super) struct Source<'a> {
    pub(super) text: &'a str,
    pub(super) file: &'a str,
    pub(super) span: Range<usize>,
}

impl Source<'_> {
    /// Reads a table, with errors that name line and key.
    pub(super) fn read<'de, T: Deserialize<'de>>(&self, table: Table) -> Result<T, ConfigError> {
        serde_path_to_error::deserialize(Value::Table(table)).map_err(|error| {
            let path = error.path().to_string();
            let message = error.inner().message();
            // An unknown key is told by the message, a bad value by the path.
            let unknown =
                message.split('`').nth(1).filter(|_| message.starts_with("unknown field"));
            let key = unknown.map_or(path, str::to_owned);
            let message = match unknown {
                Some(_) => {
                    let own: Vec<_> = OWN.iter().map(|(name, ..)| *name).collect();
                    format!("{message}, or one of a resource's own: {}, tls", own.join(", "))
                }
                None => format!("{key}: {}", without_value(message)),
            };
            self.error(&key, message)
        })
    }

    /// An error at the line where `key` (or its last part) is set, or else where the table begins.
    pub(super) fn error(&self, key: &str, message: impl Into<String>) -> ConfigError {
        self.origin(key).error(message.into())
    }

    /// Where `key` (or its last part, or what that is a part of) is set, or else where the table begins.
    pub(super) fn origin(&self, key: &str) -> Origin {
        let parts = key.rsplit('.').map(|part| self.origin_of(part));
        parts.flatten().next().unwrap_or_else(|| self.at(self.span.start))
    }

    /// Where `key` is set, where it is.
    pub(super) fn origin_of(&self, key: &str) -> Option<Origin> {
        let table = self.text.get(self.span.clone()).unwrap_or_default();
        let is_set = |line: &str| {
            let rest = line.trim_start().strip_prefix(key);
            rest.is_some_and(|rest| rest.trim_start().starts_with('='))
        };
        let mut begin = self.span.start;
        for line in table.split_inclusive('\n') {
            if is_set(line) {
                return Some(self.at(begin));
            }
            begin += line.len();
        }
        None
    }

    fn at(&self, at: usize) -> Origin {
        let before = self.text.get(..at).unwrap_or_default();
        Origin::File { file: self.file.to_owned(), line: before.matches('\n').count() + 1 }
    }

    pub(super) fn error_at(&self, at: usize, message: String) -> ConfigError {
        self.at(at).error(message)
    }
}
