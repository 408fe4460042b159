//! What the URL says, checked before anything is dialled.

use crate::place::Place;
use qa_resource_core::{Credentials, Host, Result, Secret, Target};
use redis::{ProtocolVersion, RedisError, RedisResult};
use serde::de::value::{Error as NotADuration, StrDeserializer};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

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
const SENTINEL_KEYS: &str = "service, sentinel_user, sentinel_password, reads";
const CLUSTER_KEYS: &str = "reads, node_wait";

/// How long a command for a node that is away waits, where nobody chose otherwise.
const NODE_WAIT: Duration = Duration::from_secs(5);

/// The part of a target that the driver has no type for.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The server, the sentinels, or some of the cluster's nodes.
    pub(crate) places: Vec<Place>,
    pub(crate) form: Form,
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
    /// Who is asked for user and password at each connect, instead of those above.
    pub(crate) credentials: Option<Asked>,
}

/// Who is asked for a login.
#[derive(Clone)]
pub(crate) struct Asked(Arc<dyn Credentials>);

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

/// What the URL is of.
#[derive(Clone, Debug)]
pub(crate) enum Form {
    Server,
    Sentinels(SentinelOptions),
    Cluster {
        /// Who answers what only reads.
        reads: Reads,
        /// Limit for waiting until a node is there that a command is for.
        node_wait: Duration,
    },
}

/// Who answers what only reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    Master,
    /// One of the master's replicas, as long as one is connected.
    Replica,
}

/// The part of the URL that is about sentinels.
#[derive(Clone, Debug)]
pub(crate) struct SentinelOptions {
    pub(crate) service: String,
    /// Who answers what only reads.
    pub(crate) reads: Reads,
    user: Option<Secret>,
    password: Option<Secret>,
}

impl Options {
    pub(crate) fn new(target: &Target) -> Result<Self> {
        let endpoint = &target.endpoint;
        let form = Form::of(endpoint.scheme());
        if matches!(form, Form::Server) && endpoint.hosts().len() > 1 {
            return Err(target.config_error(
                "the URL names several hosts; redis takes one, and redis-sentinel and \
                 redis-cluster any number",
            ));
        }
        if endpoint.user().is_some() && endpoint.password().is_none() {
            return Err(target.config_error("the URL has a user but no password"));
        }
        let mut options = Self {
            places: places(target, crate::backend::port(endpoint.scheme())),
            form,
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
            credentials: target.credentials.clone().map(Asked),
        };
        for (key, value) in endpoint.query() {
            if let Err(expected) = options.set(key, value.expose()) {
                return Err(target.config_error(expected));
            }
        }
        match options.contradiction() {
            Some(contradiction) => Err(target.config_error(contradiction)),
            None => Ok(options),
        }
    }

    /// The same with the login that is good at this moment.
    pub(crate) async fn with_login(&self) -> RedisResult<Cow<'_, Self>> {
        let Some(Asked(credentials)) = &self.credentials else { return Ok(Cow::Borrowed(self)) };
        let login = credentials.login().await.map_err(|error| {
            // Of the kinds that can only be met before a command is sent.
            let text = format!("no login: {error}");
            RedisError::from(io::Error::new(io::ErrorKind::NotConnected, text))
        })?;
        let said = |text: Secret| Some(text).filter(|text| !text.is_empty());
        let (user, password) = (said(login.user), said(login.password));
        Ok(Cow::Owned(Self { user, password, ..self.clone() }))
    }

    /// What the URL says that can't be.
    fn contradiction(&self) -> Option<&'static str> {
        match &self.form {
            Form::Sentinels(SentinelOptions { user: Some(_), password: None, .. }) => {
                Some("the URL has a `sentinel_user` but no `sentinel_password`")
            }
            Form::Cluster { .. } if self.database != 0 => {
                Some("a cluster has one database only, 0; leave it out of the URL")
            }
            _ => None,
        }
    }

    /// Whether a replica may answer what only reads.
    pub(crate) fn may_read_replicas(&self) -> bool {
        match &self.form {
            Form::Server => false,
            Form::Sentinels(with) => with.reads == Reads::Replica,
            Form::Cluster { reads, .. } => *reads == Reads::Replica,
        }
    }

    /// Whether a replica answers only who has told it that it may (`READONLY`).
    pub(crate) fn asks_for_readonly(&self) -> bool {
        self.may_read_replicas() && matches!(self.form, Form::Cluster { .. })
    }

    pub(crate) fn node_wait(&self) -> Duration {
        match self.form {
            Form::Cluster { node_wait, .. } => node_wait,
            _ => Duration::ZERO,
        }
    }

    /// The same for a sentinel: with its own user, and no more than it needs.
    pub(crate) fn for_sentinel(&self, with: &SentinelOptions) -> Self {
        Self {
            user: with.user.clone(),
            password: with.password.clone(),
            protocol: ProtocolVersion::RESP2,
            credentials: None,
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
            _ => return self.form.set(key, value),
        }
        Ok(())
    }
}

impl Form {
    fn of(scheme: &str) -> Self {
        match scheme.rsplit_once('-') {
            Some((_, "sentinel")) => Self::Sentinels(SentinelOptions::default()),
            Some((_, "cluster")) => Self::Cluster { reads: Reads::Master, node_wait: NODE_WAIT },
            _ => Self::Server,
        }
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match (&mut *self, key) {
            (Self::Sentinels(_), "service") if value.is_empty() => {
                return Err("`service` is empty".to_owned());
            }
            (Self::Sentinels(with), "service") => value.clone_into(&mut with.service),
            (Self::Sentinels(with), "sentinel_user") => with.user = Some(Secret::from(value)),
            (Self::Sentinels(with), "sentinel_password") => {
                with.password = Some(Secret::from(value));
            }
            (Self::Cluster { node_wait, .. }, "node_wait") => {
                *node_wait =
                    time(value).ok_or("`node_wait` is not a duration, such as 0s or 5s")?;
            }
            (
                Self::Cluster { reads, .. } | Self::Sentinels(SentinelOptions { reads, .. }),
                "reads",
            ) => {
                *reads = match value {
                    "master" => Reads::Master,
                    "replica" => Reads::Replica,
                    _ => return Err("`reads` is not master or replica".to_owned()),
                };
            }
            _ => {
                let known = self.keys();
                return Err(format!("the URL's query has an unknown key `{key}`; known: {known}"));
            }
        }
        Ok(())
    }

    /// Those that a query may have.
    fn keys(&self) -> String {
        match self {
            Self::Server => KEYS.to_owned(),
            Self::Sentinels(_) => format!("{KEYS}, {SENTINEL_KEYS}"),
            Self::Cluster { .. } => format!("{KEYS}, {CLUSTER_KEYS}"),
        }
    }
}

impl Default for SentinelOptions {
    fn default() -> Self {
        Self { service: SERVICE.to_owned(), reads: Reads::Master, user: None, password: None }
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
    time(text).filter(|duration| !duration.is_zero())
}

fn time(text: &str) -> Option<Duration> {
    humantime_serde::deserialize(StrDeserializer::<NotADuration>::new(text)).ok()
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
        let sentinel_of = |options: &Options| match &options.form {
            Form::Sentinels(sentinel) => sentinel.clone(),
            other => panic!("{other:?}"),
        };
        let plain = options("redis-sentinel://:p@a,b:1/3").unwrap();
        let sentinel = &sentinel_of(&plain);
        assert_eq!((shown(&plain), plain.database), ("a:26379,b:1".into(), 3));
        assert_eq!((sentinel.service.as_str(), plain.password.is_some()), ("mymaster", true));
        let ours = plain.for_sentinel(sentinel);
        assert!(ours.password.is_none() && !ours.protocol.supports_resp3());

        let url = "redis-sentinel://h?service=bars&sentinel_user=u&sentinel_password=p";
        let full = options(url).unwrap();
        let sentinel = &sentinel_of(&full);
        let login = full.for_sentinel(sentinel);
        assert_eq!(sentinel.service, "bars");
        assert_eq!((login.user.unwrap().expose(), login.password.unwrap().expose()), ("u", "p"));
        assert!(full.user.is_none() && full.password.is_none());

        let reading = options("redis-sentinel://h?reads=replica").unwrap();
        assert!(reading.may_read_replicas() && !reading.asks_for_readonly());
        assert!(!full.may_read_replicas());
    }

    #[test]
    fn a_cluster_is_named_by_some_of_its_nodes() {
        let plain = options("redis-cluster://:p@a,b:1/0").unwrap();
        assert_eq!(shown(&plain), "a:6379,b:1");
        assert!(!plain.may_read_replicas());
        assert_eq!(plain.node_wait(), Duration::from_secs(5));
        let hasty = options("redis-cluster://a?node_wait=0s").unwrap();
        assert_eq!(hasty.node_wait(), Duration::ZERO);
        let reading = options("redis-cluster://a?reads=replica").unwrap();
        assert!(reading.may_read_replicas() && reading.asks_for_readonly());
        assert!(!options("redis-cluster://a?reads=master").unwrap().may_read_replicas());
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
            ("redis-sentinel://h?reads=c4n4ry", "`reads`"),
            ("redis-cluster://h/1", "one database"),
            ("redis-cluster://h?reads=c4n4ry", "`reads`"),
            ("redis-cluster://h?node_wait=c4n4ry", "`node_wait`"),
            ("redis-cluster://h?service=c4n4ry", "dedicated_wait, reads"),
            ("redis://h?reads=replica", "unknown key `reads`"),
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
