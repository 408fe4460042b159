//! The client: commands and pipelines, many tasks over one connection, and what is told of failures.

mod support;

use qa_redis::redis::{self, AsyncCommands, RedisError, Script, pipe};
use qa_redis::{Client, Redis};
use qa_resource_core::{Backend, Class, ErrorKind};
use qa_servers::testing::eventually;
use std::time::Duration;
use support::{connect, shared};

async fn client(name: &str) -> Client {
    connect(name, &shared().await.url()).await
}

fn class(error: &RedisError) -> Class {
    Redis::classify(error)
}

#[tokio::test]
async fn a_value_expires_and_a_pipeline_takes_one_request() {
    let mut client = client("commands").await;
    let () = client.set_ex("signal:600000", "long", 300).await.unwrap();
    assert_eq!(client.get::<_, String>("signal:600000").await.unwrap(), "long");
    let ttl: i64 = client.ttl("signal:600000").await.unwrap();
    assert!((290..=300).contains(&ttl), "{ttl}");

    let before = client.counts().requests;
    let mut pipeline = pipe();
    for code in 0..500 {
        pipeline.set_ex(format!("signal:{code}"), code, 300).ignore();
    }
    pipeline.get("signal:42").ttl("signal:499");
    let (signal, ttl): (u32, i64) = pipeline.query_async(&mut client).await.unwrap();
    assert_eq!((signal, client.counts().requests - before), (42, 1));
    assert!((290..=300).contains(&ttl), "{ttl}");
}

#[tokio::test]
async fn scripts_and_transactions_work() {
    let mut client = client("scripts").await;
    let script =
        Script::new("redis.call('SET', KEYS[1], ARGV[1]); return redis.call('GET', KEYS[1])");
    let value: String = script.key("scripted").arg("x").invoke_async(&mut client).await.unwrap();
    assert_eq!(value, "x");
    let (a, b): (u32, u32) = pipe()
        .atomic()
        .set("tx", 1)
        .ignore()
        .incr("tx", 1)
        .incr("tx", 1)
        .query_async(&mut client)
        .await
        .unwrap();
    assert_eq!((a, b), (2, 3));
}

#[tokio::test]
async fn what_may_have_been_applied_in_part_is_said_to_be_unknown() {
    let mut client = client("partial").await;
    let () = client.set("word", "abc").await.unwrap();

    let error = client.incr::<_, _, i64>("word", 1).await.unwrap_err();
    assert_eq!(class(&error), Class::not_applied(ErrorKind::Operation), "{error}");

    let mut pipeline = pipe();
    let error = pipeline.set("half", 1).incr("word", 1).exec_async(&mut client).await.unwrap_err();
    assert_eq!(class(&error), Class::unknown(ErrorKind::Operation), "{error}");
    assert_eq!(client.get::<_, i64>("half").await.unwrap(), 1);

    let script = Script::new("redis.call('SET', 'half', 2); return redis.call('INCR', 'word')");
    let error = script.invoke_async::<_, i64>(&mut client).await.unwrap_err();
    assert_eq!(class(&error), Class::unknown(ErrorKind::Operation), "{error}");
    assert_eq!(client.get::<_, i64>("half").await.unwrap(), 2);

    // A transaction that is refused while it is queued is not applied at all.
    let mut pipeline = pipe();
    pipeline.atomic().set("half", 3).cmd("GET");
    let error = pipeline.exec_async(&mut client).await.unwrap_err();
    assert_eq!(class(&error), Class::not_applied(ErrorKind::Operation), "{error}");
    assert_eq!(client.get::<_, i64>("half").await.unwrap(), 2);

    // An answer of another type than was asked for: the command was applied.
    let error = client.getset::<_, _, i64>("word", "def").await.unwrap_err();
    assert_eq!(class(&error), Class::unknown(ErrorKind::Operation), "{error}");
    assert_eq!(client.get::<_, String>("word").await.unwrap(), "def");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_never_given_to_another_request() {
    let client = client("cancelled").await;
    let tasks = (0u64..50).map(|task| {
        let mut client = client.clone();
        tokio::spawn(async move {
            let () = client.set(format!("own:{task}"), task).await.unwrap();
            let mut cancelled = 0;
            for round in 0u64..200 {
                // From "dropped before it's sent" to "answered in time".
                let limit = Duration::from_micros((task * 37 + round * 13) % 400);
                let get = client.get::<_, u64>(format!("own:{task}"));
                match tokio::time::timeout(limit, get).await {
                    Ok(value) => assert_eq!(value.unwrap(), task),
                    Err(_) => cancelled += 1,
                }
            }
            assert_eq!(client.get::<_, u64>(format!("own:{task}")).await.unwrap(), task);
            cancelled
        })
    });
    let tasks: Vec<_> = tasks.collect();
    let mut cancelled = 0;
    for task in tasks {
        cancelled += task.await.unwrap();
    }
    assert!(cancelled > 0, "no request was dropped, so that nothing was tried");
    assert_eq!(client.counts().timeouts, 0);
}

#[tokio::test]
async fn one_late_answer_fails_alone_and_counts() {
    let url = format!("{}?response_timeout=150ms", shared().await.url());
    let mut client = connect("late", &url).await;
    for _ in 0..4 {
        let blocked = redis::cmd("BLPOP").arg("nowhere").arg("0.2").to_owned();
        let error = blocked.exec_async(&mut client).await.unwrap_err();
        assert_eq!(class(&error), Class::unknown(ErrorKind::Timeout), "{error}");
        // Answers in between keep the connection.
        eventually("an answer", support::AT_ONCE, async || {
            client.exists::<_, bool>("nothing").await.is_ok()
        })
        .await;
    }
    assert!(client.counts().timeouts >= 4);
}
