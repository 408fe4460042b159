//! Which URL scheme means which backend, and which of them this build has.

use crate::ResourceConfig;
use crate::config::member_name;
use qa_resource_core::{Backend, Error, Group, Managed, Member, Resource, Result, Target};
use std::sync::Arc;
use tokio_util::task::TaskTracker;

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

/// Has a group of several follow its configuration; see [`regroup`].
type Regroup = fn(&dyn Managed, &Regrouping<'_>) -> Result<()>;

/// A resource whose members have changed.
pub(crate) struct Regrouping<'a> {
    pub(crate) before: &'a ResourceConfig,
    pub(crate) after: &'a ResourceConfig,
    /// As it is to be used.
    pub(crate) target: &'a Target,
    /// Where those that are gone are closed.
    pub(crate) tasks: &'a TaskTracker,
}

/// A backend that a configuration can name.
#[allow(dead_code, reason = "a build without backends has no use for it")]
pub(crate) trait Configured: Backend + Sized {
    /// One for each server that a target names.
    fn servers(target: &Target) -> Result<Vec<Self>>;
}

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
const BUILT_IN: &[(&str, Make, Regroup)] = &[
    #[cfg(feature = "mongo")]
    ("mongo", group::<qa_mongo::MongoDb>, follow::<qa_mongo::MongoDb>),
    #[cfg(feature = "amqp")]
    ("amqp", group::<qa_amqp::RabbitMq>, follow::<qa_amqp::RabbitMq>),
    #[cfg(feature = "clickhouse")]
    ("clickhouse", group::<qa_clickhouse::ClickHouse>, follow::<qa_clickhouse::ClickHouse>),
    #[cfg(feature = "redis")]
    ("redis", group::<qa_redis::Redis>, follow::<qa_redis::Redis>),
];

/// Makes the group that a target's scheme asks for.
pub(crate) fn make(resource: &ResourceConfig, target: &Target) -> Result<Arc<dyn Managed>> {
    let (make, _) = built_in(target)?;
    make(resource, target)
}

/// Has a group of several follow its configuration: members that are new come behind the others, and those that
/// are gone give no lease any more and are closed, which waits for their leases as long as an operation may
/// take. What was added or removed in code stays so. No I/O before that.
pub(crate) fn regroup(group: &dyn Managed, change: &Regrouping<'_>) -> Result<()> {
    let (_, regroup) = built_in(change.target)?;
    regroup(group, change)
}

/// The functions of the backend that a target's scheme asks for.
fn built_in(target: &Target) -> Result<(Make, Regroup)> {
    let scheme = target.endpoint.scheme();
    let Some((_, feature)) = KNOWN_SCHEMES.iter().find(|(known, _)| *known == scheme) else {
        return Err(unknown_scheme(target));
    };
    match BUILT_IN.iter().find(|(built_in, ..)| built_in == feature) {
        Some((_, make, regroup)) => Ok((*make, *regroup)),
        None => Err(target.config_error(format!(
            "the URL's scheme `{scheme}` needs the feature `{feature}` of qa-pool, which this build has not"
        ))),
    }
}

/// A group of all servers of a resource.
#[allow(dead_code, reason = "a build without backends has no use for it")]
fn group<B: Configured>(resource: &ResourceConfig, target: &Target) -> Result<Arc<dyn Managed>> {
    let mut backends = backends::<B>(resource, target)?;
    let name = &target.name;
    if resource.group.is_none() && backends.len() == 1 {
        let (backend, _) = backends.remove(0);
        let member = Resource::new(Arc::clone(name), backend, resource.settings.clone());
        return Ok(Arc::new(Group::from(member)));
    }
    let members = backends.into_iter().map(|one| member(resource, target, one));
    let settings = resource.group.clone().unwrap_or_default().settings();
    Ok(Arc::new(Group::of(Arc::clone(name), members, settings)?))
}

/// See [`regroup`]. What is wrong with the members is said before anything is changed.
#[allow(dead_code, reason = "a build without backends has no use for it")]
fn follow<B: Configured>(group: &dyn Managed, change: &Regrouping<'_>) -> Result<()> {
    let Regrouping { before, after, target, tasks } = change;
    let Some(group) = group.as_any().downcast_ref::<Group<B>>() else { return Ok(()) };
    let (old, new) = (backends::<B>(before, target)?, backends::<B>(after, target)?);
    let name = |(backend, _): &(B, u32)| member_name(&target.name, backend.address());
    let (old, names): (Vec<_>, Vec<_>) =
        (old.iter().map(name).collect(), new.iter().map(name).collect());
    if let Some(at) = (1..names.len()).find(|at| names[..*at].contains(&names[*at])) {
        return Err(target.config_error(format!("there are two members named `{}`", names[at])));
    }
    for (name, (backend, weight)) in names.iter().zip(new) {
        if group.members().iter().any(|one| one.name() == &**name) {
            group.set_weight(name, weight)?;
        } else if !old.contains(name) {
            group.add(member(after, target, (backend, weight)))?;
        }
    }
    let limit = after.settings.operation_timeout + after.settings.close_timeout;
    for gone in group.members() {
        let is = |name: &Arc<str>| &**name == gone.name();
        if old.iter().any(is) && !names.iter().any(is) {
            let group = group.clone();
            tasks.spawn(async move { group.remove(gone.name(), limit).await });
        }
    }
    Ok(())
}

/// A backend for each server of a resource, with its weight.
#[allow(dead_code, reason = "a build without backends has no use for it")]
fn backends<B: Configured>(resource: &ResourceConfig, target: &Target) -> Result<Vec<(B, u32)>> {
    let config = resource.group.clone().unwrap_or_default();
    let mut backends = Vec::new();
    for (target, weight) in config.targets(target) {
        backends.extend(B::servers(&target)?.into_iter().map(|backend| (backend, weight)));
    }
    Ok(backends)
}

#[allow(dead_code, reason = "a build without backends has no use for it")]
fn member<B: Backend>(
    resource: &ResourceConfig,
    target: &Target,
    (backend, weight): (B, u32),
) -> Member<B> {
    let name = member_name(&target.name, backend.address());
    Member::new(Resource::new(name, backend, resource.settings.clone())).weight(weight)
}

fn unknown_scheme(target: &Target) -> Error {
    let known: Vec<_> = KNOWN_SCHEMES.iter().map(|(scheme, _)| *scheme).collect();
    target.config_error(format!("the URL's scheme is not one of {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    #[cfg(feature = "clickhouse")]
    #[tokio::test]
    async fn the_weight_of_a_url_is_that_of_each_of_its_hosts_and_members_have_their_own() {
        use super::*;
        let config = |weight: u32| {
            let text = format!(
                "[[resource]]\nname = 'ticks'\nurl = 'clickhouse://one,two'\n[resource.group]\n\
                 weight = {weight}\nmembers = [{{ host = 'three', weight = 7 }}]"
            );
            crate::Config::from_toml(&text).unwrap().resources.remove(0)
        };
        let (before, after, tasks) = (config(2), config(5), TaskTracker::new());
        let group = make(&before, &before.target).unwrap();
        let same = group.as_any().downcast_ref::<Group<qa_clickhouse::ClickHouse>>().unwrap();
        let weights = || same.standing().iter().map(|one| one.weight).collect::<Vec<_>>();
        assert_eq!(weights(), [2, 2, 7]);
        let (before, after, target) = (&before, &after, &after.target);
        regroup(&*group, &Regrouping { before, after, target, tasks: &tasks }).unwrap();
        assert_eq!(weights(), [5, 5, 7]);
        assert!(tasks.is_empty(), "nobody is gone");
    }

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
