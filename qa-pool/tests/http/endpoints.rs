//! What each path says.

use crate::client::{LIMIT, Served, get_as, resource};
use qa_servers::testing::{Refused, eventually};
use qa_servers::{Server, System};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Gives up at once.
const ONCE: &str = "connect_attempts = 1";

#[tokio::test]
async fn a_sound_pool_is_ready_and_an_optional_one_that_is_away_does_not_count() {
    let server = Server::start(System::Redis).await.unwrap();
    let refused = Refused::new();
    let away = format!("redis://127.0.0.1:{}", refused.port());
    let optional = resource("extra", &away, &format!("required = false\n{ONCE}"));
    let site = Served::new(&(resource("cache", &server.url(), "") + &optional)).await;

    let live = site.get("/livez").await;
    assert_eq!((live.status, &*live.body), (200, "alive\n"));
    let ready = site.get("/readyz").await;
    let body = ready.json();
    assert_eq!(ready.status, 200, "{ready:?}");
    assert_eq!(body["missing"], serde_json::json!([]));
    let of = |name: &str| {
        let all = body["resources"].as_array().unwrap();
        all.iter().find(|one| one["name"] == name).unwrap().clone()
    };
    assert_eq!(of("cache")["ready"], true);
    assert_eq!(of("extra")["ready"], false);
    assert_eq!(of("extra")["required"], false);

    let status = site.get("/status").await;
    assert!(status.head.contains("application/json"), "{status:?}");
    let page = get_as(site.address, "/status", "text/html,*/*;q=0.8").await;
    assert!(page.head.contains("text/html") && page.body.starts_with("<!doctype html>"));
    assert!(page.head.contains("default-src 'none'"), "{page:?}");
    assert!(page.body.contains("Ready, but look at extra"), "{page:?}");
    assert!(site.get("/").await.head.contains("location: /status.html"));
    assert_eq!(site.get("/nothing").await.status, 404);
    let all = [status.body, page.body, ready.body].concat();
    assert!(!all.contains(server.password()), "a password in:\n{all}");

    let metrics = site.get("/metrics").await;
    assert!(metrics.head.contains("text/plain; version=0.0.4"), "{metrics:?}");
    let connects = r#"qa_resource_connects_total{db_client_connection_pool_name="cache""#;
    assert!(metrics.body.contains(connects), "{}", metrics.body);
    site.end().await;
    server.remove().await;
}

#[tokio::test]
async fn of_a_group_it_is_told_who_is_active() {
    let (server, refused) = (Server::start(System::Redis).await.unwrap(), Refused::new());
    let main = server.url().replace(&server.port().to_string(), &refused.port().to_string());
    let spare = server.port();
    let group = format!(
        "[resource.group]\npolicy = 'failover'\nmembers = [{{ host = '127.0.0.1:{spare}' }}]"
    );
    let site = Served::new(&resource("cache", &main, &group)).await;
    eventually("the spare is active", LIMIT, async || {
        let status = site.get("/status").await.json();
        let members = status["resources"][0]["members"].as_array().unwrap();
        let active: Vec<_> = members.iter().map(|one| &one["standing"]["active"]).collect();
        active == [false, true]
    })
    .await;
    let page = site.get("/status.html").await.body;
    assert_eq!(page.matches("<small>active</small>").count(), 1, "{page}");
    site.end().await;
    server.remove().await;
}

#[tokio::test]
async fn what_is_missing_is_said_and_we_stay_alive() {
    let refused = Refused::new();
    let url = format!("redis://me:c4n4ry@127.0.0.1:{}", refused.port());
    let site = Served::new(&resource("orders", &url, ONCE)).await;
    let ready = site.get("/readyz").await;
    assert_eq!(ready.status, 503, "{ready:?}");
    let missing = &ready.json()["missing"][0];
    assert_eq!(missing["name"], "orders");
    assert!(missing["error"].as_str().unwrap().contains("refused"), "{missing}");
    assert!(!ready.body.contains("c4n4ry"));
    assert_eq!(site.get("/livez").await.status, 200);
    let page = site.get("/status.html").await.body;
    assert!(page.contains("Not ready: orders") && !page.contains("c4n4ry"), "{page}");
    site.end().await;
}

/// The quickest of many requests over one connection: what the answer itself takes.
async fn quickest(site: &Served, path: &str) -> Duration {
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let words = format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n");
    let mut answer = vec![0; 64 * 1024];
    let mut quickest = LIMIT;
    for _ in 0..100 {
        let began = Instant::now();
        stream.write_all(words.as_bytes()).await.unwrap();
        assert!(stream.read(&mut answer).await.unwrap() > 0);
        quickest = quickest.min(began.elapsed());
    }
    quickest
}

#[tokio::test]
async fn a_frozen_server_delays_no_answer_and_an_outage_is_told_when_it_is_over() {
    let server = Server::start_owned(System::Redis).await.unwrap();
    let quick = "health_interval = '200ms'\nhealth_timeout = '200ms'";
    let site = Served::new(&resource("cache", &server.url(), quick)).await;
    server.freeze().await.unwrap();
    eventually("the loss is noticed", LIMIT, async || site.get("/readyz").await.status == 503)
        .await;
    let readyz = quickest(&site, "/readyz").await;
    assert!(readyz < Duration::from_millis(1), "{readyz:?}");
    assert_eq!(site.get("/livez").await.status, 200);
    server.thaw().await.unwrap();
    eventually("it is back", LIMIT, async || site.get("/readyz").await.status == 200).await;
    eventually("the outage is in the status", LIMIT, async || {
        let status = site.get("/status").await.json();
        let member = &status["resources"][0]["members"][0];
        let lasted = member["outages"][0]["lasted_seconds"].as_f64();
        member["counts"]["disconnects"] == 1 && lasted.is_some_and(|lasted| lasted > 0.0)
    })
    .await;
    let page = site.get("/status.html").await.body;
    assert!(page.contains("back after") && page.contains("no sign of life"), "{page}");
    site.end().await;
    server.remove().await;
}
