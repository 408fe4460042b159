//! The parts of a URL, for clients that want them one by one.

use anyhow::{Context, Result};
use percent_encoding::percent_decode_str;

pub(crate) struct Parts<'a> {
    pub(crate) user: &'a str,
    pub(crate) password: &'a str,
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    pub(crate) path: String,
}

/// Of `scheme://user:password@host:port/path`, of which only the path has escapes.
pub(crate) fn parts(url: &str) -> Result<Parts<'_>> {
    let (_, rest) = url.split_once("://").context("no scheme")?;
    let (login, rest) = rest.split_once('@').context("no login")?;
    let (user, password) = login.split_once(':').context("no password")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = host.rsplit_once(':').context("no port")?;
    let path = percent_decode_str(path).decode_utf8()?.into_owned();
    Ok(Parts { user, password, host, port: port.parse()?, path })
}
