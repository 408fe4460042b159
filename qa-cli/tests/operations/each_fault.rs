//! `qa watch` and `qa serve` beside each fault of each of the four servers.

use crate::command::{LIMIT, config, file, resource};
use crate::serving::Serving;
use crate::watching::{QUICK, Watching};
use futures_util::future::join_all;
use qa_servers::testing::{Refused, Silent, eventually};
use qa_servers::{Server, System};

#[derive(Clone, Copy, Debug)]
enum Fault {
    Killed,
    Frozen,
}

impl Fault {
    async fn befalls(self, server: &Server) {
        match self {
            Self::Killed => server.kill().await.unwrap(),
            Self::Frozen => server.freeze().await.unwrap(),
        }
    }

    async fn is_over(self, server: &Server) {
        match self {
            Self::Killed => server.start_again().await.unwrap(),
            Self::Frozen => server.thaw().await.unwrap(),
        }
    }
}

#[tokio::test]
async fn each_fault_of_each_server_is_a_line_and_unready_until_it_is_over() {
    let starts = System::ALL.into_iter().map(Server::start_owned);
    let servers: Vec<_> = join_all(starts).await.into_iter().map(Result::unwrap).collect();
    let file = file(&config(&servers.iter().collect::<Vec<_>>(), QUICK));
    let path = file.path().to_str().unwrap();
    let (watching, serving) = (Watching::start(path), Serving::start(path).await);
    serving.is_ready().await;
    for server in &servers {
        watching.says(0, &server.system().to_string(), "is ready").await;
    }
    for server in &servers {
        for fault in [Fault::Killed, Fault::Frozen] {
            away_and_back(server, fault, &watching, &serving).await;
        }
    }
    let broker = servers.iter().find(|server| server.system() == System::RabbitMq).unwrap();
    alarmed(broker, &watching, &serving).await;

    let (rest, log) = serving.end().await;
    assert!(rest.contains("nothing had to be forced"), "{rest}");
    let all = watching.end().await + &log;
    assert!(servers.iter().all(|server| !all.contains(server.password())), "{all}");
    join_all(servers.into_iter().map(Server::remove)).await;
}

/// What both say while one server is away, and once it is there again.
async fn away_and_back(server: &Server, fault: Fault, watching: &Watching, serving: &Serving) {
    let (name, before) = (server.system().to_string(), watching.so_far());
    fault.befalls(server).await;
    watching.says(before, &name, "is reconnecting: ").await;
    let missing = format!("\"missing\":[{{\"name\":\"{name}\"");
    eventually(&format!("{name} is missing, {fault:?}"), LIMIT, async || {
        let ready = serving.get("/readyz").await;
        ready.starts_with("HTTP/1.1 503") && ready.contains(&missing)
    })
    .await;
    assert!(serving.get("/livez").await.starts_with("HTTP/1.1 200"));
    let before = watching.so_far();
    fault.is_over(server).await;
    serving.is_ready().await;
    watching.says(before, &name, "is ready").await;
}

/// A broker with an alarm is there, and does not do all that it should.
async fn alarmed(broker: &Server, watching: &Watching, serving: &Serving) {
    let (name, why, before) = ("rabbitmq", "the broker takes no messages", watching.so_far());
    broker.raise_alarm().await.unwrap();
    watching.says(before, name, why).await;
    let told = async || serving.get("/status").await.contains(why);
    eventually("the status tells it", LIMIT, told).await;
    assert!(serving.get("/readyz").await.starts_with("HTTP/1.1 200"));
    let before = watching.so_far();
    broker.clear_alarm().await.unwrap();
    watching.says(before, name, "is ready").await;
}

/// Whatever keeps a pool from its first connection.
#[tokio::test]
async fn what_was_never_reached_is_a_line_with_its_reason_and_unready() {
    let (refused, silent) = (Refused::new(), Silent::new());
    let starts = System::ALL.into_iter().map(Server::start);
    let servers: Vec<_> = join_all(starts).await.into_iter().map(Result::unwrap).collect();
    let short = "connect_timeout = '1s'\nconnect_attempts = 1";
    let mut config = String::new();
    for server in &servers {
        let (name, url) = (server.system().to_string(), server.url());
        let scheme = url.split("://").next().unwrap();
        let at = |port: u16| format!("{scheme}://me:c4n4ry@127.0.0.1:{port}");
        let wrong = url.replace(server.password(), "c4n4ry");
        config += &resource(&format!("{name}-password"), &wrong, short);
        config += &resource(&format!("{name}-refused"), &at(refused.port()), short);
        config += &resource(&format!("{name}-silent"), &at(silent.port()), short);
    }
    let file = file(&config);
    let path = file.path().to_str().unwrap();
    let (watching, serving) = (Watching::start(path), Serving::start(path).await);
    for server in &servers {
        let name = server.system().to_string();
        watching.says(0, &format!("{name}-refused"), "Connection refused").await;
        for kind in ["password", "silent"] {
            watching.says(0, &format!("{name}-{kind}"), ": ").await;
        }
    }
    let ready = serving.get("/readyz").await;
    assert!(ready.starts_with("HTTP/1.1 503"), "{ready}");
    assert!(serving.get("/livez").await.starts_with("HTTP/1.1 200"));
    let status = serving.get("/status").await;
    let (rest, log) = serving.end().await;
    let all = [watching.end().await, ready, status, rest, log].concat();
    assert!(!all.contains("c4n4ry"), "{all}");
    join_all(servers.into_iter().map(Server::remove)).await;
}
