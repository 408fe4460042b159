//! `qa watch`.

use crate::command::{LIMIT, config, file, qa};
use crate::serving::terminate;
use qa_servers::testing::within;
use qa_servers::{Server, System};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;

const QUICK: &str = "health_interval = '200ms'\nhealth_timeout = '200ms'\nbackoff_cap = '300ms'";

#[tokio::test]
async fn without_a_terminal_each_change_is_a_line() {
    let server = Server::start_owned(System::Redis).await.unwrap();
    let file = file(&config(&[&server], QUICK));
    let path = file.path().to_str().unwrap();
    let mut child = qa(&["watch", path, "--every", "50ms"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut until = async |part: &str| loop {
        let line = within(part, LIMIT, lines.next_line()).await.unwrap().unwrap();
        assert!(!line.contains('\x1b') && !line.contains(server.password()), "{line}");
        if line.contains(part) {
            return line;
        }
    };
    let line = until("is ready").await;
    assert!(line.contains(&format!("redis (redis at 127.0.0.1:{}", server.port())), "{line}");
    server.kill().await.unwrap();
    until("is reconnecting: ").await;
    server.start_again().await.unwrap();
    until("is degraded: ").await;
    until("is ready").await;
    terminate(&child);
    let ended = within("it ends", LIMIT, child.wait()).await.unwrap();
    assert_eq!(ended.code(), Some(0));
    server.remove().await;
}

#[tokio::test]
async fn an_alarm_that_comes_while_it_looks_on_is_a_line_although_nobody_publishes() {
    let server = Server::start_owned(System::RabbitMq).await.unwrap();
    let file = file(&config(&[&server], QUICK));
    let mut child =
        qa(&["watch", file.path().to_str().unwrap()]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut until = async |part: &str| {
        while !within(part, LIMIT, lines.next_line()).await.unwrap().unwrap().contains(part) {}
    };
    until("is ready").await;
    server.raise_alarm().await.unwrap();
    until("the broker takes no messages").await;
    server.clear_alarm().await.unwrap();
    until("is ready").await;
    terminate(&child);
    within("it ends", LIMIT, child.wait()).await.unwrap();
    server.remove().await;
}

#[tokio::test]
async fn a_terminal_gets_a_table_and_is_left_as_it_was() {
    let server = Server::start(System::Redis).await.unwrap();
    let file = file(&config(&[&server], QUICK));
    // `script` runs it in a terminal of its own, and hands on what it shows; it is told to end there.
    let qa = format!("{} watch {} --every 50ms", env!("CARGO_BIN_EXE_qa"), file.path().display());
    let mut child = Command::new("script")
        .args(["-qec", &format!("timeout --foreground --signal=TERM 5 {qa}")])
        .arg("/dev/null")
        .env("TERM", "xterm-256color")
        .env_remove("NO_COLOR")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut shown = String::new();
    let mut out = child.stdout.take().unwrap();
    within("it ends", LIMIT, out.read_to_string(&mut shown)).await.unwrap();
    child.wait().await.unwrap();
    assert!(shown.starts_with("\x1b[?1049h\x1b[?25l"), "{shown:?}");
    assert!(shown.contains("back after") && shown.contains("\x1b[32mready\x1b[0m"), "{shown:?}");
    assert!(shown.contains("\x1b[?25h\x1b[?1049l"), "{shown:?}");
    server.remove().await;
}
