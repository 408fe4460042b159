//! The end of a connection: by the server, by silence, by a failover, and by us.

mod support;

use qa_redis::redis::{self, AsyncCommands, RedisError};
use qa_redis::{Client, Redis};
use qa_resource_core::{Backend, Class, ErrorKind};
use qa_servers::proxy::{Ending, FaultProxy};
use qa_servers::testing::eventually;
use std::time::Duration;
use support::{AT_ONCE, answers, backend, connect, connections, cut, owned, shared};
use tokio::time::timeout;

async fn lost(redis: &Redis, client: &Client) -> RedisError {
    timeout(AT_ONCE, redis.lost(client)).await.expect("the loss was not noticed")
}

async fn fails_unsent(client: &mut Client) {
    let error = timeout(AT_ONCE, client.set::<_, _, ()>("key", 1)).await.unwrap().unwrap_err();
    assert_eq!(Redis::classify(&error), Class::not_applied(ErrorKind::Connect), "{error}");
}

#[tokio::test]
async fn a_cut_is_noticed_at_once_without_traffic() {
    let url = shared().await.url();
    let mut watcher = connect("watcher", &url).await;
    for query in ["", "?protocol=resp2"] {
        let redis = backend("cut", &format!("{url}{query}"));
        let mut client = redis.connect().await.unwrap();
        assert!(timeout(Duration::from_millis(50), redis.lost(&client)).await.is_err());
        cut(&mut watcher, &mut client.clone()).await;
        let error = lost(&redis, &client).await;
        assert_eq!(Redis::classify(&error).kind, ErrorKind::Connect, "{error}");
        fails_unsent(&mut client).await;
    }
}

#[tokio::test]
async fn a_killed_server_is_noticed_at_once() {
    let server = owned().await;
    let redis = backend("killed", &server.url());
    let mut client = redis.connect().await.unwrap();
    let mut blocked = client.clone();
    let waiting = tokio::spawn(async move { blocked.blpop::<_, ()>("nowhere", 0.0).await });
    eventually("the command is sent", AT_ONCE, async || client.counts().requests >= 2).await;
    server.kill().await.unwrap();
    lost(&redis, &client).await;
    let error = timeout(AT_ONCE, waiting).await.unwrap().unwrap().unwrap_err();
    assert_eq!(Redis::classify(&error), Class::unknown(ErrorKind::Connect), "{error}");
    fails_unsent(&mut client).await;
}

#[tokio::test]
async fn an_answer_that_is_cut_off_is_the_connections_fault() {
    let server = shared().await;
    let proxy = FaultProxy::open(server.port()).await;
    let mut unreadable = 0;
    for bytes in 1..="$5\r\nhello".len() as u64 {
        proxy.heal();
        let before = proxy.counts().bytes_to_client;
        let mut client = connect("torn", &proxy.url(&server.url())).await;
        let heard = proxy.counts().bytes_to_client - before;
        let cut = Some((heard + bytes, Ending::Close));
        proxy.change(|faults| faults.to_client.cut_after = cut);
        let mut echo = redis::cmd("ECHO");
        let answer = timeout(AT_ONCE, echo.arg("hello").query_async::<String>(&mut client)).await;
        let error = answer.unwrap().unwrap_err();
        assert_eq!(Redis::classify(&error), Class::unknown(ErrorKind::Connect), "{error}");
        unreadable += usize::from(error.kind() == redis::ErrorKind::Parse);
    }
    assert!(unreadable > 0, "the driver calls none of them unreadable");
}

#[tokio::test]
async fn a_close_ends_the_connection_whoever_holds_a_clone() {
    let url = shared().await.url();
    let mut watcher = connect("close-watcher", &url).await;
    let redis = backend("closed", &url);
    let client = redis.connect().await.unwrap();
    redis.ping(&client).await.unwrap();
    let (mut clone, mut blocked) = (client.clone(), client.clone());
    let waiting = tokio::spawn(async move { blocked.blpop::<_, ()>("nowhere", 0.0).await });
    eventually("the command is sent", AT_ONCE, async || clone.counts().requests >= 3).await;
    assert_eq!(connections(&mut watcher, "closed").await, 1);

    timeout(AT_ONCE, redis.close(client)).await.unwrap().unwrap();

    eventually("the server has let go", AT_ONCE, async || {
        connections(&mut watcher, "closed").await == 0
    })
    .await;
    assert!(timeout(AT_ONCE, waiting).await.unwrap().unwrap().is_err());
    fails_unsent(&mut clone).await;
    // Closing what is closed is no error, and does not wait.
    timeout(AT_ONCE, redis.close(clone)).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_last_clone_takes_the_connection_with_it() {
    let url = shared().await.url();
    let mut watcher = connect("drop-watcher", &url).await;
    let client = connect("dropped", &url).await;
    let mut clone = client.clone();
    drop(client);
    assert!(answers(&mut clone).await);
    // Also with a command under way, whose answer would come much later.
    let blocked = timeout(Duration::from_millis(50), clone.blpop::<_, ()>("nowhere", 30.0)).await;
    assert!(blocked.is_err());
    drop(clone);
    eventually("the server has let go", AT_ONCE, async || {
        connections(&mut watcher, "dropped").await == 0
    })
    .await;
}

#[tokio::test]
async fn a_frozen_server_is_left_after_so_many_answers_that_did_not_come() {
    let server = owned().await;
    let redis = backend("frozen", &format!("{}?response_timeout=100ms", server.url()));
    let mut client = redis.connect().await.unwrap();
    server.freeze().await.unwrap();
    for round in 1..=3 {
        let early = timeout(Duration::from_millis(1), redis.lost(&client)).await;
        assert!(early.is_err(), "lost before answer {round} failed to come");
        let error = client.set::<_, _, ()>("key", 1).await.unwrap_err();
        assert_eq!(Redis::classify(&error), Class::unknown(ErrorKind::Timeout), "{error}");
    }
    let error = lost(&redis, &client).await;
    assert_eq!(Redis::classify(&error).kind, ErrorKind::Timeout, "{error}");
    assert_eq!(client.counts().timeouts, 3);
    fails_unsent(&mut client).await;
    timeout(AT_ONCE, redis.close(client)).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_master_that_became_a_replica_is_left() {
    let server = owned().await;
    let redis = backend("demoted", &server.url());
    let mut client = redis.connect().await.unwrap();
    let pipelined = redis.connect().await.unwrap();
    let transacted = redis.connect().await.unwrap();
    let demote = redis::cmd("REPLICAOF").arg("127.0.0.1").arg(1).to_owned();
    demote.exec_async(&mut client.clone()).await.unwrap();

    let error = client.set::<_, _, ()>("key", 1).await.unwrap_err();
    assert_eq!(Redis::classify(&error), Class::not_applied(ErrorKind::Connect), "{error}");
    left_when(&redis, &client, async || client.clone().set("key", 1).await).await;
    let error = lost(&redis, &client).await;
    assert!(error.to_string().contains("refuses writes"), "{error}");

    let mut pipeline = redis::pipe();
    pipeline.get("key").set("key", 2);
    let exec = async || pipeline.exec_async(&mut pipelined.clone()).await;
    left_when(&redis, &pipelined, exec).await;
    let mut transaction = pipeline.clone();
    transaction.atomic();
    let exec = async || transaction.exec_async(&mut transacted.clone()).await;
    left_when(&redis, &transacted, exec).await;
}

/// Writes until the connection is given up, which is not done while it's younger than a second.
async fn left_when(
    redis: &Redis,
    client: &Client,
    write: impl AsyncFn() -> Result<(), RedisError>,
) {
    eventually("a refused write says that the connection is lost", 3 * AT_ONCE, async || {
        assert!(write().await.is_err());
        timeout(Duration::from_millis(1), redis.lost(client)).await.is_ok()
    })
    .await;
}
