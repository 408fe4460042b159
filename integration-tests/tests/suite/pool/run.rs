//! `qa_pool::run`, in a child process that gets signals.

use super::four::Servers;
use crate::behaviour::PATIENCE;
use integration_tests::{Refused, eventually, within};
use rustix::process::{Pid, Signal, kill_process};
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::NamedTempFile;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::task::JoinHandle;

/// The service of `src/bin/service.rs`, running.
pub(super) struct Service {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// What it said on standard error, and who reads it.
    said: Arc<Mutex<String>>,
    reader: JoinHandle<()>,
    file: NamedTempFile,
}

impl Service {
    /// Starts it with a configuration, a way to end, and variables of its environment.
    pub(super) fn start(config: &str, way: &str, variables: &[(&str, &str)]) -> Self {
        let mut file = NamedTempFile::with_suffix(".toml").unwrap();
        file.write_all(config.as_bytes()).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_service"))
            .arg(file.path())
            .arg(way)
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = Arc::<Mutex<String>>::default();
        let reader = tokio::spawn(read(child.stderr.take().unwrap(), Arc::clone(&said)));
        Self { child, lines, said, reader, file }
    }

    /// Everything that it prints up to a line.
    pub(super) async fn until(&mut self, expected: &str) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            let next = within(expected, PATIENCE, self.lines.next_line()).await.unwrap();
            let Some(line) = next else { panic!("it ended before `{expected}`: {seen:?}") };
            if line == expected {
                return seen;
            }
            seen.push(line);
        }
    }

    /// Waits until it has said something on standard error.
    pub(super) async fn says(&self, expected: &str) {
        let has = async || self.said.lock().unwrap().contains(expected);
        eventually(expected, PATIENCE, has).await;
    }

    /// Gives it another configuration, which it has to be told of.
    pub(super) fn rewrite(&self, config: &str) {
        std::fs::write(self.file.path(), config).unwrap();
    }

    pub(super) fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|id| Pid::from_raw(id.try_into().unwrap())).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for its end; gives the exit code and what it said on standard error.
    pub(super) async fn end(mut self) -> (i32, String) {
        let mut rest = String::new();
        let ended = async {
            self.lines.get_mut().read_to_string(&mut rest).await.unwrap();
            self.reader.await.unwrap();
            self.child.wait().await.unwrap()
        };
        let status = within("its end", PATIENCE, ended).await;
        let said = self.said.lock().unwrap().clone();
        (status.code().unwrap(), said)
    }
}

async fn read(stderr: ChildStderr, said: Arc<Mutex<String>>) {
    let mut lines = BufReader::new(stderr).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        writeln!(said.lock().unwrap(), "{line}").unwrap();
    }
}

/// Four members on the shared servers, in a file.
async fn four(test: &str, shutdown_timeout: &str) -> String {
    let mut config = format!("shutdown_timeout = '{shutdown_timeout}'\n");
    for (name, url) in super::four::ORDER.into_iter().zip(Servers::shared().await.urls(test).await)
    {
        write!(config, "[[resource]]\nname = '{name}'\nurl = '{url}'\n").unwrap();
    }
    config
}

#[tokio::test]
async fn a_signal_ends_it_in_order_and_well() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut service = Service::start(&four("signal", "20s").await, "serve", &[]);
        let stood = service.until("serving").await;
        assert!(
            stood.len() == 4 && stood.iter().all(|line| line.ends_with("is ready")),
            "{stood:?}"
        );
        service.signal(signal);
        service.until("closing").await;
        let (code, said) = service.end().await;
        assert_eq!(code, 0, "{said}");
        assert!(said.contains("the pool is closed") && said.contains("clean=true"), "{said}");
    }
}

#[tokio::test]
async fn a_main_that_ends_ends_it_as_well() {
    let service = Service::start(&four("done", "20s").await, "done", &[]);
    let (code, said) = service.end().await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("the pool is closed"), "{said}");
}

#[tokio::test]
async fn an_error_of_main_is_told_and_gives_one() {
    let service = Service::start(&four("fail", "20s").await, "fail", &[]);
    let (code, said) = service.end().await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("the market is shut"), "{said}");
    assert!(said.contains("clean=true"), "it is closed all the same: {said}");
}

#[tokio::test]
async fn a_second_signal_ends_a_stubborn_main_at_once() {
    let mut service = Service::start(&four("stubborn", "10min").await, "stubborn", &[]);
    service.until("serving").await;
    service.signal(Signal::TERM);
    service.until("closing").await;
    let began = Instant::now();
    service.signal(Signal::TERM);
    let (code, said) = service.end().await;
    assert!(began.elapsed() < Duration::from_secs(5), "took {:?}", began.elapsed());
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("1 tasks had not ended"), "the report names the task: {said}");
}

#[tokio::test]
async fn a_stubborn_main_is_left_when_the_time_is_over() {
    let mut service = Service::start(&four("left", "2s").await, "stubborn", &[]);
    service.until("serving").await;
    service.signal(Signal::TERM);
    let began = Instant::now();
    let (code, said) = service.end().await;
    // The limit, and what an exit of a process may take.
    assert!(began.elapsed() < Duration::from_secs(4), "took {:?}", began.elapsed());
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("1 tasks had not ended"), "{said}");
}

#[tokio::test]
async fn a_required_resource_that_is_not_there_is_told_and_gives_one() {
    let port = Refused::new();
    let config = format!(
        "[[resource]]\nname = 'cache'\nurl = 'redis://127.0.0.1:{}'\nconnect_attempts = 1\n",
        port.port()
    );
    let (code, said) = Service::start(&config, "serve", &[]).end().await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("resource `cache`: cannot connect to redis at"), "{said}");
}
