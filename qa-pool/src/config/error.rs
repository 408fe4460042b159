//! What is wrong with a configuration, and where; never the value, which may be a password.

use std::path::PathBuf;

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file can't be read.
    #[error("cannot read {0}: {1}")]
    Read(PathBuf, #[source] std::io::Error),
    /// Something in the file is wrong.
    #[error("{file}:{line}: {message}")]
    File {
        /// The file's name.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong, and what is allowed.
        message: String,
    },
    /// Something in an environment variable is wrong.
    #[error("environment variable {variable}: {message}")]
    Variable {
        /// Its name.
        variable: String,
        /// What is wrong, and what is allowed.
        message: String,
    },
}

/// A parser's message without the value that it quotes: of "invalid type: string \"x\", expected
/// a number" only what was expected is kept.
pub(crate) fn without_value(message: &str) -> String {
    let shows_value = message.starts_with("invalid ") || message.contains('"');
    if !shows_value {
        return message.lines().next().unwrap_or_default().to_owned();
    }
    match message.rsplit_once("expected ") {
        Some((_, expected)) if !expected.contains('"') => format!("the value is not {expected}"),
        _ => "the value can't be used".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_value_is_left_out() {
        for (message, expected) in [
            ("invalid type: string \"hunter2\", expected u32", "the value is not u32"),
            (
                "invalid value: string \"hunter2\", expected a duration",
                "the value is not a duration",
            ),
            ("unknown field `x`, expected `y`", "unknown field `x`, expected `y`"),
            ("something with \"hunter2\"", "the value can't be used"),
        ] {
            assert_eq!(without_value(message), expected);
        }
    }
}
