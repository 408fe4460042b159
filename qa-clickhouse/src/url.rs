//! From a URL to what the client is built from, with errors that never show a value.

use crate::zstd;
use clickhouse::Compression;
use qa_resource_core::{Host, Result, Secret, Target};
use std::time::Duration;

/// The server's settings that a URL may hold; they are sent with every query and insert. Others can
/// be set for a single query by the client's own `with_setting`.
pub const SETTINGS: [&str; 16] = [
    "async_insert",
    "insert_quorum",
    "join_use_nulls",
    "log_comment",
    "max_block_size",
    "max_execution_time",
    "max_insert_block_size",
    "max_insert_threads",
    "max_memory_usage",
    "max_result_rows",
    "max_threads",
    "priority",
    "readonly",
    "select_sequential_consistency",
    "session_timezone",
    "wait_for_async_insert",
];

pub(crate) const DEFAULT_DATABASE: &str = "default";

const SCHEMES: [&str; 4] = ["clickhouse", "clickhouses", "http", "https"];
const PLAIN_PORT: u16 = 8123;
const TLS_PORT: u16 = 8443;

/// Seconds for which a server keeps an idle connection, since 23.11.
const KEEP_ALIVE: u64 = 10;

/// How many seconds before the server an idle connection is closed here: a request that meets a connection
/// which the server is just closing fails, and whether it was carried out is then not known.
const MARGIN: u64 = 1;

/// As the server's own default is.
const ZSTD_LEVEL: i32 = 3;

pub(crate) struct Url {
    pub(crate) tls: bool,
    /// `host:port`.
    pub(crate) authority: String,
    pub(crate) database: String,
    pub(crate) user: Option<Secret>,
    pub(crate) password: Option<Secret>,
    pub(crate) compression: Compression,
    /// How long an idle connection is kept.
    pub(crate) idle: Duration,
    pub(crate) settings: Vec<(&'static str, Secret)>,
}

impl Url {
    pub(crate) fn parse(target: &Target) -> Result<Self> {
        let [host] = target.endpoint.hosts() else {
            target.expect_scheme(&SCHEMES)?;
            return Err(target.config_error(
                "the URL has several hosts; a resource is one server: use ClickHouse::group",
            ));
        };
        Self::of_host(target, host)
    }

    /// One for each host.
    pub(crate) fn parse_each(target: &Target) -> Result<Vec<Self>> {
        target.endpoint.hosts().iter().map(|host| Self::of_host(target, host)).collect()
    }

    fn of_host(target: &Target, host: &Host) -> Result<Self> {
        target.expect_scheme(&SCHEMES)?;
        let endpoint = &target.endpoint;
        let tls = matches!(endpoint.scheme(), "clickhouses" | "https");
        let path = endpoint.path();
        let mut url = Self {
            tls,
            authority: host.authority(if tls { TLS_PORT } else { PLAIN_PORT }),
            database: if path.is_empty() { DEFAULT_DATABASE } else { path }.to_owned(),
            user: endpoint.user().cloned(),
            password: endpoint.password().cloned(),
            compression: Compression::Lz4,
            idle: Duration::from_secs(KEEP_ALIVE - MARGIN),
            settings: Vec::new(),
        };
        for (key, value) in endpoint.query() {
            url.set(target, key, value)?;
        }
        Ok(url)
    }

    fn set(&mut self, target: &Target, key: &str, value: &Secret) -> Result<()> {
        match key {
            "compression" => self.compression = compression(target, value)?,
            "keep_alive" => self.idle = idle(target, value)?,
            _ => {
                let known = SETTINGS.iter().find(|known| **known == key);
                let name = known.ok_or_else(|| {
                    let known = SETTINGS.join(", ");
                    target.config_error(format!(
                        "the URL's key `{key}` is not one of compression, keep_alive, {known}"
                    ))
                })?;
                self.settings.push((name, value.clone()));
            }
        }
        Ok(())
    }
}

fn compression(target: &Target, value: &Secret) -> Result<Compression> {
    match value.expose() {
        "lz4" => Ok(Compression::Lz4),
        "none" => Ok(Compression::None),
        other => zstd::compression(
            target,
            level(other).ok_or_else(|| {
                target.config_error(
                    "the URL's key `compression` is not one of lz4, zstd, zstd:1 to zstd:22, none",
                )
            })?,
        ),
    }
}

/// The level of `zstd` or `zstd:LEVEL`.
fn level(text: &str) -> Option<i32> {
    match text.strip_prefix("zstd")? {
        "" => Some(ZSTD_LEVEL),
        level => level.strip_prefix(':')?.parse().ok().filter(|level| (1..=22).contains(level)),
    }
}

fn idle(target: &Target, value: &Secret) -> Result<Duration> {
    let seconds =
        value.expose().parse::<u64>().ok().and_then(|seconds| seconds.checked_sub(MARGIN));
    seconds.filter(|seconds| *seconds > 0).map(Duration::from_secs).ok_or_else(|| {
        target.config_error("the URL's key `keep_alive` is not a number of seconds above 1")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use qa_resource_core::ErrorKind;

    fn parse(url: &str) -> Result<Url> {
        Url::parse(&Target::parse("bars", url).unwrap())
    }

    #[test]
    fn a_bad_url_is_refused_with_the_culprit_and_without_a_value() {
        let cases = [
            ("redis://c4n4ry:c4n4ry@h", "not one of clickhouse, clickhouses, http, https"),
            ("clickhouse://u:c4n4ry@a,b", "several hosts"),
            (
                "clickhouse://u:c4n4ry@h/?max_thread=c4n4ry",
                "`max_thread` is not one of compression",
            ),
            ("clickhouse://h/?password=c4n4ry", "`password` is not one of compression"),
            ("clickhouse://h/?compression=c4n4ry", "not one of lz4, zstd"),
            ("clickhouse://h/?compression=zstd:c4n4ry", "not one of lz4, zstd"),
            ("clickhouse://h/?compression=zstd:23", "not one of lz4, zstd"),
            ("clickhouse://h/?keep_alive=c4n4ry", "not a number of seconds above 1"),
            ("clickhouse://h/?keep_alive=1", "not a number of seconds above 1"),
        ];
        for (url, expected) in cases {
            let error = parse(url).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Config);
            let text = format!("{error} {error:?}");
            assert!(text.contains(expected) && !text.contains("c4n4ry"), "{url}: {text}");
        }
    }

    #[test]
    fn each_host_has_a_url_with_what_they_share() {
        let target = Target::parse("bars", "clickhouse://me:pw@one,two:9/db?max_threads=4");
        let urls = Url::parse_each(&target.unwrap()).unwrap();
        let hosts: Vec<_> = urls.iter().map(|url| url.authority.as_str()).collect();
        assert_eq!(hosts, ["one:8123", "two:9"]);
        assert!(urls.iter().all(|url| url.database == "db" && url.settings.len() == 1));
    }

    #[test]
    fn the_parts_are_taken_and_the_rest_has_its_default() {
        let url = parse("clickhouse://me:pw@h/db?max_threads=4&keep_alive=3&compression=none");
        let url = url.unwrap();
        assert_eq!(
            (url.authority.as_str(), url.database.as_str(), url.tls),
            ("h:8123", "db", false)
        );
        assert_eq!(url.idle, Duration::from_secs(2));
        assert_eq!(url.compression, Compression::None);
        assert_eq!(url.settings[0].0, "max_threads");
        let url = parse("https://[::1]").unwrap();
        assert_eq!((url.authority.as_str(), url.database.as_str()), ("[::1]:8443", "default"));
        assert_eq!(url.idle, Duration::from_secs(9));
        assert!(url.tls && url.user.is_none() && url.password.is_none());
    }
}
