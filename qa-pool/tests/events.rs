//! The pool's events: every state change of every member, as one stream that ends with the pool.
#![cfg(feature = "redis")]

mod common;

use common::{PATIENCE, server};
use futures_util::StreamExt;
use qa_pool::core::{Resource, Target};
use qa_pool::redis::Redis;
use qa_pool::{ResourcePool, Settings};
use qa_servers::System;
use tokio::time::timeout;

fn redis(name: &str, url: &str) -> Resource<Redis> {
    let backend = Redis::new(&Target::parse(name, url).unwrap()).unwrap();
    Resource::new(name, backend, Settings::default())
}

#[tokio::test]
async fn one_stream_has_the_changes_of_all_members_and_of_those_that_come_later() {
    let url = server(System::Redis).await.url();
    let pool = ResourcePool::new();
    let first = pool.add(redis("first", &url)).unwrap();
    let events = pool.events();
    let second = pool.add(redis("second", &url)).unwrap();
    first.connect().await.unwrap();
    second.connect().await.unwrap();
    let mut watch = second.watch();
    second.members()[0].reconnect();
    while watch.next().await.unwrap().generation < 2 {}
    assert!(pool.close(PATIENCE).await.is_clean());
    // The groups are still held, and the stream ends all the same.
    let told = events.into_stream().map(|change| format!("{} {}", change.resource, change.to));
    let told: Vec<_> = timeout(PATIENCE, told.collect()).await.expect("it ends with the pool");
    let expected = [
        "first connecting",
        "first ready",
        "second connecting",
        "second ready",
        "second ready",
        "second draining",
        "second closed",
        "first draining",
        "first closed",
    ];
    assert_eq!(told, expected);
    assert!(timeout(PATIENCE, pool.events().next()).await.unwrap().is_none(), "it is closed");
}
