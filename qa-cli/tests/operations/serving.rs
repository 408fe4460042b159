//! `qa serve`.

use crate::command::{LIMIT, config, file, qa};
use qa_servers::testing::{eventually, within};
use qa_servers::{Server, System};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout};
use tokio::task::JoinHandle;

/// Tells a process to end.
pub(crate) fn terminate(child: &Child) {
    let id = i32::try_from(child.id().unwrap()).unwrap();
    let id = rustix::process::Pid::from_raw(id).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
}

/// `qa serve`, which listens.
pub(crate) struct Serving {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// Read as it comes, so that it never fills up.
    log: JoinHandle<String>,
    address: String,
}

impl Serving {
    /// Serves a configuration file.
    pub(crate) async fn start(path: &str) -> Self {
        let mut child = qa(&["serve", path, "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut errors = child.stderr.take().unwrap();
        let log = tokio::spawn(async move {
            let mut log = String::new();
            errors.read_to_string(&mut log).await.unwrap();
            log
        });
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = within("it listens", LIMIT, lines.next_line()).await.unwrap().unwrap();
        let address = first.split('/').nth(2).unwrap().to_owned();
        Self { child, lines, log, address }
    }

    /// An answer, with its head.
    pub(crate) async fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        let words = format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        stream.write_all(words.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// Waits until it is ready.
    pub(crate) async fn is_ready(&self) {
        let ready = async || self.get("/readyz").await.starts_with("HTTP/1.1 200");
        eventually("it is ready", LIMIT, ready).await;
    }

    /// Has it end, which it does well, and gives the rest of what it said, and its log.
    pub(crate) async fn end(mut self) -> (String, String) {
        terminate(&self.child);
        let log = within("it ends", LIMIT, self.log).await.unwrap();
        let ended = within("it ends", LIMIT, self.child.wait()).await.unwrap();
        assert_eq!(ended.code(), Some(0), "{log}");
        let mut rest = String::new();
        while let Some(line) = self.lines.next_line().await.unwrap() {
            rest += &line;
        }
        (rest, log)
    }
}

#[tokio::test]
async fn it_serves_what_is_away_until_it_comes_and_ends_well_when_it_is_told_to() {
    let server = Server::start_owned(System::Redis).await.unwrap();
    server.stop().await.unwrap();
    let file = file(&config(&[&server], "connect_attempts = 1\nbackoff_cap = '200ms'"));
    let serving = Serving::start(file.path().to_str().unwrap()).await;

    assert!(serving.get("/livez").await.starts_with("HTTP/1.1 200"));
    let ready = serving.get("/readyz").await;
    assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("\"name\":\"redis\""), "{ready}");
    server.start_again().await.unwrap();
    serving.is_ready().await;
    let metrics = serving.get("/metrics").await;
    assert!(metrics.contains("qa_resource_connects_total{"), "{metrics}");

    let (rest, log) = serving.end().await;
    assert!(rest.contains("nothing had to be forced"), "{rest}");
    assert!(log.contains("resource is ready") && !log.contains(server.password()), "{log}");
    server.remove().await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error_that_names_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let file = file("[[resource]]\nname = 'r'\nurl = 'redis://127.0.0.1:1'");
    let output = qa(&["serve", file.path().to_str().unwrap(), "--listen", &address]).output();
    let output = within("it ends", LIMIT, output).await.unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains(&format!("cannot listen on {address}")), "{error}");
}
