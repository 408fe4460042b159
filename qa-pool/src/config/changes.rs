//! What another configuration would change, and how.

use super::{Config, ResourceConfig, keys};
use qa_resource_core::{Endpoint, Secret};
use std::fmt;

/// How a change of a [`Config`] takes effect in a pool that is running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Effect {
    /// At once, on the connections that are there.
    Live,
    /// With a fresh connection, which is made at once; what is under way finishes on the old one.
    Reconnect,
    /// With the next start of the process: until then it stays as it was.
    Restart,
}

/// One thing that differs between two configurations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The resource; `None` for what is the whole pool's.
    pub resource: Option<String>,
    /// The key, such as `acquire_timeout`; `resource` where it came or went.
    pub key: String,
    /// How it takes effect.
    pub effect: Effect,
}

/// What differs between two configurations. Its `Display` is a line for each; no value is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes(Vec<Change>);

impl Changes {
    /// Each of them, in the order of the resources.
    pub fn iter(&self) -> impl Iterator<Item = &Change> {
        self.0.iter()
    }

    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is something that a running pool does not take.
    #[must_use]
    pub fn needs_restart(&self) -> bool {
        self.0.iter().any(|change| change.effect == Effect::Restart)
    }

    /// Whether something of `resource` has this effect.
    pub(crate) fn has(&self, resource: &str, effect: Effect) -> bool {
        let is = |change: &Change| change.resource.as_deref() == Some(resource);
        self.0.iter().any(|change| is(change) && change.effect == effect)
    }

    /// Whether the login of `resource` stays as it was.
    pub(crate) fn restarts_login(&self, resource: &str) -> bool {
        let is = |change: &&Change| {
            change.resource.as_deref() == Some(resource)
                && matches!(&*change.key, "url" | "user" | "password")
        };
        self.0.iter().filter(is).any(|change| change.effect == Effect::Restart)
    }

    /// Whether the group of `resource` stays as it was.
    pub(crate) fn restarts_group(&self, resource: &str) -> bool {
        let is =
            |change: &Change| change.resource.as_deref() == Some(resource) && change.key == "group";
        self.0.iter().any(is)
    }

    /// Those of another one, too.
    pub(crate) fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// One more.
    pub(crate) fn note(&mut self, resource: Option<&str>, key: &str, effect: Effect) {
        let resource = resource.map(str::to_owned);
        self.0.push(Change { resource, key: key.to_owned(), effect });
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(resource) = &self.resource {
            write!(f, "resource `{resource}`: ")?;
        }
        let effect = match self.effect {
            Effect::Live => "is in force now",
            Effect::Reconnect => "is in force with a fresh connection",
            Effect::Restart => "can't change while the process runs: restart it",
        };
        write!(f, "{} {effect}", self.key)
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("nothing changed");
        }
        let lines: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl Config {
    /// What would change if `new` took this one's place, and how each change takes effect. Pure: it
    /// compares what was loaded, and looks at no file.
    ///
    /// Settings, `required`, `shutdown_timeout`, a group's weights and members that go or come behind the
    /// others are [`Live`](Effect::Live); a login and
    /// `max_in_flight` take a fresh connection ([`Reconnect`](Effect::Reconnect)); where a server is
    /// (`url` but for its login), the paths of `tls`, and which resources there are in which order
    /// take a [`Restart`](Effect::Restart).
    ///
    /// ```
    /// # use qa_pool::{Config, ConfigError, Effect};
    /// let with = |setting: &str| {
    ///     Config::from_toml(&format!("[[resource]]\nname = 'r'\nurl = 'redis://h'\n{setting}"))
    /// };
    /// let changes = with("")?.changes(&with("acquire_timeout = '1s'")?);
    /// assert_eq!(changes.to_string(), "resource `r`: acquire_timeout is in force now");
    /// assert!(!changes.needs_restart());
    /// # Ok::<(), ConfigError>(())
    /// ```
    #[must_use]
    pub fn changes(&self, new: &Self) -> Changes {
        let mut changes = Changes::default();
        if self.shutdown_timeout != new.shutdown_timeout {
            changes.note(None, "shutdown_timeout", Effect::Live);
        }
        for old in &self.resources {
            match new.resource(&old.target.name) {
                Some(new) => compare(old, new, &mut changes),
                None => changes.note(Some(&old.target.name), "resource", Effect::Restart),
            }
        }
        for new in &new.resources {
            if self.resource(&new.target.name).is_none() {
                changes.note(Some(&new.target.name), "resource", Effect::Restart);
            }
        }
        if self.order_in(new) != new.order_in(self) {
            changes.note(None, "the order of the resources", Effect::Restart);
        }
        changes
    }

    pub(crate) fn resource(&self, name: &str) -> Option<&ResourceConfig> {
        self.resources.iter().find(|resource| &*resource.target.name == name)
    }

    /// The names that both have, in the order of this one.
    fn order_in<'a>(&'a self, other: &Self) -> Vec<&'a str> {
        let names = self.resources.iter().map(|resource| &*resource.target.name);
        names.filter(|name| other.resource(name).is_some()).collect()
    }
}

/// One resource, before and after.
fn compare(old: &ResourceConfig, new: &ResourceConfig, changes: &mut Changes) {
    let mut note = |key: &str, effect| changes.note(Some(&old.target.name), key, effect);
    let (before, after) = (&old.target.endpoint, &new.target.endpoint);
    let moved = place(before) != place(after);
    if moved {
        note("url", Effect::Restart);
    }
    // A pool asks for the login at each connect where there is a password, and only there. A login
    // for another server is none for this one.
    let login = if before.password().is_some() && after.password().is_some() && !moved {
        Effect::Reconnect
    } else {
        Effect::Restart
    };
    for (key, before, after) in
        [("user", before.user(), after.user()), ("password", before.password(), after.password())]
    {
        if before != after {
            note(key, login);
        }
    }
    if old.target.tls != new.target.tls {
        note("tls", Effect::Restart);
    }
    if old.required != new.required {
        note("required", Effect::Live);
    }
    match (&old.group, &new.group) {
        (Some(before), Some(after)) => {
            if let Some((what, effect)) = before.changed(after) {
                note(what, effect);
            }
        }
        (before, after) if before != after => note("group", Effect::Restart),
        _ => {}
    }
    let (before, after) = (keys::settings(&old.settings), keys::settings(&new.settings));
    for (key, value) in after {
        if before[&key] != value {
            let reconnect = key == "max_in_flight";
            note(&key, if reconnect { Effect::Reconnect } else { Effect::Live });
        }
    }
}

/// Where a server is, whoever we are there.
fn place(endpoint: &Endpoint) -> Secret {
    endpoint.clone().with_credentials(None, None).url()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "[[resource]]\nname = 'r'\n";

    fn config(text: &str) -> Config {
        Config::from_toml(text).unwrap()
    }

    #[test]
    fn each_change_has_its_effect() {
        let base = format!("{HEAD}url = 'redis://me:pw@h'\n");
        let cases: [(String, &[&str]); 14] = [
            (base.clone(), &[]),
            (format!("shutdown_timeout = '1s'\n{base}"), &["shutdown_timeout Live"]),
            (format!("{base}acquire_timeout = '1s'"), &["r.acquire_timeout Live"]),
            (format!("{base}acquire_timeout = '5000ms'"), &[]),
            (format!("{base}max_in_flight = 4"), &["r.max_in_flight Reconnect"]),
            (format!("{base}required = false"), &["r.required Live"]),
            (format!("{HEAD}url = 'redis://me:new@h'"), &["r.password Reconnect"]),
            (format!("{HEAD}url = 'redis://you:pw@h'"), &["r.user Reconnect"]),
            (format!("{HEAD}url = 'redis://h'"), &["r.user Restart", "r.password Restart"]),
            (format!("{HEAD}url = 'redis://me:pw@other'"), &["r.url Restart"]),
            (
                format!("{HEAD}url = 'redis://me:new@other'"),
                &["r.url Restart", "r.password Restart"],
            ),
            (format!("{HEAD}url = 'redis://me:pw@h?protocol=resp2'"), &["r.url Restart"]),
            (format!("{base}tls = {{ ca_file = 'x' }}"), &["r.tls Restart"]),
            (
                "[[resource]]\nname = 'other'\nurl = 'redis://h'".to_owned(),
                &["r.resource Restart", "other.resource Restart"],
            ),
        ];
        for (text, expected) in cases {
            let changes = config(&base).changes(&config(&text));
            let told = changes.iter().map(|Change { resource, key, effect }| {
                let dot = if resource.is_some() { "." } else { "" };
                format!("{}{dot}{key} {effect:?}", resource.as_deref().unwrap_or_default())
            });
            assert_eq!(told.collect::<Vec<_>>(), expected, "{text}");
            let shown = format!("{changes} {changes:?}");
            assert!(!shown.contains("new") && !shown.contains("you"), "a value: {shown}");
        }
    }

    #[test]
    fn another_order_takes_a_restart() {
        let one = |name: &str| format!("[[resource]]\nname = '{name}'\nurl = 'redis://h'\n");
        let (before, after) = (one("a") + &one("b"), one("b") + &one("a"));
        let changes = config(&before).changes(&config(&after));
        assert!(changes.needs_restart() && changes.to_string().contains("order"), "{changes}");
        let more = config(&before).changes(&config(&(one("a") + &one("c") + &one("b"))));
        assert_eq!(more.to_string().lines().count(), 1, "{more}");
    }
}
