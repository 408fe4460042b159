//! Several servers behind one name, as a configuration has them.

use super::Effect;
use qa_resource_core::{GroupSettings, Host, Policy, Target};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// The other servers of a resource, and how the group of all of them behaves: the table `group`.
///
/// ```toml
/// [[resource]]
/// name = "bars"
/// url = "clickhouse://me@one/quantaxis"
/// [resource.group]
/// policy = "failover"
/// members = [{ host = "two" }, { host = "three:8124", weight = 2 }]
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GroupConfig {
    /// How a member is chosen. Default: `least-loaded`.
    pub policy: Policy,
    /// See [`GroupSettings::failback_after`]. Default: 30 s.
    #[serde(with = "humantime_serde")]
    failback_after: Option<Duration>,
    /// See [`Ejection::failures`](qa_resource_core::Ejection::failures). Default: 3.
    ejection_failures: Option<u32>,
    /// See [`Ejection::first`](qa_resource_core::Ejection::first). Default: 1 s.
    #[serde(with = "humantime_serde")]
    ejection_first: Option<Duration>,
    /// See [`Ejection::longest`](qa_resource_core::Ejection::longest). Default: 30 s.
    #[serde(with = "humantime_serde")]
    ejection_longest: Option<Duration>,
    /// The weight of the server that the URL names. Default: 1.
    pub weight: Option<u32>,
    /// The servers beside the one of the URL, with its login, path, options and TLS.
    pub members: Vec<MemberConfig>,
}

/// Another server of a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberConfig {
    /// `host` or `host:port`.
    #[serde(deserialize_with = "host", serialize_with = "as_text")]
    pub host: Host,
    /// How much of the work it is to have next to the others, 1 to 1000. Default: 1.
    #[serde(default = "one")]
    pub weight: u32,
}

fn one() -> u32 {
    1
}

fn host<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Host, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| D::Error::custom("expected a host, or a host and a port"))
}

fn as_text<S: serde::Serializer>(host: &Host, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(host)
}

impl GroupConfig {
    /// What the group is made with.
    #[must_use]
    pub fn settings(&self) -> GroupSettings {
        let mut settings = GroupSettings { policy: self.policy, ..GroupSettings::default() };
        let ejection = &mut settings.ejection;
        ejection.failures = self.ejection_failures.unwrap_or(ejection.failures);
        ejection.first = self.ejection_first.unwrap_or(ejection.first);
        ejection.longest = self.ejection_longest.unwrap_or(ejection.longest);
        settings.failback_after = self.failback_after.unwrap_or(settings.failback_after);
        settings
    }

    /// What of it is other in `new`, and how that takes effect. Weights can change while it runs, members can go,
    /// and others can come behind those that stay.
    pub(crate) fn changed(&self, new: &Self) -> Option<(&'static str, Effect)> {
        if self == new {
            return None;
        }
        let rest = |group: &Self| Self { weight: None, members: Vec::new(), ..group.clone() };
        let hosts = |group: &Self| -> Vec<_> {
            group.members.iter().map(|member| member.host.clone()).collect()
        };
        let (before, after) = (hosts(self), hosts(new));
        let stay: Vec<_> = before.iter().filter(|host| after.contains(host)).cloned().collect();
        if rest(self) != rest(new) || !after.starts_with(&stay) {
            return Some(("group", Effect::Restart));
        }
        let what = if before == after { "group.weight" } else { "group.members" };
        Some((what, Effect::Live))
    }

    /// The target of each member with its weight: the URL's own server first. `first` is what the URL
    /// names, and may be several servers.
    pub(crate) fn targets(&self, first: &Target) -> Vec<(Target, u32)> {
        let of = |member: &MemberConfig| {
            let endpoint = first.endpoint.clone().with_hosts(vec![member.host.clone()]);
            (Target { endpoint, ..first.clone() }, member.weight)
        };
        let own = (first.clone(), self.weight.unwrap_or(1));
        std::iter::once(own).chain(self.members.iter().map(of)).collect()
    }
}

/// The name of a member: the resource's and the server's, as `bars@one:8123`.
pub(crate) fn member_name(resource: &str, address: &str) -> Arc<str> {
    let server = address.split('/').next().unwrap_or(address);
    format!("{resource}@{server}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_have_the_login_the_path_and_the_options_of_the_url() {
        let text = "policy = 'failover'\nejection_first = '2s'\nweight = 3\n\
                    members = [{ host = 'two' }, { host = '[::1]:6380', weight = 2 }]";
        let group: GroupConfig = toml::from_str(text).unwrap();
        let settings = group.settings();
        assert_eq!((settings.policy, settings.ejection.first.as_secs()), (Policy::Failover, 2));
        assert_eq!(settings.failback_after, GroupSettings::default().failback_after);
        let target = Target::parse("cache", "redis://me:pw@one/2?protocol=resp2").unwrap();
        let targets = group.targets(&target);
        let shown = targets.iter().map(|(target, weight)| {
            (target.endpoint.address(6379), target.endpoint.password().is_some(), *weight)
        });
        let all = [("one:6379/2", true, 3), ("two:6379/2", true, 1), ("[::1]:6380/2", true, 2)];
        assert!(shown.eq(all.map(|(address, login, weight)| (address.to_owned(), login, weight))));
        assert_eq!(&*member_name("cache", "two:6379/2"), "cache@two:6379");
    }

    #[test]
    fn members_come_behind_those_that_stay_and_go_and_all_else_waits_for_the_next_start() {
        let group = |text: &str| -> GroupConfig { toml::from_str(text).unwrap() };
        let base = group("members = [{ host = 'two' }, { host = 'three' }]");
        let (members, weights) = ("group.members", "group.weight");
        for (text, expected) in [
            ("members = [{ host = 'two' }, { host = 'three' }]", None),
            ("members = [{ host = 'two', weight = 2 }, { host = 'three' }]", Some(weights)),
            ("weight = 2\nmembers = [{ host = 'two' }, { host = 'three' }]", Some(weights)),
            ("members = [{ host = 'two' }, { host = 'three' }, { host = 'four' }]", Some(members)),
            ("members = [{ host = 'three', weight = 2 }]", Some(members)),
            ("members = [{ host = 'three' }, { host = 'four' }]", Some(members)),
            ("members = []", Some(members)),
            ("members = [{ host = 'three' }, { host = 'two' }]", Some("group")),
            ("members = [{ host = 'four' }, { host = 'three' }]", Some("group")),
            ("policy = 'failover'\nmembers = [{ host = 'two' }]", Some("group")),
            ("ejection_failures = 5\nmembers = [{ host = 'two' }]", Some("group")),
        ] {
            let effect = if expected == Some("group") { Effect::Restart } else { Effect::Live };
            let expected = expected.map(|what| (what, effect));
            assert_eq!(base.changed(&group(text)), expected, "{text}");
        }
    }

    #[test]
    fn a_host_that_is_none_and_an_unknown_key_are_refused_without_the_value() {
        for text in ["members = [{ host = 'hunter2:x' }]", "members = [{ host = '' }]"] {
            let error = toml::from_str::<GroupConfig>(text).unwrap_err();
            assert!(error.message().contains("a host, or a host and a port"), "{error}");
        }
        assert!(toml::from_str::<GroupConfig>("member = []").is_err());
        assert!(toml::from_str::<GroupConfig>("members = [{ hots = 'a' }]").is_err());
    }
}
