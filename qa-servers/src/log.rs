//! The end of a server's log, for an error that says why it did not start.

use crate::Error;
use crate::address::Address;

/// How many lines an error shows.
const LINES: usize = 15;

/// Turns what the wait for a new server saw into an error that shows the end of the log.
pub(crate) fn explain(error: Error, log: &[u8], address: &Address) -> Error {
    let (system, reason) = match error {
        Error::Start { system, reason, .. } => (system, reason),
        Error::NotReady { system, limit, reason, .. } => {
            (system, format!("no login within {limit:?}: {reason}"))
        }
        other => return other,
    };
    let text = address.redact(&String::from_utf8_lossy(log));
    let lines: Vec<&str> = text.lines().collect();
    let log = lines[lines.len().saturating_sub(LINES)..].join("\n");
    Error::Start { system, reason, log }
}
