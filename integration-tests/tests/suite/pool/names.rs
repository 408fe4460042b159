//! What can be wrong with a name or a URL before anything is dialled.

use integration_tests::{Subject, servers};
use qa_pool::core::Target;
use qa_pool::mongo::MongoDb;
use qa_pool::redis::Redis;
use qa_pool::{Config, Error, ErrorKind, KNOWN_SCHEMES, Resource, ResourcePool, Settings};
use std::time::Duration;

fn redis(name: &str) -> Resource<Redis> {
    let target = Target::parse(name, "redis://localhost").unwrap();
    Resource::new(name, Redis::new(&target).unwrap(), Settings::default())
}

/// A configuration error that says each of `parts`.
#[track_caller]
fn assert_config(error: &Error, parts: &[&str]) {
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    for part in parts {
        assert!(error.to_string().contains(part), "{part} is not in: {error}");
    }
}

fn from_toml(text: &str) -> Result<ResourcePool, Error> {
    ResourcePool::from_config(&Config::from_toml(text).unwrap())
}

#[tokio::test]
async fn an_unknown_scheme_is_refused_with_the_known_ones() {
    let known = KNOWN_SCHEMES.map(|(scheme, _)| scheme);
    let error = from_toml("[[resource]]\nname = 'sql'\nurl = 'mysql://h'").unwrap_err();
    assert_config(&error, &["`sql`"]);
    assert_config(&error, &known);
}

#[tokio::test]
async fn every_known_scheme_has_a_backend_when_all_features_are_built() {
    for (scheme, feature) in KNOWN_SCHEMES {
        let made = from_toml(&format!("[[resource]]\nname = 'it'\nurl = '{scheme}://h'"));
        assert!(made.is_ok(), "{scheme} of {feature}: {made:?}");
    }
}

#[tokio::test]
async fn a_name_is_taken_once() {
    let twice = "[[resource]]\nname = 'cache'\nurl = 'redis://h'\n".repeat(2);
    assert_config(&from_toml(&twice).unwrap_err(), &["`cache`", "two resources of this name"]);
    let pool = ResourcePool::new();
    pool.add(redis("cache")).unwrap();
    assert_config(&pool.add(redis("cache")).unwrap_err(), &["`cache`"]);
    assert_config(&pool.add_optional(redis("cache")).unwrap_err(), &["`cache`"]);
    assert_eq!(pool.status().len(), 1);
}

#[tokio::test]
async fn a_group_is_had_by_its_name_and_type_alone() {
    let pool = ResourcePool::new();
    assert_config(&pool.get::<Redis>("cache").unwrap_err(), &["`cache`", "none"]);
    pool.add(redis("cache")).unwrap();
    assert_eq!(pool.get::<Redis>("cache").unwrap().name(), "cache");
    assert_eq!(pool.redis().unwrap().name(), "cache", "the only one needs no default name");
    assert_config(&pool.get::<Redis>("cash").unwrap_err(), &["`cash`", "cache"]);
    let error = pool.get::<MongoDb>("cache").unwrap_err();
    assert_config(&error, &["redis resource", "not mongodb"]);
    pool.add(redis("other")).unwrap();
    assert_config(&pool.redis().unwrap_err(), &["`redis`", "cache, other"]);
}

#[tokio::test]
async fn nothing_is_added_to_a_pool_that_closes() {
    let server = servers::shared(integration_tests::Redis::SYSTEM).await;
    let target = Target::parse("cache", &server.url()).unwrap();
    let pool = ResourcePool::new();
    let cache = Resource::new("cache", Redis::new(&target).unwrap(), Settings::default());
    pool.add(cache).unwrap().connect().await.unwrap();
    assert!(pool.close(Duration::from_secs(5)).await.is_clean());
    assert_eq!(pool.add(redis("late")).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(pool.connect().await.unwrap_err().failures[0].kind(), ErrorKind::Closed);
}
