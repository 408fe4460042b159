//! A URL taken apart, so that what prints does not hold the secret.

mod parse;

pub use parse::EndpointError;

use crate::Secret;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::fmt;

/// Characters that stay as they are in user, password, path and query (RFC 3986's unreserved).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Where a server is and who we are there, from a URL
/// `scheme://[user[:password]@]host[:port][,host[:port]…][/path][?key=value&…]`.
///
/// Taken apart once, when it is parsed: user, password and the values of the query are kept as
/// [`Secret`]s, and `Display` and `Debug` show scheme, hosts and path alone. Several hosts (a
/// MongoDB seed list, the nodes of a RabbitMQ cluster) are understood, as is an IPv6 address in
/// brackets. Percent-encoding is undone.
///
/// ```
/// use qa_resource_core::Endpoint;
/// let endpoint: Endpoint = "redis://me:hunter2@cache:6380/2".parse()?;
/// assert_eq!(endpoint.to_string(), "redis://cache:6380/2");
/// assert_eq!(endpoint.hosts()[0].port_or(6379), 6380);
/// assert_eq!(endpoint.password().unwrap().expose(), "hunter2");
/// # Ok::<(), qa_resource_core::EndpointError>(())
/// ```
#[derive(Clone)]
pub struct Endpoint {
    scheme: String,
    user: Option<Secret>,
    password: Option<Secret>,
    hosts: Vec<Host>,
    path: String,
    query: Vec<(String, Secret)>,
}

/// A host and, where the URL names one, its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// A name or an address; an IPv6 address is without its brackets.
    pub name: String,
    /// The port, where the URL names one.
    pub port: Option<u16>,
}

impl Host {
    /// The port, or the system's default.
    #[must_use]
    pub fn port_or(&self, default: u16) -> u16 {
        self.port.unwrap_or(default)
    }

    /// `name:port` with the system's default port, and brackets around an IPv6 address.
    #[must_use]
    pub fn authority(&self, default_port: u16) -> String {
        Self { name: self.name.clone(), port: Some(self.port_or(default_port)) }.to_string()
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(':') {
            write!(f, "[{}]", self.name)?;
        } else {
            f.write_str(&self.name)?;
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl Endpoint {
    /// A URL that is a secret as a whole, taken apart.
    ///
    /// # Errors
    /// As parsing it: [`EndpointError`], which holds no part of it.
    pub fn from_secret(url: &Secret) -> Result<Self, EndpointError> {
        url.expose().parse()
    }

    /// The scheme, in lower case.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The user, where the URL names one.
    #[must_use]
    pub const fn user(&self) -> Option<&Secret> {
        self.user.as_ref()
    }

    /// The password, where the URL names one.
    #[must_use]
    pub const fn password(&self) -> Option<&Secret> {
        self.password.as_ref()
    }

    /// The hosts, in the URL's order; at least one.
    #[must_use]
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// The path without its leading slash, decoded: a database, a number, a virtual host.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The query's keys and values, in the URL's order, decoded.
    pub fn query(&self) -> impl Iterator<Item = (&str, &Secret)> {
        self.query.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The same endpoint with another user and password.
    #[must_use]
    pub fn with_credentials(mut self, user: Option<Secret>, password: Option<Secret>) -> Self {
        self.user = user;
        self.password = password;
        self
    }

    /// The same endpoint with other hosts, of which there is at least one: another server that is asked
    /// for the same with the same login.
    #[must_use]
    pub fn with_hosts(mut self, hosts: Vec<Host>) -> Self {
        self.hosts = hosts;
        self
    }

    /// The same endpoint with another scheme, for drivers that call it otherwise.
    #[must_use]
    pub fn with_scheme(mut self, scheme: &str) -> Self {
        scheme.clone_into(&mut self.scheme);
        self
    }

    /// `host:port[,host:port…][/path]`: what errors, logs and metrics show.
    #[must_use]
    pub fn address(&self, default_port: u16) -> String {
        let hosts: Vec<_> = self.hosts.iter().map(|host| host.authority(default_port)).collect();
        let slash = if self.path.is_empty() { "" } else { "/" };
        format!("{}{slash}{}", hosts.join(","), self.path)
    }

    /// The whole URL again, properly encoded, for a driver that takes nothing else.
    #[must_use]
    pub fn url(&self) -> Secret {
        let encode = |text: &str| utf8_percent_encode(text, UNRESERVED).to_string();
        let mut url = format!("{}://", self.scheme);
        if let Some(user) = &self.user {
            url += &encode(user.expose());
        }
        if let Some(password) = &self.password {
            url.extend([":", &encode(password.expose())]);
        }
        if self.user.is_some() || self.password.is_some() {
            url.push('@');
        }
        let hosts: Vec<_> = self.hosts.iter().map(ToString::to_string).collect();
        url += &hosts.join(",");
        if !self.path.is_empty() || !self.query.is_empty() {
            url.extend(["/", &encode(&self.path)]);
        }
        for (at, (key, value)) in self.query.iter().enumerate() {
            let mark = if at == 0 { "?" } else { "&" };
            url.extend([mark, &encode(key), "=", &encode(value.expose())]);
        }
        Secret::from(url)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme)?;
        for (at, host) in self.hosts.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{host}")?;
        }
        if self.path.is_empty() { Ok(()) } else { write!(f, "/{}", self.path) }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}
