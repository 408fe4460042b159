//! Which URL scheme means which backend, and which of them this build has.

use crate::ResourceConfig;
use crate::config::member_name;
use qa_resource_core::{Backend, Error, Group, Managed, Member, Resource, Result, Target};
use std::sync::Arc;

#[cfg(feature = "amqp")]
mod amqp;
#[cfg(feature = "clickhouse")]
mod clickhouse;
#[cfg(feature = "mongo")]
mod mongo;
#[cfg(feature = "redis")]
mod redis;

/// Makes the group of a resource, whose target is given as it is to be used, without I/O.
type Make = fn(&ResourceConfig, &Target) -> Result<Arc<dyn Managed>>;

/// The URL schemes that are known, each with the feature that has its backend.
pub const KNOWN_SCHEMES: [(&str, &str); 12] = [
    ("mongodb", "mongo"),
    ("mongodb+srv", "mongo"),
    ("amqp", "amqp"),
    ("amqps", "amqp"),
    ("clickhouse", "clickhouse"),
    ("clickhouses", "clickhouse"),
    ("redis", "redis"),
    ("rediss", "redis"),
    ("redis-sentinel", "redis"),
    ("rediss-sentinel", "redis"),
    ("redis-cluster", "redis"),
    ("rediss-cluster", "redis"),
];

/// The backends of this build, by feature.
const BUILT_IN: &[(&str, Make)] = &[
    #[cfg(feature = "mongo")]
    ("mongo", mongo::make),
    #[cfg(feature = "amqp")]
    ("amqp", amqp::make),
    #[cfg(feature = "clickhouse")]
    ("clickhouse", clickhouse::make),
    #[cfg(feature = "redis")]
    ("redis", redis::make),
];

/// Makes the group that a target's scheme asks for.
pub(crate) fn make(resource: &ResourceConfig, target: &Target) -> Result<Arc<dyn Managed>> {
    let scheme = target.endpoint.scheme();
    let Some((_, feature)) = KNOWN_SCHEMES.iter().find(|(known, _)| *known == scheme) else {
        return Err(unknown_scheme(target));
    };
    match BUILT_IN.iter().find(|(built_in, _)| built_in == feature) {
        Some((_, make)) => make(resource, target),
        None => Err(target.config_error(format!(
            "the URL's scheme `{scheme}` needs the feature `{feature}` of qa-pool, which this build has not"
        ))),
    }
}

/// A group of all servers of a resource; `each` makes a backend for each server that a target names.
#[allow(dead_code, reason = "a build without backends has no use for it")]
fn group<B: Backend>(
    resource: &ResourceConfig,
    target: &Target,
    each: impl Fn(&Target) -> Result<Vec<B>>,
) -> Result<Arc<dyn Managed>> {
    let config = resource.group.clone().unwrap_or_default();
    let mut backends = Vec::new();
    for (target, weight) in config.targets(target) {
        backends.extend(each(&target)?.into_iter().map(|backend| (backend, weight)));
    }
    let settings = || resource.settings.clone();
    let name = &target.name;
    if resource.group.is_none() && backends.len() == 1 {
        let (backend, _) = backends.remove(0);
        let member = Resource::new(Arc::clone(name), backend, settings());
        return Ok(Arc::new(Group::from(member)));
    }
    let members = backends.into_iter().map(|(backend, weight)| {
        let member = member_name(name, backend.address());
        Member::new(Resource::new(member, backend, settings())).weight(weight)
    });
    Ok(Arc::new(Group::of(Arc::clone(name), members, config.settings())?))
}

fn unknown_scheme(target: &Target) -> Error {
    let known: Vec<_> = KNOWN_SCHEMES.iter().map(|(scheme, _)| *scheme).collect();
    target.config_error(format!("the URL's scheme is not one of {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    #[cfg(not(feature = "redis"))]
    #[test]
    fn a_url_whose_backend_is_not_built_in_is_refused_with_the_name_of_its_feature() {
        let url = "[[resource]]\nname = 'cache'\nurl = 'redis://somebody:c4n4ry@localhost'";
        let resource = crate::Config::from_toml(url).unwrap().resources.remove(0);
        let made = super::make(&resource, &resource.target);
        let error = made.err().unwrap();
        assert_eq!(error.kind(), qa_resource_core::ErrorKind::Config);
        let text = format!("{error} {error:?}");
        assert!(text.contains("`cache`") && text.contains("feature `redis`"), "{text}");
        assert!(!text.contains("c4n4ry"), "{text}");
    }
}
