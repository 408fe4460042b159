//! RabbitMQ's virtual hosts, through the management plugin.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::time::timeout;

use crate::address::Address;
use crate::speak::{Answer, http};
use crate::{Error, System};

const LIMIT: Duration = Duration::from_secs(20);
const EVERYTHING: &str = r#"{"configure":".*","write":".*","read":".*"}"#;

/// Makes the virtual host, gives the user every right in it, and returns its URL.
pub(crate) async fn create(address: &Address, name: &str) -> Result<String, Error> {
    timeout(LIMIT, put(address, name))
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {LIMIT:?}")))
        .map_err(|reason| Error::Refused {
            system: System::RabbitMq,
            what: "make a virtual host through its management plugin",
            reason: address.redact(&reason),
        })?;
    Ok(address.vhost_url(name))
}

async fn put(address: &Address, name: &str) -> Answer<()> {
    let port = address.management.ok_or("it has no management port")?;
    let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let (vhost, user) = (encode(name), encode(&address.user));
    let path = format!("/api/vhosts/{vhost}");
    http::request(address, port, "PUT", &path, "").await?;
    let path = format!("/api/permissions/{vhost}/{user}");
    http::request(address, port, "PUT", &path, EVERYTHING).await.map(drop)
}
