//! The TOML file as a source.

use super::environment::{Environment, with_overrides};
use super::error::without_value;
use super::{Config, ConfigError, ResourceConfig};
use crate::run::SHUTDOWN_TIMEOUT;
use qa_resource_core::{Endpoint, Secret, Target, TlsSettings};
use serde::Deserialize;
use std::ops::Range;
use std::time::Duration;
use toml::{Spanned, Table, Value};

/// The file as it stands. A resource stays a table here: its own keys and those of `Settings` are
/// told apart below, because serde can't refuse unknown keys across a flattened struct.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default = "shutdown_timeout", with = "humantime_serde")]
    shutdown_timeout: Duration,
    #[serde(default)]
    resource: Vec<Spanned<Table>>,
}

fn shutdown_timeout() -> Duration {
    SHUTDOWN_TIMEOUT
}

/// The keys of a resource that are not settings.
#[derive(Deserialize)]
struct Own {
    #[serde(default)]
    name: String,
    url: Option<Secret>,
    user: Option<Secret>,
    password: Option<Secret>,
    #[serde(default = "required")]
    required: bool,
    #[serde(default)]
    tls: TlsSettings,
}

const OWN_KEYS: [&str; 6] = ["name", "url", "user", "password", "required", "tls"];

fn required() -> bool {
    true
}

pub(crate) fn parse(
    text: &str,
    file: &str,
    environment: &Environment,
) -> Result<Config, ConfigError> {
    let whole = Source { text, file, span: 0..text.len() };
    let parsed: File = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        whole.error_at(at, without_value(error.message()))
    })?;
    // A table's own span is its header: it goes on to the next one's.
    let begins: Vec<_> = parsed.resource.iter().map(|table| table.span().start).collect();
    let ends = begins.iter().skip(1).copied().chain([text.len()]);
    let spans = begins.iter().copied().zip(ends).map(|(begin, end)| begin..end);
    let resources = parsed
        .resource
        .into_iter()
        .zip(spans)
        .map(|(table, span)| {
            resource(table.into_inner(), &Source { text, file, span }, environment)
        })
        .collect::<Result<_, _>>()?;
    Ok(Config { resources, shutdown_timeout: parsed.shutdown_timeout })
}

fn resource(
    table: Table,
    source: &Source<'_>,
    environment: &Environment,
) -> Result<ResourceConfig, ConfigError> {
    let (own, settings): (Table, Table) =
        table.into_iter().partition(|(key, _)| OWN_KEYS.contains(&key.as_str()));
    let own: Own = source.read(own)?;
    if own.name.is_empty() {
        return Err(source.error("name", "a resource has no name; set name = \"…\""));
    }
    let settings = source.read(with_overrides(settings, &own.name, environment)?)?;
    let target = Target {
        name: own.name.as_str().into(),
        endpoint: endpoint(&own, source, environment)?,
        tls: own.tls,
    };
    Ok(ResourceConfig { target, settings, required: own.required })
}

fn endpoint(
    own: &Own,
    source: &Source<'_>,
    environment: &Environment,
) -> Result<Endpoint, ConfigError> {
    let name = &own.name;
    let expand = |key: &str, text: &Secret| {
        let expanded = environment.expand(text.expose());
        expanded
            .map_err(|message| source.error(key, format!("resource `{name}`: {key}: {message}")))
    };
    let endpoint: Endpoint = match (environment.url_of(name), &own.url) {
        (Some((variable, url)), _) => url
            .parse()
            .map_err(|error| ConfigError::Variable { variable, message: format!("{error}") })?,
        (None, Some(url)) => expand("url", url)?
            .parse()
            .map_err(|error| source.error("url", format!("resource `{name}`: {error}")))?,
        (None, None) => {
            let variable = format!(
                "QA_{}_URL",
                name.to_uppercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_")
            );
            return Err(source.error(
                "name",
                format!(
                    "resource `{name}` has no url; set url, or the environment variable {variable}"
                ),
            ));
        }
    };
    let own_or = |key: &str, own: &Option<Secret>, url: Option<&Secret>| match own {
        Some(text) => expand(key, text).map(|text| Some(Secret::from(text))),
        None => Ok(url.cloned()),
    };
    let user = own_or("user", &own.user, endpoint.user())?;
    let password = own_or("password", &own.password, endpoint.password())?;
    Ok(endpoint.with_credentials(user, password))
}

/// Where a table stands in its file, for errors with a line.
struct Source<'a> {
    text: &'a str,
    file: &'a str,
    span: Range<usize>,
}

impl Source<'_> {
    /// Reads a table, with errors that name line and key.
    fn read<'de, T: Deserialize<'de>>(&self, table: Table) -> Result<T, ConfigError> {
        serde_path_to_error::deserialize(Value::Table(table)).map_err(|error| {
            let path = error.path().to_string();
            let message = error.inner().message();
            // An unknown key is told by the message, a bad value by the path.
            let unknown =
                message.split('`').nth(1).filter(|_| message.starts_with("unknown field"));
            let key = unknown.map_or(path, str::to_owned);
            let message = match unknown {
                Some(_) => {
                    format!("{message}, or one of a resource's own: {}", OWN_KEYS.join(", "))
                }
                None => format!("{key}: {}", without_value(message)),
            };
            self.error(&key, message)
        })
    }

    /// An error at the line where `key` (or its last part) is set, or else where the table begins.
    fn error(&self, key: &str, message: impl Into<String>) -> ConfigError {
        let key = key.rsplit('.').next().unwrap_or(key);
        let table = self.text.get(self.span.clone()).unwrap_or_default();
        let is_set = |line: &&str| {
            let rest = line.trim_start().strip_prefix(key);
            rest.is_some_and(|rest| rest.trim_start().starts_with('='))
        };
        let offset = table.split_inclusive('\n').scan(0, |at, line| {
            let begin = *at;
            *at += line.len();
            Some((begin, line))
        });
        let at = offset.into_iter().find(|(_, line)| is_set(line)).map_or(0, |(begin, _)| begin);
        self.error_at(self.span.start + at, message.into())
    }

    fn error_at(&self, at: usize, message: String) -> ConfigError {
        let before = self.text.get(..at).unwrap_or_default();
        ConfigError::File {
            file: self.file.to_owned(),
            line: before.matches('\n').count() + 1,
            message,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        parse(text, "qa.toml", &Environment::of(variables))
    }

    #[test]
    fn a_whole_file() {
        let text = r#"
            shutdown_timeout = "10s"
            [[resource]]
            name = "order-flow"
            url = "amqp://app@broker/%2f?heartbeat=10"
            password = "${PW}"
            required = false
            acquire_timeout = "1s 500ms"
            [resource.tls]
            ca_file = "ca.pem"
            [[resource]]
            name = "cache"
        "#;
        let config = read(
            text,
            &[
                ("PW", "p@/w"),
                ("QA_CACHE_URL", "redis://h/1"),
                ("QA_ORDER_FLOW__HEALTH_INTERVAL", "9s"),
            ],
        )
        .unwrap();
        assert_eq!(config.shutdown_timeout, Duration::from_secs(10));
        let [orders, cache] = &config.resources[..] else { panic!("{config:?}") };
        assert_eq!(orders.target.endpoint.user().unwrap().expose(), "app");
        assert_eq!(orders.target.endpoint.password().unwrap().expose(), "p@/w");
        assert_eq!(orders.target.tls.ca_file.as_deref(), Some("ca.pem".as_ref()));
        assert_eq!(orders.settings.acquire_timeout, Duration::from_millis(1_500));
        assert_eq!(orders.settings.health_interval, Duration::from_secs(9));
        assert!(!orders.required && cache.required);
        assert_eq!(cache.target.endpoint.address(6379), "h:6379/1");
    }

    #[test]
    fn errors_name_file_line_and_key_and_never_the_value() {
        let head = "[[resource]]\nname = 'r'\n";
        let cases: [(&str, usize, &[&str]); 11] = [
            ("colour = 'hunter2'", 1, &["unknown field `colour`", "resource"]),
            ("shutdown_timeout = 'hunter2'", 1, &["not a duration"]),
            ("x = 'hunter2", 1, &[]),
            ("[[resource]]\nurl = 'redis://:hunter2@h'", 1, &["no name"]),
            (
                &format!("{head}url = 'redis://:hunter2@h'\n\nacqire_timeout = '1s'"),
                5,
                &["unknown field `acqire_timeout`", "acquire_timeout", "name, url"],
            ),
            (
                &format!("{head}url = 'redis://:hunter2@h'\nconnect_attempts = 'hunter2'"),
                4,
                &["connect_attempts: the value is not u32"],
            ),
            (&format!("{head}url = 'redis:/me:hunter2@h'"), 3, &["`r`", "no scheme"]),
            (&format!("{head}url = 12"), 3, &["url", "string"]),
            (&format!("{head}\nurl = 'redis://:${{PASSWORD}}@h'"), 4, &["PASSWORD is not set"]),
            (head, 2, &["no url", "QA_R_URL"]),
            (
                &format!("{head}url = 'redis://h'\n[resource.tls]\nca = 'hunter2'"),
                5,
                &["unknown field `ca`", "ca_file"],
            ),
        ];
        for (text, line, parts) in cases {
            let error = read(text, &[]).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(error.to_string().starts_with(&format!("qa.toml:{line}: ")), "{text}\n{error}");
            assert!(!shown.contains("hunter2"), "{shown}");
            for part in parts {
                assert!(shown.contains(part), "{part} is not in: {shown}");
            }
        }
    }
}
