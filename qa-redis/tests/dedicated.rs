//! Connections of one's own: lent in turn, reset between two, and gone with the shared one.

mod support;

use futures_util::FutureExt;
use qa_redis::redis::{self, AsyncCommands, RedisError, pipe};
use qa_redis::{Client, Dedicated, Redis};
use qa_resource_core::{Backend, Class, ErrorKind, Resource, Settings};
use qa_servers::testing::{eventually, within};
use std::time::{Duration, Instant};
use support::{backend, connect, connections, cut, shared};

const SECOND: Duration = Duration::from_secs(1);

async fn client(name: &str, query: &str) -> Client {
    connect(name, &format!("{}{query}", shared().await.url())).await
}

async fn id(connection: &mut Dedicated) -> u64 {
    redis::cmd("CLIENT").arg("ID").query_async(connection).await.unwrap()
}

async fn info(connection: &mut Dedicated) -> String {
    redis::cmd("CLIENT").arg("INFO").query_async(connection).await.unwrap()
}

#[tokio::test]
async fn a_blocking_command_outlasts_the_response_timeout_and_holds_up_nobody() {
    let mut client = client("blocking", "?response_timeout=300ms").await;
    let mut dedicated = client.dedicated().await.unwrap();
    let began = Instant::now();
    let nothing: Option<(String, String)> = dedicated.blpop("empty list", 1.0).await.unwrap();
    assert!(nothing.is_none() && began.elapsed() >= SECOND, "{:?}", began.elapsed());

    let waiter = tokio::spawn(async move {
        let answer: Option<(String, String)> = dedicated.blpop("filled list", 0.0).await.unwrap();
        answer
    });
    eventually("it is blocked", 5 * SECOND, async || {
        let info: String =
            redis::cmd("INFO").arg("clients").query_async(&mut client.clone()).await.unwrap();
        !info.contains("blocked_clients:0")
    })
    .await;
    let () = client.rpush("filled list", "x").await.unwrap();
    let answer = within("the answer", 5 * SECOND, async { waiter.await.unwrap() }).await;
    assert_eq!(answer, Some(("filled list".into(), "x".into())));
}

#[tokio::test]
async fn whoever_has_it_next_finds_it_as_new() {
    for query in ["?dedicated=1", "?dedicated=1&protocol=resp2"] {
        let client = client("as new", query).await;
        let mut first = client.dedicated().await.unwrap();
        let (number, new) = (id(&mut first).await, info(&mut first).await);
        let () = redis::cmd("SELECT").arg(5).query_async(&mut first).await.unwrap();
        let () =
            redis::cmd("CLIENT").arg("SETNAME").arg("mine").query_async(&mut first).await.unwrap();
        let () = redis::cmd("WATCH").arg("watched").query_async(&mut first).await.unwrap();
        let () = redis::cmd("MULTI").query_async(&mut first).await.unwrap();
        drop(first);

        let mut next = client.dedicated().await.unwrap();
        let info = info(&mut next).await;
        assert_eq!(id(&mut next).await, number, "the same connection");
        for field in [" name=as-new:dedicated ", " db=0 ", " multi=-1 "] {
            assert!(info.contains(field) && new.contains(field), "{field}: {new} then {info}");
        }
        let protocol =
            |info: &str| info.split(' ').find(|part| part.starts_with("resp=")).map(str::to_owned);
        assert_eq!(protocol(&info), protocol(&new));
        assert_eq!(client.counts().dedicated, 1);
    }
}

#[tokio::test]
async fn one_that_was_left_before_its_answer_is_closed() {
    let client = client("left", "?dedicated=1").await;
    let mut watcher = client.clone();
    let mut first = client.dedicated().await.unwrap();
    let number = id(&mut first).await;
    let blocked =
        tokio::time::timeout(SECOND / 10, first.blpop::<_, ()>("nothing here", 0.0)).await;
    assert!(blocked.is_err());
    drop(first);
    let mut next = client.dedicated().await.unwrap();
    assert_ne!(id(&mut next).await, number);
    eventually("the first is closed", 5 * SECOND, async || {
        connections(&mut watcher, "left:dedicated").await == 1
    })
    .await;
}

#[tokio::test]
async fn there_are_as_many_as_allowed_and_who_comes_first_is_next() {
    let client = client("bounded", "?dedicated=2&dedicated_wait=200ms").await;
    let one = client.dedicated().await.unwrap();
    let two = client.dedicated().await.unwrap();
    let began = Instant::now();
    let error: RedisError = client.dedicated().await.unwrap_err();
    assert!(began.elapsed() >= SECOND / 5, "{:?}", began.elapsed());
    assert_eq!(Redis::classify(&error).kind, ErrorKind::Timeout);
    assert!(error.to_string().contains("none of 2 dedicated connections"), "{error}");

    let mut third = Box::pin(client.dedicated());
    let mut fourth = Box::pin(client.dedicated());
    assert!((&mut third).now_or_never().is_none());
    assert!((&mut fourth).now_or_never().is_none());
    drop(one);
    let third = third.await.unwrap();
    assert!((&mut fourth).now_or_never().is_none());
    drop(two);
    let fourth = fourth.await.unwrap();
    assert_eq!(client.counts().dedicated, 2);
    drop((third, fourth));
}

#[tokio::test]
async fn they_end_with_the_shared_connection() {
    let mut watcher = client("watcher", "").await;
    let mut client = client("ending", "").await;
    let mut busy = client.dedicated().await.unwrap();
    let rest = client.dedicated().await.unwrap();
    drop(rest);
    let blocked = tokio::spawn(async move { busy.blpop::<_, ()>("never filled", 0.0).await });
    eventually("there are three", 5 * SECOND, async || {
        connections(&mut watcher, "ending:dedicated").await == 2
    })
    .await;
    cut(&mut watcher, &mut client).await;
    let error = within("its end", 5 * SECOND, async { blocked.await.unwrap() }).await.unwrap_err();
    assert_eq!(Redis::classify(&error).kind, ErrorKind::Connect, "{error}");
    let error = client.dedicated().await.unwrap_err();
    assert_eq!(Redis::classify(&error), Class::not_applied(ErrorKind::Connect), "{error}");
    eventually("none is left", 5 * SECOND, async || {
        connections(&mut watcher, "ending:dedicated").await == 0
    })
    .await;
}

#[tokio::test]
async fn a_close_ends_those_that_are_lent() {
    let mut watcher = client("close watcher", "").await;
    let url = shared().await.url();
    let resource = Resource::new("closing", backend("closing", &url), Settings::default());
    resource.connect().await.unwrap();
    let mut lent = resource.acquire().await.unwrap().dedicated().await.unwrap();
    let blocked =
        tokio::spawn(async move { lent.blpop::<_, ()>("never filled either", 0.0).await });
    eventually("it is there", 5 * SECOND, async || {
        connections(&mut watcher, "closing:dedicated").await == 1
    })
    .await;
    let report = resource.close(5 * SECOND).await;
    assert!(report.is_clean(), "{report}");
    eventually("the server sees it go", 5 * SECOND, async || {
        connections(&mut watcher, "closing:dedicated").await == 0
    })
    .await;
    let error = within("its end", 5 * SECOND, async { blocked.await.unwrap() }).await.unwrap_err();
    assert_eq!(Redis::classify(&error).kind, ErrorKind::Connect, "{error}");
}

#[tokio::test]
async fn one_dropped_outside_of_a_runtime_is_no_panic() {
    let client = client("outside", "?dedicated=1").await;
    let mut dedicated = client.dedicated().await.unwrap();
    let number = id(&mut dedicated).await;
    std::thread::spawn(move || drop(dedicated)).join().unwrap();
    let mut next = client.dedicated().await.unwrap();
    assert_eq!(id(&mut next).await, number);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_write_what_they_read_none_overwrites_another() {
    let mut client = client("transactions", "").await;
    let () = client.set("counter", 0).await.unwrap();
    let writers = (0..8).map(|_| {
        let client = client.clone();
        tokio::spawn(async move {
            for _ in 0..25 {
                let written = client
                    .transaction(&["counter"], async |redis: &mut Dedicated| {
                        let counter: i64 = redis.get("counter").await?;
                        let mut commands = pipe();
                        commands.set("counter", counter + 1).ignore().get("counter");
                        Ok(Some(commands))
                    })
                    .await;
                let (_,): (i64,) = written.unwrap().unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    assert_eq!(client.get::<_, i64>("counter").await.unwrap(), 200);
}

#[tokio::test]
async fn a_transaction_can_be_given_up_refused_and_beaten_each_time() {
    let mut client = client("given up", "").await;
    let () = client.set("beaten", 1).await.unwrap();
    let nothing: Option<()> =
        client.transaction(&["beaten"], async |_: &mut Dedicated| Ok(None)).await.unwrap();
    assert!(nothing.is_none());

    let refused = client.transaction::<()>(&["beaten"], async |redis: &mut Dedicated| {
        redis.lpush::<_, _, ()>("beaten", 1).await?;
        Ok(None)
    });
    let error = refused.await.unwrap_err();
    assert!(error.to_string().contains("WRONGTYPE"), "{error}");

    let mut attempts = 0;
    let rival = client.clone();
    let beaten = client.transaction::<()>(&["beaten"], async |_: &mut Dedicated| {
        attempts += 1;
        let () = rival.clone().incr("beaten", 1).await?;
        let mut commands = pipe();
        commands.set("beaten", 0);
        Ok(Some(commands))
    });
    let error = beaten.await.unwrap_err();
    assert_eq!(Redis::classify(&error), Class::not_applied(ErrorKind::Overloaded), "{error}");
    assert_eq!((attempts, client.get::<_, i64>("beaten").await.unwrap()), (32, 33));
}
