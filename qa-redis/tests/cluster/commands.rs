//! With a cluster that stays as it is.

use crate::support::{backend, lengths_asked_of, owned};
use crate::{LIMIT, resource, shared, url, url_of};
use qa_redis::redis::{self, AsyncCommands, Script, pipe};
use qa_redis::{Client, Redis};
use qa_resource_core::{Backend, ErrorKind, Outcome, Resource};
use qa_servers::testing::{Refused, eventually};
use std::collections::BTreeSet;

/// A client of the shared cluster, and the resource that keeps it.
pub(crate) async fn client(name: &str) -> (Client, Resource<Redis>) {
    let resource = resource(name, &url(shared().await, "")).await;
    let client = resource.acquire().await.unwrap().clone();
    (client, resource)
}

/// So many keys with this beginning, which lie on all masters.
pub(crate) fn keys(of: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{of}:{number}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_over_many_keys_are_answered_in_their_order() {
    let (mut client, _resource) = client("many").await;
    let keys = keys("many", 100);
    let pairs: Vec<_> = keys.iter().enumerate().map(|(number, key)| (key, number)).collect();
    let () = client.mset(&pairs).await.unwrap();
    let values: Vec<usize> = client.mget(&keys).await.unwrap();
    assert!(values.into_iter().eq(0..100));
    assert_eq!(client.exists::<_, usize>(&keys).await.unwrap(), 100);
    // It is the nodes that have them, and not one of them.
    let mut found = BTreeSet::new();
    let mut each = Vec::new();
    for mut master in client.masters() {
        let mut some = master.scan_match::<_, String>("many:*").await.unwrap();
        let mut count = 0;
        while let Some(key) = some.next_item().await {
            count += usize::from(found.insert(key.unwrap()));
        }
        each.push(count);
    }
    assert!(each.len() == 3 && each.iter().all(|count| *count > 10), "{each:?}");
    assert_eq!(found.len(), 100);
    assert_eq!(client.del::<_, usize>(&keys).await.unwrap(), 100);
    assert_eq!(client.mget::<_, Vec<Option<u8>>>(&keys).await.unwrap(), [None; 100]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_about_all_keys_is_asked_of_all_masters() {
    let (mut client, _resource) = client("all").await;
    let keys = keys("all", 30);
    let pairs: Vec<_> = keys.iter().map(|key| (key, 1)).collect();
    let () = client.mset(&pairs).await.unwrap();
    let mut found: Vec<String> = client.keys("all:*").await.unwrap();
    found.sort();
    let mut expected = keys.clone();
    expected.sort();
    assert_eq!(found, expected);
    let size: usize = redis::cmd("DBSIZE").query_async(&mut client).await.unwrap();
    assert!(size >= 30, "{size}");
    // A script is loaded by all, and found wherever its keys are.
    let script = Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])");
    for key in &keys {
        let sum: i64 = script.key(key).arg(4).invoke_async(&mut client).await.unwrap();
        assert_eq!(sum, 5);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipeline_goes_to_many_nodes_and_a_transaction_to_one() {
    let (mut client, _resource) = client("pipeline").await;
    let keys = keys("pipeline", 50);
    let mut pipeline = pipe();
    for (number, key) in keys.iter().enumerate() {
        pipeline.set_ex(key, number, 60).ignore().incr(key, 1).get(key);
    }
    let answers: Vec<usize> = pipeline.query_async(&mut client).await.unwrap();
    let expected: Vec<_> = (0..50).flat_map(|number| [number + 1, number + 1]).collect();
    assert_eq!(answers, expected, "those of one key are in order");

    let mut whole = pipe();
    whole.atomic().set("{tag}a", 1).ignore().set("{tag}b", 2).ignore().get("{tag}b");
    assert_eq!(whole.query_async::<(u8,)>(&mut client).await.unwrap(), (2,));
    let mut apart = pipe();
    apart.atomic().set("pipeline:1", "torn").set("pipeline:2", "torn");
    let error = apart.query_async::<()>(&mut client).await.unwrap_err();
    assert_eq!(Redis::classify(&error).outcome, Outcome::NotApplied, "{error}");
    assert!(error.to_string().contains("several slots"), "{error}");
    assert_eq!(client.get::<_, u8>("pipeline:1").await.unwrap(), 2, "nothing was sent");

    // Refused by the server alone: the others of the pipeline were applied.
    let mut refused = pipe();
    refused.set("pipeline:text", "x").incr("pipeline:text", 1).set("pipeline:other", 7);
    assert!(refused.query_async::<()>(&mut client).await.is_err());
    assert_eq!(client.get::<_, u8>("pipeline:other").await.unwrap(), 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_of_one_s_own_are_to_the_node_of_a_key() {
    let (client, _resource) = client("own").await;
    let error = client.dedicated().await.unwrap_err();
    assert!(error.to_string().contains("dedicated_for"), "{error}");
    let mut own = client.dedicated_for("own:list").await.unwrap();
    let (mut other, waits) = (client.clone(), own.blpop::<_, (String, u8)>("own:list", 20.0));
    let (popped, pushed) = tokio::join!(waits, other.rpush::<_, _, u8>("own:list", 5));
    assert_eq!((popped.unwrap(), pushed.unwrap()), (("own:list".to_owned(), 5), 1));
    drop(own);

    let transfer = client.transaction(&["{own}a", "{own}b"], async |connection| {
        let _: Option<i64> = connection.get("{own}a").await?;
        let mut commands = pipe();
        commands.decr("{own}a", 10).incr("{own}b", 10);
        Ok(Some(commands))
    });
    assert_eq!(transfer.await.unwrap(), Some((-10, 10)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_answer_what_only_reads_where_they_may() {
    let cluster = shared().await;
    let reading = resource("reading", &url(cluster, "?reads=replica")).await;
    let mut client = reading.acquire().await.unwrap().clone();
    let keys = keys("read", 30);
    for key in &keys {
        let () = client.set(key, 1).await.unwrap();
    }
    let nodes: Vec<_> = cluster.nodes().iter().collect();
    let (masters, replicas) = nodes.split_at(3);
    // No other test asks for a length. Until its replica is connected a master answers; and one is
    // behind by a moment.
    eventually("only replicas are asked, and have it", LIMIT, async || {
        let before = (lengths_asked_of(masters).await, lengths_asked_of(replicas).await);
        let mut lengths = Vec::new();
        for key in &keys {
            lengths.push(client.clone().strlen::<_, u8>(key).await.unwrap());
        }
        let after = (lengths_asked_of(masters).await, lengths_asked_of(replicas).await);
        lengths == [1; 30] && after == (before.0, before.1 + 30)
    })
    .await;
    // What a pipeline wrote it also reads: such a one goes to the master.
    let mut pipeline = pipe();
    pipeline.set("read:mixed", 9).ignore().get("read:mixed");
    assert_eq!(pipeline.query_async::<(u8,)>(&mut client).await.unwrap(), (9,));
}

#[tokio::test]
async fn what_is_wrong_with_the_nodes_is_said() {
    let cluster = shared().await;
    let refused = async |url: &str| {
        let error = backend("wrong", url).connect().await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(
            !text.contains(cluster.nodes()[0].password()) && !text.contains("c4n4ry"),
            "{text}"
        );
        (Redis::classify(&error).kind, text)
    };
    let good = url(cluster, "");
    let (kind, text) = refused(&good.replace(cluster.nodes()[0].password(), "c4n4ry")).await;
    assert!(kind == ErrorKind::Auth, "{text}");

    let single = owned().await;
    let (kind, text) = refused(&url_of(std::slice::from_ref(&single), "")).await;
    assert!(kind == ErrorKind::Config && text.contains("no cluster"), "{text}");

    let nobody = [Refused::new(), Refused::new()];
    let [one, other] = [nobody[0].port(), nobody[1].port()];
    let (kind, text) = refused(&format!("redis-cluster://127.0.0.1:{one},127.0.0.1:{other}")).await;
    assert!(kind == ErrorKind::Connect && text.contains("none of 2 nodes answered"), "{text}");
    assert!(text.contains(&one.to_string()) && text.contains(&other.to_string()), "{text}");

    // One that is there is enough.
    let user = format!("{}:{}", cluster.nodes()[0].user(), cluster.nodes()[0].password());
    let one_of =
        format!("redis-cluster://{user}@127.0.0.1:{one},127.0.0.1:{}", cluster.nodes()[4].port());
    backend("some", &one_of).connect().await.unwrap();
}
