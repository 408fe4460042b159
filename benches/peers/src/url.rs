//! The parts of a URL, for clients that want them one by one.

use anyhow::{Context, Result};

pub(crate) struct Parts<'a> {
    pub(crate) user: &'a str,
    pub(crate) password: &'a str,
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    pub(crate) path: &'a str,
}

/// Of `scheme://user:password@host:port/path`, whose words need no escapes.
pub(crate) fn parts(url: &str) -> Result<Parts<'_>> {
    let (_, rest) = url.split_once("://").context("no scheme")?;
    let (login, rest) = rest.split_once('@').context("no login")?;
    let (user, password) = login.split_once(':').context("no password")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = host.rsplit_once(':').context("no port")?;
    Ok(Parts { user, password, host, port: port.parse()?, path })
}
