//! The environment as a source: resources of its own, overrides, and `${NAME}` in texts.

use super::draft::{Draft, Found};
use super::origin::{Origin, Origins};
use super::{Config, ConfigError};
use crate::config::error::without_value;
use crate::run::SHUTDOWN_TIMEOUT;
use qa_resource_core::{Secret, SecretFile, Settings, TlsSettings};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use toml::{Table, Value};

/// The variables that were there when it was made.
pub(crate) struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Those of the process; variables that are not UTF-8 are none of ours.
    pub(crate) fn of_process() -> Self {
        let utf8 = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self(std::env::vars_os().filter_map(utf8).collect())
    }

    #[cfg(test)]
    pub(crate) fn of(variables: &[(&str, &str)]) -> Self {
        Self(
            variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }

    /// A variable's value, where it is set.
    pub(super) fn value(&self, variable: &str) -> Option<&str> {
        self.0.get(variable).map(String::as_str)
    }

    /// What a variable says, or the file that the variable with `_FILE` behind its name names.
    pub(super) fn text_or_file(&self, variable: &str) -> Result<Option<Found>, ConfigError> {
        let file_variable = format!("{variable}_FILE");
        let origin = |name: &str| Origin::Variable(name.to_owned());
        let text = self.value(variable).map(|text| (Secret::from(text), origin(variable)));
        let file = self.value(&file_variable);
        let file = file.map(|path| (SecretFile::new(path), origin(&file_variable)));
        Found::one_of(text, file, (variable, &file_variable))
    }

    /// What overrides a resource's `url`, `user` or `password`, where it is set.
    pub(super) fn part_of(&self, resource: &str, key: &str) -> Result<Option<Found>, ConfigError> {
        self.text_or_file(&variable(resource, key))
    }

    /// The variables that override a resource's settings: name, setting, value.
    pub(crate) fn settings_of(&self, resource: &str) -> Vec<(&str, String, &str)> {
        let prefix = format!("QA_{}__", capitals(resource));
        let ours = self.0.iter().filter_map(|(name, value)| {
            let setting = name.strip_prefix(&prefix)?.to_lowercase();
            Some((name.as_str(), setting, value.as_str()))
        });
        ours.collect()
    }

    /// `text` with each `${NAME}` replaced; the error is the name that is missing or unfinished.
    pub(crate) fn expand(&self, text: &str) -> Result<String, String> {
        let (mut done, mut rest) = (String::new(), text);
        while let Some((before, behind)) = rest.split_once("${") {
            let (name, after) = behind.split_once('}').ok_or("a ${ has no closing brace")?;
            let known = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if !known || name.is_empty() {
                return Err("a ${NAME} has something else than letters, digits and _ in its name"
                    .to_owned());
            }
            let value = self
                .0
                .get(name)
                .ok_or_else(|| format!("environment variable {name} is not set"))?;
            done.push_str(before);
            done.push_str(value);
            rest = after;
        }
        Ok(done + rest)
    }

    /// The names of the resources whose URL is in a variable, in lower case, in order.
    fn resources(&self) -> BTreeSet<String> {
        let names = self.0.keys().filter_map(|variable| {
            let rest = variable.strip_prefix("QA_")?;
            let name = rest.strip_suffix("_URL").or_else(|| rest.strip_suffix("_URL_FILE"))?;
            (!name.is_empty() && !name.starts_with("TEST_")).then(|| name.to_lowercase())
        });
        names.collect()
    }
}

/// The variable that overrides a resource's key: `QA_CACHE_URL`.
pub(super) fn variable(resource: &str, key: &str) -> String {
    format!("QA_{}_{}", capitals(resource), key.to_uppercase())
}

/// A resource's name as it stands in a variable's.
fn capitals(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
        .collect()
}

/// A resource for each `QA_<NAME>_URL`.
pub(crate) fn config(environment: &Environment) -> Result<Config, ConfigError> {
    let mut drafts = Vec::new();
    for name in environment.resources() {
        if let Some(url) = environment.part_of(&name, "url")? {
            let user = environment.part_of(&name, "user")?;
            let password = environment.part_of(&name, "password")?;
            drafts.push(draft(name, url, (user, password), environment)?);
        }
    }
    of_drafts(drafts)
}

/// A resource that no file says anything of.
pub(super) fn draft(
    name: String,
    url: Found,
    (user, password): (Option<Found>, Option<Found>),
    environment: &Environment,
) -> Result<Draft, ConfigError> {
    let (table, origins) = with_overrides(Table::new(), &name, environment)?;
    let settings = Settings::deserialize(Value::Table(table)).map_err(|error| {
        let variable = format!("QA_{}__…", capitals(&name));
        ConfigError::Variable { variable, message: without_value(error.message()) }
    })?;
    let tls = TlsSettings::default();
    let (required, group) = (true, None);
    Ok(Draft { name, url, user, password, tls, settings, required, group, origins })
}

/// The configuration of these resources and nothing else.
pub(super) fn of_drafts(drafts: Vec<Draft>) -> Result<Config, ConfigError> {
    let mut config = Config { shutdown_timeout: SHUTDOWN_TIMEOUT, ..Config::default() };
    for draft in drafts {
        let name = draft.name.clone();
        let (resource, origins) = draft.finish()?;
        config.resources.push(resource);
        config.sources.resources.insert(name, origins);
    }
    Ok(config)
}

/// A table of settings with the environment's in it, each checked by itself so that an error can
/// name its variable; and where those came from.
pub(super) fn with_overrides(
    mut table: Table,
    resource: &str,
    environment: &Environment,
) -> Result<(Table, Origins), ConfigError> {
    let mut origins = Origins::new();
    for (variable, setting, text) in environment.settings_of(resource) {
        let value =
            text.parse::<i64>().map_or_else(|_| Value::String(text.to_owned()), Value::Integer);
        let alone = Table::from_iter([(setting.clone(), value.clone())]);
        Settings::deserialize(Value::Table(alone)).map_err(|error| ConfigError::Variable {
            variable: variable.to_owned(),
            message: without_value(error.message()),
        })?;
        origins.insert(setting.clone(), Origin::Variable(variable.to_owned()));
        table.insert(setting, value);
    }
    Ok((table, origins))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn each_url_is_a_resource_and_settings_follow_it() {
        let environment = Environment::of(&[
            ("QA_REDIS_URL", "redis://:pw@cache:1/2"),
            ("QA_REDIS__ACQUIRE_TIMEOUT", "250ms"),
            ("QA_REDIS__CONNECT_ATTEMPTS", "7"),
            ("QA_TEST_MONGO_URL", "mongodb://elsewhere"),
            ("QA_SOMETHING", "else"),
        ]);
        let config = config(&environment).unwrap();
        let [redis] = &config.resources[..] else { panic!("{config:?}") };
        assert_eq!(&*redis.target.name, "redis");
        assert_eq!(redis.target.endpoint.address(6379), "cache:1/2");
        assert_eq!(redis.settings.acquire_timeout, Duration::from_millis(250));
        assert_eq!(redis.settings.connect_attempts, 7);
        let origin = config.sources.of("redis", "acquire_timeout");
        assert_eq!(origin.to_string(), "variable QA_REDIS__ACQUIRE_TIMEOUT");
    }

    #[test]
    fn url_user_and_password_may_be_in_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let (url, password) = (file("url", "redis://me:old@h\n"), file("password", "hunter2\n"));
        let environment = Environment::of(&[
            ("QA_CACHE_URL_FILE", url.as_str()),
            ("QA_CACHE_PASSWORD_FILE", password.as_str()),
        ]);
        let config = config(&environment).unwrap();
        let endpoint = &config.resources[0].target.endpoint;
        assert_eq!(endpoint.user(), Some(&Secret::from("me")));
        assert_eq!(endpoint.password(), Some(&Secret::from("hunter2")));
        assert!(config.resources[0].target.credentials.is_some(), "asked at each connect");
        let origin = config.sources.of("cache", "password").to_string();
        assert_eq!(origin, format!("file {password} (named by variable QA_CACHE_PASSWORD_FILE)"));
    }

    #[test]
    fn errors_name_the_variable_and_not_its_value() {
        for (variable, value, part) in [
            ("QA_REDIS_URL", "redis:/me:hunter2@x", "no scheme"),
            ("QA_REDIS__ACQUIRE_TIMEOUT", "hunter2", "the value is not a duration"),
            ("QA_REDIS__ACQIRE_TIMEOUT", "1s", "unknown field `acqire_timeout`"),
            ("QA_REDIS_URL_FILE", "/hunter", "set one of them"),
            ("QA_REDIS_PASSWORD_FILE", "/no/such/file", "/no/such/file: there is none; mount"),
        ] {
            let mut variables = vec![("QA_REDIS_URL", "redis://x")];
            variables.retain(|(name, _)| *name != variable);
            variables.push((variable, value));
            let error = config(&Environment::of(&variables)).unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(
                text.contains(variable) && text.contains(part) && !text.contains("hunter2"),
                "{text}"
            );
        }
    }

    #[test]
    fn texts_are_expanded() {
        let environment = Environment::of(&[("A", "1"), ("B_2", "two")]);
        assert_eq!(environment.expand("x${A}y${B_2}$z").unwrap(), "x1ytwo$z");
        assert_eq!(environment.expand("${C}").unwrap_err(), "environment variable C is not set");
        assert!(environment.expand("${A").is_err() && environment.expand("${hun ter2}").is_err());
    }
}
