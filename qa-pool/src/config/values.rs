//! What is in force, and where each value came from.

use super::keys::{self, GROUP, OWN, SETTINGS, TLS, WHOLE};
use super::{Config, MemberConfig, Origin, ResourceConfig};
use qa_resource_core::{Endpoint, Secret};
use serde::Serialize;
use serde_json::Value;

/// What stands for a secret.
const MASKED: &str = "***";

/// What stands for a value that is not set.
const UNSET: &str = "none";

/// One value that is in force: whose, which, what, and where from. No secret is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ConfigValue {
    /// The resource; `None` for what is the whole pool's.
    pub resource: Option<String>,
    /// The key, such as `acquire_timeout` or `tls.ca_file`.
    pub key: String,
    /// The value as the file would have it. `***` for a secret; a URL without login and without the
    /// values of its query; `none` where nothing is set.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
}

impl Config {
    /// Every value that is in force, defaults too, with where it came from: what `qa config` prints.
    ///
    /// ```
    /// # use qa_pool::{Config, ConfigError};
    /// let config = Config::from_toml("[[resource]]\nname = 'cache'\nurl = 'redis://:pw@h/1'")?;
    /// let values = config.values();
    /// let password = values.iter().find(|value| value.key == "password").unwrap();
    /// assert_eq!((&*password.value, &*password.origin.to_string()), ("***", "configuration:3"));
    /// # Ok::<(), ConfigError>(())
    /// ```
    #[must_use]
    pub fn values(&self) -> Vec<ConfigValue> {
        let mut values = vec![ConfigValue {
            resource: None,
            key: WHOLE[0].0.to_owned(),
            value: humantime_serde::re::humantime::format_duration(self.shutdown_timeout)
                .to_string(),
            origin: self.sources.shutdown_timeout.clone(),
        }];
        for resource in &self.resources {
            let name = &*resource.target.name;
            let of = |(key, value): (String, String)| ConfigValue {
                resource: Some(name.to_owned()),
                origin: self.sources.of(name, &key),
                key,
                value,
            };
            values.extend(own(resource).into_iter().map(of));
            values.extend(group(resource).into_iter().map(of));
            values.extend(settings(resource).into_iter().map(of));
        }
        values
    }
}

/// The values of a resource's own keys. One that is in a file is told under the key that it is for.
fn own(resource: &ResourceConfig) -> Vec<(String, String)> {
    let target = &resource.target;
    let masked = |secret: Option<&Secret>| secret.map_or(UNSET, |_| MASKED).to_owned();
    let mut values = Vec::new();
    for (key, ..) in OWN.iter().filter(|(key, ..)| !key.ends_with("_file")) {
        let value = match *key {
            "name" => target.name.to_string(),
            "url" => url(&target.endpoint),
            "user" => masked(target.endpoint.user()),
            "password" => masked(target.endpoint.password()),
            "required" => resource.required.to_string(),
            _ => unreachable!("the table has no other key"),
        };
        values.push(((*key).to_owned(), value));
    }
    let files = [&target.tls.ca_file, &target.tls.certificate_file, &target.tls.key_file];
    for ((key, ..), file) in TLS.iter().zip(files) {
        let value = file.as_ref().map_or(UNSET.to_owned(), |path| path.display().to_string());
        values.push((format!("tls.{key}"), value));
    }
    values
}

/// The values of a group, where there is one.
fn group(resource: &ResourceConfig) -> Vec<(String, String)> {
    let Some(group) = &resource.group else { return Vec::new() };
    let settings = group.settings();
    let time = |time| humantime_serde::re::humantime::format_duration(time).to_string();
    let members = group.members.iter().map(|member| {
        let MemberConfig { host, weight } = member;
        if *weight == 1 { host.to_string() } else { format!("{host} (weight {weight})") }
    });
    let members = members.collect::<Vec<_>>().join(", ");
    let value = |key: &str| match key {
        "policy" => settings.policy.as_str().to_owned(),
        "failback_after" => time(settings.failback_after),
        "ejection_failures" => settings.ejection.failures.to_string(),
        "ejection_first" => time(settings.ejection.first),
        "ejection_longest" => time(settings.ejection.longest),
        "weight" => group.weight.unwrap_or(1).to_string(),
        _ => unreachable!("the table has no other key"),
    };
    let own = GROUP.iter().map(|(key, ..)| (format!("group.{key}"), value(key)));
    own.chain([("group.members".to_owned(), members)]).collect()
}

fn settings(resource: &ResourceConfig) -> Vec<(String, String)> {
    let set = keys::settings(&resource.settings);
    let shown = |value: &Value| match value {
        Value::Null => UNSET.to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    SETTINGS.iter().map(|(key, ..)| ((*key).to_owned(), shown(&set[*key]))).collect()
}

/// The URL without its login; of its query the keys, because any value may be a password.
fn url(endpoint: &Endpoint) -> String {
    let keys: Vec<_> = endpoint.query().map(|(key, _)| format!("{key}={MASKED}")).collect();
    let mark = if keys.is_empty() { "" } else { "?" };
    format!("{endpoint}{mark}{}", keys.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_key_of_the_file_has_a_value_and_no_secret_is_shown() {
        let text = "[[resource]]\nname = 'r'\nurl = 'redis://c4n4ry:c4n4ry@h?protocol=c4n4ry'\n\
                    [resource.group]\nmembers = [{ host = 'two', weight = 2 }]";
        let values = Config::from_toml(text).unwrap().values();
        let shown: BTreeSet<_> = values.iter().map(|value| value.key.clone()).collect();
        let own = OWN.iter().filter(|(key, ..)| !key.ends_with("_file"));
        let keys = WHOLE.iter().chain(own).chain(&SETTINGS).map(|(key, ..)| (*key).to_owned());
        let tls = TLS.iter().map(|(key, ..)| format!("tls.{key}"));
        let group = GROUP.iter().map(|(key, ..)| format!("group.{key}"));
        let group = group.chain(["group.members".to_owned()]);
        assert_eq!(shown, keys.chain(tls).chain(group).collect());
        let members = values.iter().find(|value| value.key == "group.members").unwrap();
        assert_eq!(members.value, "two (weight 2)");
        let url = values.iter().find(|value| value.key == "url").unwrap();
        assert_eq!(url.value, "redis://h?protocol=***");
        let text = format!("{values:?} {}", serde_json::to_string(&values).unwrap());
        assert!(!text.contains("c4n4ry"), "{text}");
    }
}
