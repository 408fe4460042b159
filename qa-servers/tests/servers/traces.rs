//! What a server leaves on this machine, and whether it is gone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use qa_servers::{Provider, Server};

/// Whether something listens on the loopback port.
pub(crate) fn listens(port: u16) -> bool {
    std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
}

/// Where a server lives: its directory, or the id or name of its container.
#[derive(Debug)]
pub(crate) enum Trace {
    Directory(PathBuf),
    Container(String),
}

impl Trace {
    pub(crate) async fn of(server: &Server) -> Self {
        if server.provider() == Provider::Process {
            let pid = server.pid().await.unwrap();
            return Self::Directory(fs::read_link(format!("/proc/{pid}/cwd")).unwrap());
        }
        let id = docker(&["ps", "-aq", "--filter", &format!("publish={}", server.port())]);
        assert!(!id.is_empty(), "no container has the port of {server:?}");
        Self::Container(id)
    }

    /// What the watchdog among the children of `parent` watches over.
    pub(crate) fn watched_by_children_of(parent: u32) -> Option<Self> {
        Self::all_watched_by_children_of(parent).into_iter().next()
    }

    /// What all the watchdogs among the children of `parent` watch over.
    pub(crate) fn all_watched_by_children_of(parent: u32) -> Vec<Self> {
        let watched = processes().filter_map(|pid| {
            let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
            let (_, rest) = command.split_once("\0qa-servers-watchdog\0")?;
            let watched = rest.split('\0').next()?.to_owned();
            (parent_of(pid)? == parent).then_some(watched)
        });
        let trace = |watched: String| {
            if watched.starts_with('/') {
                return Self::Directory(watched.into());
            }
            Self::Container(watched)
        };
        watched.map(trace).collect()
    }

    /// Whether there is anything of it: processes (that are more than an exit code), files, a
    /// container.
    pub(crate) fn is_there(&self) -> bool {
        match self {
            Self::Directory(home) => home.exists() || !processes_of(home).is_empty(),
            Self::Container(id) => {
                let by = |key: &str| docker(&["ps", "-aq", "--filter", &format!("{key}={id}")]);
                !by("id").is_empty() || !by("name").is_empty()
            }
        }
    }
}

fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().unwrap();
    assert!(output.status.success(), "docker {arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn processes() -> impl Iterator<Item = u32> {
    let all = fs::read_dir("/proc").unwrap();
    all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

/// The processes that stand in a directory, or name it in their environment or command.
pub(crate) fn processes_of(home: &Path) -> Vec<u32> {
    let name = home.to_string_lossy();
    let mentions = |pid: u32, file: &str| {
        let text = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        String::from_utf8_lossy(&text).contains(&*name)
    };
    let stands =
        |pid: u32| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|dir| dir.starts_with(home));
    processes()
        .filter(|pid| stands(*pid) || mentions(*pid, "environ") || mentions(*pid, "cmdline"))
        .collect()
}
