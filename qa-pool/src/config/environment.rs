//! The environment as a source: resources of its own, overrides, and `${NAME}` in texts.

use super::{Config, ConfigError, ResourceConfig};
use crate::config::error::without_value;
use crate::run::SHUTDOWN_TIMEOUT;
use qa_resource_core::{Settings, Target, TlsSettings};
use serde::Deserialize;
use std::collections::BTreeMap;
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

    /// The variable that overrides a resource's URL, where it is set.
    pub(crate) fn url_of(&self, resource: &str) -> Option<(String, &str)> {
        let name = format!("QA_{}_URL", capitals(resource));
        self.0.get(&name).map(|value| (name, value.as_str()))
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
}

/// A resource's name as it stands in a variable's.
fn capitals(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
        .collect()
}

/// A resource for each `QA_<NAME>_URL`.
pub(crate) fn config(environment: &Environment) -> Result<Config, ConfigError> {
    let mut resources = Vec::new();
    for (variable, url) in &environment.0 {
        let name = variable.strip_prefix("QA_").and_then(|rest| rest.strip_suffix("_URL"));
        let Some(name) = name.filter(|name| !name.is_empty() && !name.starts_with("TEST_")) else {
            continue;
        };
        let name = name.to_lowercase();
        let target = Target::parse(name.as_str(), url).map_err(|error| ConfigError::Variable {
            variable: variable.clone(),
            message: error.message().to_owned(),
        })?;
        let settings = with_overrides(Table::new(), &name, environment)?;
        let settings = Settings::deserialize(Value::Table(settings)).map_err(|error| {
            ConfigError::Variable {
                variable: format!("QA_{}__…", capitals(&name)),
                message: without_value(error.message()),
            }
        })?;
        let target = Target { tls: TlsSettings::default(), ..target };
        resources.push(ResourceConfig { target, settings, required: true });
    }
    Ok(Config { resources, shutdown_timeout: SHUTDOWN_TIMEOUT })
}

/// A table of settings with the environment's in it, each checked by itself so that an error can
/// name its variable.
pub(crate) fn with_overrides(
    mut table: Table,
    resource: &str,
    environment: &Environment,
) -> Result<Table, ConfigError> {
    for (variable, setting, text) in environment.settings_of(resource) {
        let value =
            text.parse::<i64>().map_or_else(|_| Value::String(text.to_owned()), Value::Integer);
        let alone = Table::from_iter([(setting.clone(), value.clone())]);
        Settings::deserialize(Value::Table(alone)).map_err(|error| ConfigError::Variable {
            variable: variable.to_owned(),
            message: without_value(error.message()),
        })?;
        table.insert(setting, value);
    }
    Ok(table)
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
    }

    #[test]
    fn errors_name_the_variable_and_not_its_value() {
        for (variable, value, part) in [
            ("QA_REDIS_URL", "redis:/me:hunter2@x", "no scheme"),
            ("QA_REDIS__ACQUIRE_TIMEOUT", "hunter2", "the value is not a duration"),
            ("QA_REDIS__ACQIRE_TIMEOUT", "1s", "unknown field `acqire_timeout`"),
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
