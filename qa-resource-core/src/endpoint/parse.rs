//! A URL taken apart. Ours and not the `url` crate's, which refuses a MongoDB seed list and takes
//! `redis:/me:password@host` for a path.

use super::{Endpoint, Host};
use crate::Secret;
use percent_encoding::percent_decode_str;
use std::str::FromStr;

/// Why a URL can't be used. It never holds a part of the URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// There is no `scheme://`, or the scheme has a character that a scheme can't have.
    #[error("the URL has no scheme; write it as scheme://user:password@host:port/path")]
    Scheme,
    /// There is no host, or an empty one in the list.
    #[error("the URL has no host; write it as scheme://user:password@host:port/path")]
    Host,
    /// A port is not a number from 1 to 65535.
    #[error(
        "the URL has a port that is not a number from 1 to 65535; a password with : / @ or ? in it must be percent-encoded"
    )]
    Port,
    /// There is an `@` behind the hosts: a password that was not percent-encoded, so that what looks
    /// like a host may be a part of it.
    #[error(
        "the URL has an @ in its path or query; percent-encode : / @ and ? in the password, and an @ elsewhere as %40"
    )]
    At,
    /// What is percent-encoded is not UTF-8.
    #[error("the URL has percent-encoded text that is not UTF-8")]
    Encoding,
    /// A part of the query has no `=`.
    #[error("the URL's query has a part without =; write it as ?key=value&key=value")]
    Query,
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(url: &str) -> Result<Self, EndpointError> {
        let (scheme, rest) = url.trim().split_once("://").ok_or(EndpointError::Scheme)?;
        if !is_scheme(scheme) {
            return Err(EndpointError::Scheme);
        }
        let (authority, behind) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if behind.contains('@') {
            return Err(EndpointError::At);
        }
        let (path, query) = behind.split_once('?').unwrap_or((behind, ""));
        let (login, hosts) = authority
            .rsplit_once('@')
            .map_or((None, authority), |(login, hosts)| (Some(login), hosts));
        let (user, password) = login.map_or(Ok((None, None)), parse_login)?;
        Ok(Self {
            scheme: scheme.to_ascii_lowercase(),
            user,
            password,
            hosts: hosts.split(',').map(parse_host).collect::<Result<_, _>>()?,
            path: decode(path.strip_prefix('/').unwrap_or(path))?,
            query: parse_query(query)?,
        })
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

fn decode(text: &str) -> Result<String, EndpointError> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(String::from).map_err(|_| EndpointError::Encoding)
}

type Login = (Option<Secret>, Option<Secret>);

fn parse_login(login: &str) -> Result<Login, EndpointError> {
    let (user, password) =
        login.split_once(':').map_or((login, None), |(user, password)| (user, Some(password)));
    let secret = |text: &str| decode(text).map(Secret::from);
    let user = (!user.is_empty()).then(|| secret(user)).transpose()?;
    Ok((user, password.map(secret).transpose()?))
}

fn parse_host(text: &str) -> Result<Host, EndpointError> {
    let (name, port) = if let Some(rest) = text.strip_prefix('[') {
        let (name, port) = rest.split_once(']').ok_or(EndpointError::Host)?;
        let port = if port.is_empty() {
            None
        } else {
            Some(port.strip_prefix(':').ok_or(EndpointError::Port)?)
        };
        (name, port)
    } else {
        text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port)))
    };
    if name.is_empty() {
        return Err(EndpointError::Host);
    }
    let port = port
        .map(|port| port.parse::<u16>().ok().filter(|port| *port > 0).ok_or(EndpointError::Port));
    Ok(Host { name: decode(name)?, port: port.transpose()? })
}

impl FromStr for Host {
    type Err = EndpointError;

    /// `name`, `name:port`, or an IPv6 address in brackets.
    fn from_str(text: &str) -> Result<Self, EndpointError> {
        parse_host(text)
    }
}

fn parse_query(query: &str) -> Result<Vec<(String, Secret)>, EndpointError> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    let pair = |part: &str| {
        let (key, value) = part.split_once('=').ok_or(EndpointError::Query)?;
        Ok((decode(key)?, Secret::from(decode(value)?)))
    };
    parts.map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANARY: &str = "c4n4ry";

    #[test]
    fn takes_a_full_url_apart() {
        let url = "MongoDB://us%40er:p%3Aw@a:1,[::1]:2,c/da%20ta?x=1&y=%2F";
        let endpoint: Endpoint = url.parse().unwrap();
        assert_eq!(endpoint.scheme(), "mongodb");
        assert_eq!(endpoint.user().unwrap().expose(), "us@er");
        assert_eq!(endpoint.password().unwrap().expose(), "p:w");
        assert_eq!(endpoint.address(9), "a:1,[::1]:2,c:9/da ta");
        let query: Vec<_> = endpoint.query().map(|(key, value)| (key, value.expose())).collect();
        assert_eq!(query, [("x", "1"), ("y", "/")]);
    }

    #[test]
    fn the_url_given_back_means_the_same() {
        for url in [
            "redis://h",
            "redis://:p%40@h:1/0",
            "amqp://u:p@a,b:2/%2F?heartbeat=10",
            "mongodb://h/?a=b",
        ] {
            let endpoint: Endpoint = url.parse().unwrap();
            assert_eq!(endpoint.url().expose(), url);
        }
    }

    #[test]
    fn a_bad_url_says_why_and_shows_nothing() {
        let cases = [
            ("redis:/me:c4n4ry@x", EndpointError::Scheme),
            ("c4n4ry", EndpointError::Scheme),
            ("://c4n4ry@x", EndpointError::Scheme),
            ("redis://me:c4n4ry@", EndpointError::Host),
            ("redis://me:c4n4ry@a,,b", EndpointError::Host),
            ("redis://me:c4n4ry@h:port", EndpointError::Port),
            ("redis://me:c4n4ry@h:0", EndpointError::Port),
            ("redis://me:c4n4ry@h:70000", EndpointError::Port),
            ("redis://c4n4ry/with@slash:1", EndpointError::At),
            ("redis://me:12?c4n4ry=@h", EndpointError::At),
            ("redis://me:%FFc4n4ry@h", EndpointError::Encoding),
            ("redis://h?c4n4ry", EndpointError::Query),
            ("redis://[::1:c4n4ry", EndpointError::Host),
        ];
        for (url, expected) in cases {
            let error = url.parse::<Endpoint>().unwrap_err();
            assert_eq!(error, expected, "{url}");
            assert!(!format!("{error} {error:?}").contains(CANARY));
        }
    }

    #[test]
    fn nothing_secret_prints() {
        let url = "redis://c4n4ry:c4n4ry@h:1/0?password=c4n4ry";
        let endpoint: Endpoint = url.parse().unwrap();
        assert!(!format!("{endpoint} {endpoint:?} {}", endpoint.address(1)).contains(CANARY));
    }
}
