//! Breaks each of the four servers in turn and prints what is seen of it, as docs/guide/failures.md
//! explains it. `cargo run -p integration-tests --bin failures` writes it to standard output.

use integration_tests::{
    Capture, ClickHouse, MongoDb, RabbitMq, Redis, Rig, Subject, Value, eventually,
};
use qa_pool::{Error, Health, Settings, State};
use qa_servers::Server;
use std::collections::BTreeMap;
use std::time::Duration;
use tracing_subscriber::fmt::format::FmtSpan;

/// For each step.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is done to a server, and undone.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    Killed,
    Frozen,
    Alarm,
}

#[tokio::main]
async fn main() {
    let capture = Capture::install("error,qa_resource_core=info,qa_pool=info", FmtSpan::NONE);
    every_fault::<Redis>(&capture, &[Fault::Killed, Fault::Frozen]).await;
    every_fault::<MongoDb>(&capture, &[Fault::Killed, Fault::Frozen]).await;
    every_fault::<ClickHouse>(&capture, &[Fault::Killed, Fault::Frozen]).await;
    every_fault::<RabbitMq>(&capture, &[Fault::Killed, Fault::Frozen, Fault::Alarm]).await;
}

async fn every_fault<S: Subject>(capture: &Capture, faults: &[Fault]) {
    let server = Server::start_owned(S::SYSTEM).await.unwrap();
    println!("\n# {}\n", server.system());
    wrong_password::<S>(&server, capture).await;
    for fault in faults {
        one::<S>(&server, *fault, capture).await;
    }
    server.remove().await;
}

/// Settings under which a caller is told within a second.
fn settings() -> Settings {
    let second = Duration::from_secs(1);
    Settings { acquire_timeout: second, operation_timeout: second, ..Settings::default() }
}

async fn wrong_password<S: Subject>(server: &Server, capture: &Capture) {
    println!("## A wrong password\n");
    drop(capture.take_log());
    let url = server.url().replace(server.password(), "wrong");
    let rig = Rig::<S>::new("orders", &url, settings());
    tell("connect", &rig.refused().await);
    stands(&rig);
    print!("{}", lines(&capture.take_log()));
    rig.close().await;
}

async fn one<S: Subject>(server: &Server, fault: Fault, capture: &Capture) {
    println!(
        "## {}\n",
        match fault {
            Fault::Killed => "The server is killed",
            Fault::Frozen => "The server is frozen",
            Fault::Alarm => "The broker has an alarm",
        }
    );
    let rig = Rig::<S>::connected_to(server, "orders", settings()).await;
    rig.echo(1).await.unwrap();
    drop(capture.take_log());
    let before = counters(capture);
    match fault {
        Fault::Killed => server.kill().await.unwrap(),
        Fault::Frozen => server.freeze().await.unwrap(),
        Fault::Alarm => server.raise_alarm().await.unwrap(),
    }
    // An operation at once, and one when it is known.
    if let Err(error) = rig.echo(2).await {
        tell("at once", &error);
    }
    let seen = async || rig.status().health.health != Health::Up;
    eventually("the fault is seen", PATIENCE, seen).await;
    stands(&rig);
    if fault != Fault::Alarm {
        eventually("it is lost", PATIENCE, async || rig.status().state != State::Ready).await;
        stands(&rig);
        if let Err(error) = rig.echo(3).await {
            tell("while it is away", &error);
        }
    }
    match fault {
        Fault::Killed => server.start_again().await.unwrap(),
        Fault::Frozen => server.thaw().await.unwrap(),
        Fault::Alarm => server.clear_alarm().await.unwrap(),
    }
    let well = async || {
        let status = rig.status();
        status.state == State::Ready && status.health.health == Health::Up
    };
    eventually("it is well again", PATIENCE, well).await;
    rig.echo(4).await.unwrap();
    print!("{}", lines(&capture.take_log()));
    for (series, count) in counters(capture) {
        let grew = count - before.get(&series).copied().unwrap_or_default();
        if grew > 0 {
            println!("metric: {series} +{grew}");
        }
    }
    println!();
    rig.close().await;
}

fn tell(when: &str, error: &Error) {
    println!("error ({when}): {error} [{}, {:?}]", error.kind(), error.outcome());
}

fn stands<S: Subject>(rig: &Rig<S>) {
    let status = rig.status();
    let why = status.health.error.as_ref().map_or("", Error::message);
    println!("state: {}; health: {}; {why}", status.state, status.health.health);
}

/// The log without its times.
fn lines(log: &str) -> String {
    let line = |line: &str| {
        format!("log: {}\n", line.split_once("Z ").map_or(line, |(_, rest)| rest.trim()))
    };
    log.lines().map(line).collect()
}

/// The resource's counters, each with the labels that tell it from others.
fn counters(capture: &Capture) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    for series in capture.metrics() {
        let Value::Counter(count) = series.value else { continue };
        let labels = ["state", "error.type"].iter().filter_map(|name| {
            series.labels.get(*name).map(|value| format!("{{{name}=\"{value}\"}}"))
        });
        *all.entry(series.name + &labels.collect::<String>()).or_default() += count;
    }
    all.retain(|name, _| name.starts_with("qa.resource") && !name.contains("leases"));
    all
}
