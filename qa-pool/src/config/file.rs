//! The TOML file as a source.

use super::draft::{Draft, Found};
use super::environment::{Environment, of_drafts, variable, with_overrides};
use super::error::without_value;
use super::group::GroupConfig;
use super::keys::OWN;
use super::origin::Origins;
use super::source::Source;
use super::{Config, ConfigError};
use crate::run::SHUTDOWN_TIMEOUT;
use qa_resource_core::{Secret, SecretFile, TlsSettings};
use serde::Deserialize;
use std::time::Duration;
use toml::{Spanned, Table};

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
    url_file: Option<String>,
    user: Option<Secret>,
    user_file: Option<String>,
    password: Option<Secret>,
    password_file: Option<String>,
    #[serde(default = "required")]
    required: bool,
    #[serde(default)]
    tls: TlsSettings,
    group: Option<GroupConfig>,
}

/// Whether a key is a resource's own, and not one of its settings.
fn is_own(key: &str) -> bool {
    key == "tls" || key == "group" || OWN.iter().any(|(name, ..)| *name == key)
}

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
    let drafts = parsed
        .resource
        .into_iter()
        .zip(spans)
        .map(|(table, span)| draft(table.into_inner(), &Source { text, file, span }, environment))
        .collect::<Result<_, _>>()?;
    let mut config = of_drafts(drafts)?;
    config.shutdown_timeout = parsed.shutdown_timeout;
    let first = begins.first().copied().unwrap_or(text.len());
    let head = Source { text, file, span: 0..first };
    config.sources.shutdown_timeout = head.origin_of("shutdown_timeout").unwrap_or_default();
    Ok(config)
}

fn draft(
    table: Table,
    source: &Source<'_>,
    environment: &Environment,
) -> Result<Draft, ConfigError> {
    let (own, settings): (Table, Table) = table.into_iter().partition(|(key, _)| is_own(key));
    let of_file = settings.keys().cloned();
    let inner = ["tls", "group"].into_iter().filter_map(|table| {
        let keys = own.get(table)?.as_table()?.keys();
        Some(keys.map(move |key| format!("{table}.{key}")))
    });
    let of_tables: Vec<_> = inner.flatten().collect();
    let of_file = of_file.chain(own.contains_key("required").then(|| "required".to_owned()));
    let mut origins: Origins = of_file
        .chain(of_tables)
        .chain(["name".to_owned()])
        .map(|key| (key.clone(), source.origin(&key)))
        .collect();
    let own: Own = source.read(own)?;
    if own.name.is_empty() {
        return Err(source.error("name", "a resource has no name; set name = \"…\""));
    }
    let (settings, overridden) = with_overrides(settings, &own.name, environment)?;
    origins.extend(overridden);
    let parts = Parts { name: &own.name, source, environment };
    Ok(Draft {
        url: parts.found("url", own.url, own.url_file)?.ok_or_else(|| parts.no_url())?,
        user: parts.found("user", own.user, own.user_file)?,
        password: parts.found("password", own.password, own.password_file)?,
        tls: own.tls,
        settings: source.read(settings)?,
        required: own.required,
        group: own.group,
        origins,
        name: own.name.clone(),
    })
}

/// Finds the parts of a resource that may be in the environment, in the file, or in files of their own.
struct Parts<'a> {
    name: &'a str,
    source: &'a Source<'a>,
    environment: &'a Environment,
}

impl Parts<'_> {
    fn found(
        &self,
        key: &str,
        text: Option<Secret>,
        file: Option<String>,
    ) -> Result<Option<Found>, ConfigError> {
        let by_environment = self.environment.part_of(self.name, key)?;
        if by_environment.is_some() {
            return Ok(by_environment);
        }
        let file_key = format!("{key}_file");
        let text = text.map(|text| {
            self.expanded(key, text.expose())
                .map(|text| (Secret::from(text), self.source.origin(key)))
        });
        let file = file.map(|path| {
            self.expanded(&file_key, &path)
                .map(|path| (SecretFile::new(path), self.source.origin(&file_key)))
        });
        Found::one_of(text.transpose()?, file.transpose()?, (key, &file_key))
    }

    fn expanded(&self, key: &str, text: &str) -> Result<String, ConfigError> {
        let name = self.name;
        let expanded = self.environment.expand(text);
        expanded.map_err(|message| {
            self.source.error(key, format!("resource `{name}`: {key}: {message}"))
        })
    }

    fn no_url(&self) -> ConfigError {
        let (name, variable) = (self.name, variable(self.name, "url"));
        self.source.error(
            "name",
            format!(
                "resource `{name}` has no url; set url, url_file, or the environment variable \
                 {variable} or {variable}_FILE"
            ),
        )
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
    fn every_value_remembers_where_it_came_from() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        std::fs::write(&path, "hunter2\n").unwrap();
        let text = format!(
            "shutdown_timeout = '9s'\n[[resource]]\nname = 'r'\nurl = 'redis://me@h'\n\
             password_file = '{}'\nacquire_timeout = '1s'\nretry_attempts = 1\n\
             tls = {{ ca_file = 'ca.pem' }}\n",
            path.display()
        );
        let config = read(&text, &[("QA_R__RETRY_ATTEMPTS", "2")]).unwrap();
        let origins = [
            ("url", "qa.toml:4".to_owned()),
            ("user", "qa.toml:4".to_owned()),
            ("password", format!("file {} (named by qa.toml:5)", path.display())),
            ("acquire_timeout", "qa.toml:6".to_owned()),
            ("retry_attempts", "variable QA_R__RETRY_ATTEMPTS".to_owned()),
            ("tls.ca_file", "qa.toml:8".to_owned()),
            ("health_interval", "default".to_owned()),
            ("required", "default".to_owned()),
        ];
        for (key, origin) in origins {
            assert_eq!(config.sources.of("r", key).to_string(), origin, "{key}");
        }
        assert_eq!(config.sources.shutdown_timeout.to_string(), "qa.toml:1");
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn errors_name_file_line_and_key_and_never_the_value() {
        let head = "[[resource]]\nname = 'r'\n";
        let cases: [(&str, usize, &[&str]); 13] = [
            ("colour = 'hunter2'", 1, &["unknown field `colour`", "resource"]),
            ("shutdown_timeout = 'hunter2'", 1, &["not a duration"]),
            ("x = 'hunter2", 1, &[]),
            (
                &format!("{head}url = 'redis://h'\npassword = 'hunter2'\npassword_file = 'x'"),
                5,
                &["both password and password_file are set"],
            ),
            (
                &format!("{head}url = 'redis://h'\n\npassword_file = '/no/such/file'"),
                5,
                &["`r`", "/no/such/file: there is none; mount the secret there"],
            ),
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
