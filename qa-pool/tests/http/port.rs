//! The port: who may take how long, and how it ends.

use crate::client::{LIMIT, Served, get, resource};
use qa_pool::ResourcePool;
use qa_pool::http::{Http, serve};
use qa_servers::testing::{Refused, eventually, within};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Handle;

#[tokio::test]
async fn it_ends_with_the_pool_s_closing_and_frees_its_port() {
    let pool = ResourcePool::new();
    let server = Http::new(&pool).bind("127.0.0.1:0").await.unwrap();
    let address = server.address();
    let running = tokio::spawn(server.run());
    assert_eq!(get(address, "/readyz").await.status, 200);
    // One that is kept alive is no reason to stay.
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET /livez HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    assert!(idle.read(&mut [0; 1024]).await.unwrap() > 0);
    pool.close(LIMIT).await;
    within("the server ends", Duration::from_secs(5), running).await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
    within("the idle one is closed", LIMIT, idle.read_to_end(&mut Vec::new())).await.unwrap();
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error() {
    let pool = ResourcePool::new();
    let first = Http::new(&pool).bind("127.0.0.1:0").await.unwrap();
    let error = serve(&pool, first.address()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
}

#[tokio::test]
async fn who_says_nothing_is_cut_off_and_keeps_nobody_waiting() {
    let served = Served::new("").await;
    let mut silent = Vec::new();
    for _ in 0..8 {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nHos").await.unwrap();
        silent.push(stream);
    }
    assert_eq!(served.get("/livez").await.status, 200);
    for mut stream in silent {
        let mut rest = Vec::new();
        let ended = stream.read_to_end(&mut rest);
        let _ = within("it is cut off", Duration::from_secs(20), ended).await;
    }
    served.end().await;
}

#[tokio::test]
async fn a_router_that_is_dropped_leaves_no_task() {
    let refused = Refused::new();
    let url = format!("redis://127.0.0.1:{}", refused.port());
    let served = Served::new(&resource("r", &url, "connect_attempts = 1")).await;
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let router = Http::new(&served.pool).router();
    assert_eq!(tasks(), before + 1);
    drop(router);
    eventually("its task ends", LIMIT, async || tasks() == before).await;
    served.end().await;
}

#[tokio::test]
async fn without_a_recorder_there_are_no_metrics_and_a_word_why() {
    let pool = ResourcePool::new();
    let server = Http::new(&pool).bind("127.0.0.1:0").await.unwrap();
    let address = server.address();
    let running = tokio::spawn(server.run());
    let answer = get(address, "/metrics").await;
    assert_eq!(answer.status, 404);
    assert!(answer.body.contains("with_prometheus"), "{answer:?}");
    pool.close(LIMIT).await;
    running.await.unwrap();
    let own = Http::new(&ResourcePool::new()).with_metrics(|| "mine 1\n".to_owned());
    assert!(format!("{own:?}").contains("metrics: true"));
}
