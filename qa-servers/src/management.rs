//! RabbitMQ's management plugin: virtual hosts, and any other question.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::time::timeout;

use crate::address::Address;
use crate::speak::http;
use crate::{Error, System};

const LIMIT: Duration = Duration::from_secs(20);
const EVERYTHING: &str = r#"{"configure":".*","write":".*","read":".*"}"#;

/// Makes the virtual host, gives the user every right in it, and returns its URL.
pub(crate) async fn create(address: &Address, name: &str) -> Result<String, Error> {
    let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let (vhost, user) = (encode(name), encode(&address.user));
    ask(address, "PUT", &format!("/api/vhosts/{vhost}"), "").await?;
    ask(address, "PUT", &format!("/api/permissions/{vhost}/{user}"), EVERYTHING).await?;
    Ok(address.vhost_url(name))
}

/// Sends one request and returns the body of its answer.
pub(crate) async fn ask(
    address: &Address,
    method: &str,
    path: &str,
    body: &str,
) -> Result<String, Error> {
    let refused = |reason: String| Error::Refused {
        system: System::RabbitMq,
        what: "answer through its management plugin",
        reason: address.redact(&reason),
    };
    let Some(port) = address.management else {
        return Err(refused("it has no management port".to_owned()));
    };
    timeout(LIMIT, http::request(address, port, method, path, body))
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {LIMIT:?}")))
        .map_err(refused)
}
