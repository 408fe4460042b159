//! What the URL says, checked before anything is dialled.

use qa_resource_core::{Host, Login, Result, Secret, Target};
use std::time::Duration;

pub(crate) const PORT: u16 = 5672;
pub(crate) const TLS_PORT: u16 = 5671;

const KEYS: [&str; 2] = ["connection_timeout", "heartbeat"];

/// Where and how to connect, taken from a [`Target`].
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) hosts: Vec<Host>,
    pub(crate) vhost: String,
    pub(crate) login: Login,
    pub(crate) heartbeat: u16,
    /// Limit for one host: dial, TLS and AMQP handshake.
    pub(crate) host_limit: Duration,
    pub(crate) tls: bool,
}

impl Options {
    pub(crate) fn new(target: &Target) -> Result<Self> {
        target.expect_scheme(&["amqp", "amqps"])?;
        let endpoint = &target.endpoint;
        let tls = endpoint.scheme() == "amqps";
        // One host gets all the time that the supervisor gives; of several, a silent one must
        // leave time for the next.
        let several = endpoint.hosts().len() > 1;
        let mut options = Self {
            hosts: endpoint.hosts().to_vec(),
            vhost: vhost(endpoint.path()),
            login: Login {
                user: endpoint.user().cloned().unwrap_or_else(|| Secret::from("guest")),
                password: endpoint.password().cloned().unwrap_or_else(|| Secret::from("guest")),
            },
            heartbeat: 10,
            host_limit: Duration::from_secs(if several { 2 } else { 30 }),
            tls,
        };
        for (key, value) in endpoint.query() {
            options.set(target, key, value)?;
        }
        Ok(options)
    }

    fn set(&mut self, target: &Target, key: &str, value: &Secret) -> Result<()> {
        match key {
            "heartbeat" => self.heartbeat = number(target, key, value, 5, 3600)?,
            "connection_timeout" => {
                let millis = number(target, key, value, 100, 60_000)?;
                self.host_limit = Duration::from_millis(u64::from(millis));
            }
            _ => {
                let known = KEYS.join(", ");
                return Err(target
                    .config_error(format!("the URL's query key `{key}` is not one of {known}")));
            }
        }
        Ok(())
    }

    pub(crate) const fn port(&self) -> u16 {
        if self.tls { TLS_PORT } else { PORT }
    }

    /// What errors, logs and metrics show.
    pub(crate) fn address(&self) -> String {
        let hosts: Vec<_> = self.hosts.iter().map(|host| host.authority(self.port())).collect();
        let slash = if self.vhost.starts_with('/') { "" } else { "/" };
        format!("{}{slash}{}", hosts.join(","), self.vhost)
    }
}

/// No path, `/` and `/%2F` all mean the virtual host that every broker has.
fn vhost(path: &str) -> String {
    if path.is_empty() { "/".to_owned() } else { path.to_owned() }
}

fn number(target: &Target, key: &str, value: &Secret, low: u16, high: u16) -> Result<u16> {
    let number = value.expose().parse().ok().filter(|number| (low..=high).contains(number));
    number.ok_or_else(|| {
        target.config_error(format!("the URL's `{key}` is not a whole number from {low} to {high}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use qa_resource_core::ErrorKind;

    fn options(url: &str) -> Result<Options> {
        Options::new(&Target::parse("orders", url)?)
    }

    #[test]
    fn the_defaults_are_the_documented_ones() {
        let options = options("amqp://h").unwrap();
        assert_eq!(options.vhost, "/");
        assert_eq!(options.heartbeat, 10);
        assert_eq!(options.host_limit, Duration::from_secs(30));
        assert_eq!(
            (options.login.user.expose(), options.login.password.expose()),
            ("guest", "guest")
        );
        assert_eq!((options.tls, options.address().as_str()), (false, "h:5672/"));
    }

    #[test]
    fn everything_in_the_url_is_taken() {
        let url = "amqps://me:pw@a:1,b/bars?heartbeat=5&connection_timeout=1500";
        let options = options(url).unwrap();
        assert_eq!((options.vhost.as_str(), options.heartbeat, options.tls), ("bars", 5, true));
        assert_eq!(options.host_limit, Duration::from_millis(1500));
        assert_eq!(options.address(), "a:1,b:5671/bars");
    }

    #[test]
    fn every_way_to_write_the_default_virtual_host_means_it() {
        for url in ["amqp://h", "amqp://h/", "amqp://h/%2f", "amqp://h/%2F"] {
            assert_eq!(options(url).unwrap().vhost, "/", "{url}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_never_shown() {
        let cases = [
            ("http://u:c4n4ry@h", "amqp, amqps"),
            ("amqp://u:c4n4ry@h?heartbeat=c4n4ry", "`heartbeat`"),
            ("amqp://u:c4n4ry@h?heartbeat=4", "from 5 to"),
            ("amqp://u:c4n4ry@h?connection_timeout=1", "`connection_timeout`"),
            ("amqp://u:c4n4ry@h?heartbeats=c4n4ry", "connection_timeout, heartbeat"),
        ];
        for (url, expected) in cases {
            let error = options(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{url}");
            let text = format!("{error} {error:?}");
            assert!(text.contains(expected) && !text.contains("c4n4ry"), "{text}");
        }
    }
}
