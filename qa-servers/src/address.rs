//! Where a server listens and how to log in.

use std::fmt;
use std::sync::Arc;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::environment::variable;
use crate::secret::random_hex;
use crate::speak::Tls;
use crate::{Error, Options, System};

/// The user that every server of ours has.
const USER: &str = "app";

/// Address and login of one server.
#[derive(Clone)]
pub(crate) struct Address {
    pub(crate) system: System,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) password: String,
    /// The port of RabbitMQ's management plugin.
    pub(crate) management: Option<u16>,
    /// The text of the key file with which MongoDB's nodes know each other.
    pub(crate) key: String,
    /// One of several: it serves also while another leads.
    pub(crate) member: bool,
    /// The most clients that it serves, where it was told so.
    pub(crate) most_clients: Option<u32>,
    /// How to speak TLS there, if the clients' port does.
    pub(crate) tls: Option<Arc<dyn Tls>>,
    /// The URL from the environment, given on as it is.
    given: Option<String>,
}

impl Address {
    /// A new server on a loopback port, with a new password.
    pub(crate) fn local(system: System, port: u16, management: Option<u16>) -> Result<Self, Error> {
        Ok(Self {
            system,
            host: "127.0.0.1".to_owned(),
            port,
            user: USER.to_owned(),
            password: random_hex(12)?,
            management,
            key: random_hex(32)?,
            member: false,
            most_clients: None,
            tls: None,
            given: None,
        })
    }

    /// The same, with what the options say of the server itself.
    pub(crate) fn with(self, options: Options) -> Self {
        Self { most_clients: options.most_clients, ..self }
    }

    /// A node of the cluster in which all have this login, on a loopback port of its own.
    pub(crate) fn member(&self, port: u16) -> Self {
        Self { port, member: true, ..self.clone() }
    }

    /// The server that the environment names, if it names one.
    pub(crate) fn from_environment(system: System) -> Result<Option<Self>, Error> {
        let Some(url) = variable(system.url_variable()) else {
            return Ok(None);
        };
        Self::parse(system, &url).map(Some).map_err(|reason| Error::Url {
            variable: system.url_variable(),
            system,
            reason,
        })
    }

    /// Reads a URL by hand: no URL parser knows MongoDB's lists of hosts.
    fn parse(system: System, url: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = url.split_once("://").ok_or("it has no scheme")?;
        let default_port = default_port(system, scheme).ok_or("the scheme is of another system")?;
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let (login, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let first = hosts.split(',').next().unwrap_or_default();
        let (host, port) = match first.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| "its port is not a number")?),
            None => (first, default_port),
        };
        if host.is_empty() {
            return Err("it names no host");
        }
        Ok(Self {
            system,
            host: host.to_owned(),
            port,
            user: decode(user)?,
            password: decode(password)?,
            management: Some(management_port()?),
            key: String::new(),
            member: false,
            most_clients: None,
            tls: None,
            given: Some(url.to_owned()),
        })
    }

    /// Whether our small speakers can log in there: they know no TLS.
    pub(crate) fn is_plain(&self) -> bool {
        let Some(url) = &self.given else { return true };
        let scheme = url.split("://").next().unwrap_or_default();
        let tls = url.contains("tls=true") || url.contains("ssl=true");
        !tls && matches!(scheme, "mongodb" | "amqp" | "clickhouse" | "http" | "redis")
    }

    /// Host and port, as nodes name each other.
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The URL that a client connects to.
    pub(crate) fn url(&self) -> String {
        if let Some(url) = &self.given {
            return url.clone();
        }
        let Self { host, port, user, password, .. } = self;
        let (s, tls) = self.marks();
        match self.system {
            System::MongoDb => format!(
                "mongodb://{user}:{password}@{host}:{port}/?authSource=admin&directConnection=true{tls}"
            ),
            System::RabbitMq => self.vhost_url("/"),
            System::ClickHouse => {
                format!("clickhouse{s}://{user}:{password}@{host}:{port}/default")
            }
            System::Redis => format!("redis{s}://{user}:{password}@{host}:{port}/0"),
        }
    }

    /// The AMQP URL of one virtual host.
    pub(crate) fn vhost_url(&self, vhost: &str) -> String {
        let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let (s, _) = self.marks();
        format!(
            "amqp{s}://{}:{}@{}:{}/{}",
            encode(&self.user),
            encode(&self.password),
            self.host,
            self.port,
            encode(vhost),
        )
    }

    /// What a URL has where the port speaks TLS: a scheme's last letter, or an option.
    fn marks(&self) -> (&'static str, &'static str) {
        if self.tls.is_some() { ("s", "&tls=true") } else { ("", "") }
    }

    /// The text without the password, for logs that the server wrote itself.
    pub(crate) fn redact(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in [&self.password, &self.key] {
            if !secret.is_empty() {
                text = text.replace(secret.as_str(), "***");
            }
        }
        text
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every field is named, so that a new secret cannot slip in by itself.
        let Self {
            system,
            host,
            port,
            user,
            password: _,
            management,
            key: _,
            member,
            most_clients,
            tls,
            given: _,
        } = self;
        f.debug_struct("Address")
            .field("system", system)
            .field("host", host)
            .field("port", port)
            .field("user", user)
            .field("management", management)
            .field("member", member)
            .field("most_clients", most_clients)
            .field("tls", &tls.is_some())
            .finish_non_exhaustive()
    }
}

/// The port of the management plugin of a RabbitMQ that the environment names.
fn management_port() -> Result<u16, &'static str> {
    let given = variable("QA_TEST_RABBITMQ_MANAGEMENT_PORT");
    let port = given.map_or(Ok(15672), |port| port.parse());
    port.map_err(|_| "the QA_TEST_RABBITMQ_MANAGEMENT_PORT beside it is not a port")
}

fn default_port(system: System, scheme: &str) -> Option<u16> {
    match (system, scheme) {
        (System::MongoDb, "mongodb" | "mongodb+srv") => Some(27017),
        (System::RabbitMq, "amqp") => Some(5672),
        (System::RabbitMq, "amqps") => Some(5671),
        (System::ClickHouse, "clickhouse" | "http") => Some(8123),
        (System::ClickHouse, "clickhouses" | "https") => Some(8443),
        (System::Redis, "redis" | "rediss") => Some(6379),
        _ => None,
    }
}

fn decode(text: &str) -> Result<String, &'static str> {
    let text = percent_decode_str(text).decode_utf8();
    text.map(Into::into).map_err(|_| "its login is not utf-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_of_the_environment_is_taken_apart_and_given_on_as_it_is() {
        let url = "mongodb://us%40er:p%3Aw@one:1,two:2/?replicaSet=r";
        let address = Address::parse(System::MongoDb, url).unwrap();
        assert_eq!((address.host.as_str(), address.port), ("one", 1));
        assert_eq!((address.user.as_str(), address.password.as_str()), ("us@er", "p:w"));
        assert_eq!(address.url(), url);
        assert!(address.is_plain());
        let tls = Address::parse(System::Redis, "rediss://h").unwrap();
        assert_eq!((tls.port, tls.is_plain()), (6379, false));
    }

    #[test]
    fn a_bad_url_is_refused_without_being_shown() {
        for url in ["hunter2", "redis://:hunter2@", "amqp://hunter2@h", "redis://h:hunter2"] {
            let reason = Address::parse(System::Redis, url).unwrap_err();
            assert!(!reason.contains("hunter2"), "{reason}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let address = Address::local(System::MongoDb, 1, None).unwrap();
        let text = format!("{address:?}");
        assert!(!text.contains(&address.password) && !text.contains(&address.key), "{text}");
        assert_eq!(address.redact(&format!("x {} y", address.password)), "x *** y");
    }

    #[test]
    fn a_virtual_host_is_escaped_in_its_url() {
        let address = Address::local(System::RabbitMq, 5, None).unwrap();
        assert!(address.url().ends_with("@127.0.0.1:5/%2F"), "{}", address.url());
        assert!(address.vhost_url("a/b").ends_with("/a%2Fb"));
    }
}
