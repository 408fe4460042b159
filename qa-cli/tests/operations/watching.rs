//! `qa watch`.

use crate::command::{LIMIT, config, file, qa};
use crate::serving::terminate;
use qa_servers::testing::{eventually, within};
use qa_servers::{Server, System};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

pub(crate) const QUICK: &str =
    "health_interval = '200ms'\nhealth_timeout = '300ms'\nbackoff_cap = '300ms'";

/// `qa watch`, and the lines that it has said so far.
pub(crate) struct Watching {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Watching {
    pub(crate) fn start(path: &str) -> Self {
        let mut child =
            qa(&["watch", path, "--every", "50ms"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let said = Arc::clone(&lines);
        tokio::spawn(async move {
            while let Ok(Some(line)) = out.next_line().await {
                said.lock().unwrap().push(line);
            }
        });
        Self { child, lines }
    }

    /// How many lines it has said.
    pub(crate) fn so_far(&self) -> usize {
        self.lines.lock().unwrap().len()
    }

    /// Waits until one of its lines after so many is of this resource, and says this.
    pub(crate) async fn says(&self, after: usize, name: &str, what: &str) {
        let name = format!(" {name} (");
        eventually(&format!("{name}… {what}"), LIMIT, async || {
            let lines = self.lines.lock().unwrap();
            lines[after..].iter().any(|line| line.contains(&name) && line.contains(what))
        })
        .await;
    }

    /// Has it end, and gives all that it said.
    pub(crate) async fn end(mut self) -> String {
        terminate(&self.child);
        let ended = within("it ends", LIMIT, self.child.wait()).await.unwrap();
        assert_eq!(ended.code(), Some(0));
        self.lines.lock().unwrap().join("\n")
    }
}

#[tokio::test]
async fn without_a_terminal_each_change_is_a_line() {
    let server = Server::start_owned(System::Redis).await.unwrap();
    let file = file(&config(&[&server], QUICK));
    let watching = Watching::start(file.path().to_str().unwrap());
    let what = format!("(redis at 127.0.0.1:{}/0) is ready", server.port());
    watching.says(0, "redis", &what).await;
    let before = watching.so_far();
    server.kill().await.unwrap();
    watching.says(before, "redis", "is reconnecting: ").await;
    server.start_again().await.unwrap();
    watching.says(before, "redis", "is degraded: ").await;
    watching.says(before, "redis", "is ready").await;
    let all = watching.end().await;
    assert!(!all.contains('\x1b') && !all.contains(server.password()), "{all}");
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
