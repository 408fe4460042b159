//! The examples do what they say, on real servers.
#![cfg(all(feature = "amqp", feature = "redis", feature = "mongo", feature = "blocking"))]

mod common;

use common::{PATIENCE, example};
use qa_servers::{Server, System};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// An example that runs, and what it prints.
struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

/// Starts an example of this crate, and reads what it prints.
fn start(name: &str, arguments: &[&str]) -> Running {
    start_in(name, arguments, &[])
}

/// The same, with variables of its environment.
fn start_in(name: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Running {
    let mut command = Command::new(example(name));
    command.args(arguments).envs(variables.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    Running { child, lines }
}

impl Running {
    /// The next line that it prints.
    async fn line(&mut self) -> Option<String> {
        timeout(PATIENCE, self.lines.next_line()).await.expect("it goes on").unwrap()
    }

    /// Its last lines, once it has ended well.
    async fn rest(mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(line) = self.line().await {
            lines.push(line);
        }
        let status = timeout(PATIENCE, self.child.wait()).await.expect("it ends").unwrap();
        assert!(status.success(), "{status}: {lines:#?}");
        lines
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_booked_once_each_although_the_broker_is_killed() {
    let broker = Server::start_owned(System::RabbitMq).await.unwrap();
    let mut router = start("order_router", &[&broker.url(), "2000"]);
    assert_eq!(router.line().await.as_deref(), Some("1000 of 2000 orders are confirmed"));
    broker.kill().await.unwrap();
    broker.start_again().await.unwrap();
    let lines = router.rest().await;
    assert!(lines[0].starts_with("2000 confirmed, 2000 booked"), "{lines:#?}");
    broker.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ticks_reach_every_strategy_and_silence_does_no_harm() {
    let broker = Server::start(System::RabbitMq).await.unwrap();
    let (ticks, signals) =
        (broker.vhost("ticks").await.unwrap(), broker.vhost("idle").await.unwrap());
    let fan_out = start("tick_fan_out", &[&ticks, "4"]);
    let idle = start("idle_strategy", &[&signals]);
    let (fan_out, idle) = tokio::join!(fan_out.rest(), idle.rest());
    let total = fan_out.iter().find(|line| line.contains(" ticks published, ")).unwrap();
    let numbers: Vec<u64> = total.split(' ').filter_map(|word| word.parse().ok()).collect();
    // 100 strategies with 5 of 70 contracts each; the last ticks may be on their way yet.
    assert!(numbers[0] >= 7 * 70 && numbers[1] > 6 * numbers[0], "{total}");
    assert!(idle.iter().any(|line| line == "1 connections have been made"), "{idle:#?}");
    broker.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_strategies_share_one_redis() {
    let redis = Server::start(System::Redis).await.unwrap();
    let lines = start("signal_board", &[&redis.url()]).rest().await;
    let says = |beginning: &str| lines.iter().any(|line| line.starts_with(beginning));
    for beginning in [
        "100 signals written and read back",
        "1000 quotes written in one round trip",
        "60 bars of 600000 kept, the last closed at 119",
        "100 lots bought, one after the other",
    ] {
        assert!(says(beginning), "{lines:#?}");
    }
    redis.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_is_not_async_uses_two_backends() {
    let (redis, mongo) = tokio::join!(Server::start(System::Redis), Server::start(System::MongoDb));
    let (redis, mongo) = (redis.unwrap(), mongo.unwrap());
    let urls = [("QA_REDIS_URL", &*redis.url()), ("QA_MONGO_URL", &*mongo.url())];
    let lines = start_in("blocking", &[], &urls).rest().await;
    assert_eq!(lines[0], "000001 closed at 10.95 on average over 20 days");
    assert_eq!(lines[1], "the signal is to buy");
    assert!(lines[2].contains("closed"), "{lines:#?}");
    tokio::join!(redis.remove(), mongo.remove());
}
