//! Which URL scheme means which backend, and which of them this build has.

use qa_resource_core::{Error, Managed, Result, Settings, Target};
use std::sync::Arc;

#[cfg(feature = "amqp")]
mod amqp;
#[cfg(feature = "clickhouse")]
mod clickhouse;
#[cfg(feature = "mongo")]
mod mongo;
#[cfg(feature = "redis")]
mod redis;

/// Makes a group of one from a target, without I/O.
type Make = fn(&Target, &Settings) -> Result<Arc<dyn Managed>>;

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
pub(crate) fn make(target: &Target, settings: &Settings) -> Result<Arc<dyn Managed>> {
    let scheme = target.endpoint.scheme();
    let Some((_, feature)) = KNOWN_SCHEMES.iter().find(|(known, _)| *known == scheme) else {
        return Err(unknown_scheme(target));
    };
    match BUILT_IN.iter().find(|(built_in, _)| built_in == feature) {
        Some((_, make)) => make(target, settings),
        None => Err(target.config_error(format!(
            "the URL's scheme `{scheme}` needs the feature `{feature}` of qa-pool, which this build has not"
        ))),
    }
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
        let target = super::Target::parse("cache", "redis://somebody:c4n4ry@localhost").unwrap();
        let made = super::make(&target, &super::Settings::default());
        let error = made.err().unwrap();
        assert_eq!(error.kind(), qa_resource_core::ErrorKind::Config);
        let text = format!("{error} {error:?}");
        assert!(text.contains("`cache`") && text.contains("feature `redis`"), "{text}");
        assert!(!text.contains("c4n4ry"), "{text}");
    }
}
