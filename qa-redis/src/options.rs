//! What the URL says, checked before anything is dialled.

use crate::place::Place;
use qa_resource_core::{Host, Result, Secret, Target};
use redis::ProtocolVersion;
use serde::de::value::{Error as NotADuration, StrDeserializer};
use std::time::Duration;

/// Longer than an answer may take, and below the core's limit for a connect: while the server is
/// silent there is always somebody who waits for its first word.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(4);

/// The sentinels' name for a master, where nobody chose another.
const SERVICE: &str = "mymaster";

/// What a server takes of clients, unless it is told otherwise.
const MOST: usize = 10_000;

/// More than cores that a server's I/O has.
const MOST_SHARED: usize = 64;

const KEYS: &str =
    "protocol, response_timeout, max_timeouts, connections, dedicated, dedicated_wait";
const SENTINEL_KEYS: &str = "service, sentinel_user, sentinel_password";

/// The part of a target that the driver has no type for.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The server, or the sentinels.
    pub(crate) places: Vec<Place>,
    /// What they know the master by, and how to log in to them; `None` without sentinels.
    pub(crate) sentinel: Option<SentinelOptions>,
    pub(crate) database: u32,
    pub(crate) user: Option<Secret>,
    pub(crate) password: Option<Secret>,
    /// What the server's `CLIENT LIST` shows; `None` where nothing is left of the resource's name.
    pub(crate) name: Option<String>,
    pub(crate) protocol: ProtocolVersion,
    pub(crate) response_timeout: Duration,
    /// Limit for each step of the login.
    pub(crate) login_timeout: Duration,
    pub(crate) max_timeouts: u32,
    /// How many multiplexed connections share the work.
    pub(crate) connections: usize,
    /// How many dedicated connections there may be.
    pub(crate) dedicated: usize,
    pub(crate) dedicated_wait: Duration,
}

/// The part of the URL that is about sentinels.
#[derive(Clone, Debug)]
pub(crate) struct SentinelOptions {
    pub(crate) service: String,
    user: Option<Secret>,
    password: Option<Secret>,
}

impl Options {
    pub(crate) fn new(target: &Target) -> Result<Self> {
        let endpoint = &target.endpoint;
        let sentinel = endpoint.scheme().ends_with("-sentinel").then(SentinelOptions::default);
        if sentinel.is_none() && endpoint.hosts().len() > 1 {
            return Err(target.config_error(
                "the URL names several hosts; redis takes one, and redis-sentinel any number",
            ));
        }
        if endpoint.user().is_some() && endpoint.password().is_none() {
            return Err(target.config_error("the URL has a user but no password"));
        }
        let mut options = Self {
            places: places(target, crate::backend::port(endpoint.scheme())),
            sentinel,
            database: database(target)?,
            user: endpoint.user().cloned(),
            password: endpoint.password().cloned(),
            name: client_name(&target.name),
            protocol: ProtocolVersion::RESP3,
            response_timeout: Duration::from_secs(2),
            login_timeout: LOGIN_TIMEOUT,
            max_timeouts: 3,
            connections: 1,
            dedicated: 8,
            dedicated_wait: Duration::from_secs(5),
        };
        for (key, value) in endpoint.query() {
            if let Err(expected) = options.set(key, value.expose()) {
                return Err(target.config_error(expected));
            }
        }
        if options
            .sentinel
            .as_ref()
            .is_some_and(|with| with.user.is_some() && with.password.is_none())
        {
            return Err(
                target.config_error("the URL has a `sentinel_user` but no `sentinel_password`")
            );
        }
        Ok(options)
    }

    /// The same for a sentinel: with its own user, and no more than it needs.
    pub(crate) fn for_sentinel(&self, with: &SentinelOptions) -> Self {
        Self {
            user: with.user.clone(),
            password: with.password.clone(),
            protocol: ProtocolVersion::RESP2,
            ..self.clone()
        }
    }

    /// The error never holds the value: it may be a password under a mistyped key.
    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "protocol" => {
                self.protocol = protocol(value).ok_or("`protocol` is not resp2 or resp3")?;
            }
            "response_timeout" => {
                self.response_timeout = duration(value).ok_or(
                    "`response_timeout` is not a duration above zero, such as 500ms or 2s",
                )?;
                self.login_timeout = self.response_timeout;
            }
            "max_timeouts" => {
                let number = value.parse::<u32>();
                self.max_timeouts = number.map_err(|_| "`max_timeouts` is not a number")?.max(1);
            }
            "connections" => {
                self.connections = number(value, MOST_SHARED)
                    .ok_or("`connections` is not a number from 1 to 64")?;
            }
            "dedicated" => {
                self.dedicated =
                    number(value, MOST).ok_or("`dedicated` is not a number from 1 to 10000")?;
            }
            "dedicated_wait" => {
                self.dedicated_wait = duration(value)
                    .ok_or("`dedicated_wait` is not a duration above zero, such as 500ms or 5s")?;
            }
            _ => return self.set_sentinel(key, value),
        }
        Ok(())
    }

    fn set_sentinel(&mut self, key: &str, value: &str) -> Result<(), String> {
        let Some(sentinel) = &mut self.sentinel else {
            return Err(format!("the URL's query has an unknown key `{key}`; known: {KEYS}"));
        };
        match key {
            "service" if value.is_empty() => return Err("`service` is empty".to_owned()),
            "service" => value.clone_into(&mut sentinel.service),
            "sentinel_user" => sentinel.user = Some(Secret::from(value)),
            "sentinel_password" => sentinel.password = Some(Secret::from(value)),
            _ => {
                let known = format!("{KEYS}, {SENTINEL_KEYS}");
                return Err(format!("the URL's query has an unknown key `{key}`; known: {known}"));
            }
        }
        Ok(())
    }
}

impl Default for SentinelOptions {
    fn default() -> Self {
        Self { service: SERVICE.to_owned(), user: None, password: None }
    }
}

fn places(target: &Target, port: u16) -> Vec<Place> {
    let place = |host: &Host| Place { host: host.name.clone(), port: host.port_or(port) };
    target.endpoint.hosts().iter().map(place).collect()
}

fn database(target: &Target) -> Result<u32> {
    let path = target.endpoint.path();
    if path.is_empty() {
        return Ok(0);
    }
    let wrong = |_| target.config_error("the URL's path is not a database number, such as /0");
    path.parse().map_err(wrong)
}

fn number(text: &str, most: usize) -> Option<usize> {
    text.parse().ok().filter(|number| (1..=most).contains(number))
}

fn protocol(text: &str) -> Option<ProtocolVersion> {
    match text {
        "2" | "resp2" => Some(ProtocolVersion::RESP2),
        "3" | "resp3" => Some(ProtocolVersion::RESP3),
        _ => None,
    }
}

fn duration(text: &str) -> Option<Duration> {
    let text = StrDeserializer::<NotADuration>::new(text);
    humantime_serde::deserialize(text).ok().filter(|duration: &Duration| !duration.is_zero())
}

/// `CLIENT SETNAME` takes printable ASCII without blanks.
fn client_name(name: &str) -> Option<String> {
    let sanitised: String = name
        .chars()
        .take(64)
        .map(|char| if char.is_ascii_graphic() { char } else { '-' })
        .collect();
    (!sanitised.is_empty()).then_some(sanitised)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(url: &str) -> Result<Options> {
        Options::new(&Target::parse("cache of mine", url).unwrap())
    }

    fn shown(options: &Options) -> String {
        options.places.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }

    #[test]
    fn sentinels_are_several_and_have_users_of_their_own() {
        let plain = options("redis-sentinel://:p@a,b:1/3").unwrap();
        let sentinel = plain.sentinel.as_ref().unwrap();
        assert_eq!((shown(&plain), plain.database), ("a:26379,b:1".into(), 3));
        assert_eq!((sentinel.service.as_str(), plain.password.is_some()), ("mymaster", true));
        let ours = plain.for_sentinel(sentinel);
        assert!(ours.password.is_none() && !ours.protocol.supports_resp3());

        let url = "redis-sentinel://h?service=bars&sentinel_user=u&sentinel_password=p";
        let full = options(url).unwrap();
        let sentinel = full.sentinel.as_ref().unwrap();
        let login = full.for_sentinel(sentinel);
        assert_eq!(sentinel.service, "bars");
        assert_eq!((login.user.unwrap().expose(), login.password.unwrap().expose()), ("u", "p"));
        assert!(full.user.is_none() && full.password.is_none());
    }

    #[test]
    fn takes_defaults_and_values_from_the_url() {
        let plain = options("redis://localhost").unwrap();
        assert_eq!((shown(&plain), plain.database), ("localhost:6379".into(), 0));
        assert_eq!((plain.response_timeout, plain.max_timeouts), (Duration::from_secs(2), 3));
        assert_eq!(plain.login_timeout, Duration::from_secs(4));
        assert!(plain.protocol.supports_resp3() && plain.password.is_none());
        assert_eq!(plain.name.as_deref(), Some("cache-of-mine"));

        let url = "redis://us%40er:p%3Aw%2F@[::1]:6380/2?response_timeout=500ms&max_timeouts=0&protocol=resp2";
        let full = options(url).unwrap();
        assert_eq!((shown(&full), full.database), ("[::1]:6380".into(), 2));
        assert_eq!(full.user.unwrap().expose(), "us@er");
        assert_eq!(full.password.unwrap().expose(), "p:w/");
        assert_eq!((full.response_timeout, full.max_timeouts), (Duration::from_millis(500), 1));
        assert_eq!(full.login_timeout, full.response_timeout);
        assert!(!full.protocol.supports_resp3());
        let pool = options("redis://h?connections=3&dedicated=2&dedicated_wait=50ms").unwrap();
        assert_eq!((plain.connections, pool.connections), (1, 3));
        assert_eq!((pool.dedicated, pool.dedicated_wait), (2, Duration::from_millis(50)));
    }

    #[test]
    fn what_is_wrong_is_named_and_never_shown() {
        let cases = [
            ("redis://h/c4n4ry", "database number"),
            ("redis://h/-1", "database number"),
            ("redis://h/0?pasword=c4n4ry", "unknown key `pasword`; known: protocol"),
            ("redis://h?response_timeout=c4n4ry", "`response_timeout`"),
            ("redis://h?response_timeout=0s", "`response_timeout`"),
            ("redis://h?max_timeouts=c4n4ry", "`max_timeouts`"),
            ("redis://h?protocol=c4n4ry", "`protocol`"),
            ("redis://h?dedicated=c4n4ry", "`dedicated`"),
            ("redis://h?dedicated=0", "`dedicated`"),
            ("redis://h?connections=0", "`connections`"),
            ("redis://h?connections=65", "`connections`"),
            ("redis://h?dedicated_wait=c4n4ry", "`dedicated_wait`"),
            ("redis://c4n4ry@h", "no password"),
            ("redis://a,b", "several hosts"),
            ("redis://h?service=c4n4ry", "unknown key `service`"),
            ("redis-sentinel://h?service=", "`service`"),
            ("redis-sentinel://h?sentinel_user=c4n4ry", "no `sentinel_password`"),
            ("redis-sentinel://h?sentinel_pasword=c4n4ry", "known: protocol"),
        ];
        for (url, expected) in cases {
            let error = options(url).unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(text.contains(expected) && !text.contains("c4n4ry"), "{url}: {text}");
            assert_eq!(error.kind(), qa_resource_core::ErrorKind::Config, "{url}");
        }
    }

    #[test]
    fn a_client_name_is_what_the_server_takes() {
        assert_eq!(client_name("kurse für\n2"), Some("kurse-f-r-2".into()));
        assert_eq!(client_name(&"x".repeat(100)).unwrap().len(), 64);
        assert_eq!(client_name(""), None);
    }
}
