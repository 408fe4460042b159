//! One command to one Redis, which follows nobody to another node.

use std::time::Duration;

use qa_servers::Server;
use qa_servers::testing::within;

use crate::clients;

/// Logs in, runs one command, and returns its answer as it came, with plain line ends.
pub(crate) async fn redis(server: &Server, command: &str) -> String {
    let answer = within(command, Duration::from_secs(30), clients::redis(server, command)).await;
    let answer = answer.replace("\r\n", "\n");
    let own = answer.strip_prefix("+OK\n").and_then(|rest| rest.strip_suffix("+OK\n"));
    own.unwrap_or_else(|| panic!("no login or no end: {answer}")).trim_end().to_owned()
}
