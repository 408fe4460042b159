//! What a process has: tasks, threads, open files.

use integration_tests::eventually;
use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;
use tokio::runtime::Handle;

const PATIENCE: Duration = Duration::from_secs(20);

/// What the process has at one moment, by name and number.
#[derive(Debug, PartialEq)]
pub(crate) struct Census {
    tasks: usize,
    threads: BTreeMap<String, usize>,
    files: BTreeMap<String, usize>,
}

impl Census {
    fn take() -> Self {
        Self {
            tasks: Handle::current().metrics().num_alive_tasks(),
            threads: threads(),
            files: files(),
        }
    }

    /// Taken once no task is alive and no thread for blocking work waits for its end any more.
    pub(crate) async fn settled() -> Self {
        let mut census = Self::take();
        let settled = async || {
            let before = std::mem::replace(&mut census, Self::take());
            // A runtime's own threads and the driver of its I/O are there from the beginning.
            census == before
                && census.tasks == 0
                && census.threads.get("tokio-rt-worker") == Some(&2)
        };
        eventually("the process is at rest", PATIENCE, settled).await;
        census
    }

    /// Waits until the process has what it had then, no more and no less.
    pub(crate) async fn is_back(&self, after: &str) {
        let mut shown = None;
        let back = async || {
            let now = Self::take();
            let back = now == *self;
            if !back && shown.as_ref() != Some(&now) {
                eprintln!("after {after}: {now:?}, and before {self:?}");
                shown = Some(now);
            }
            back
        };
        eventually(&format!("nothing is left of {after}"), PATIENCE, back).await;
    }
}

/// The threads by name, less those of the tests that wait for their turn, which are named by their
/// tests' paths, and those that start and break the servers in containers.
fn threads() -> BTreeMap<String, usize> {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let name = |task: std::io::Result<fs::DirEntry>| {
        // One that ends while the others are read is not there any more.
        let name = fs::read_to_string(task.ok()?.path().join("comm")).ok()?;
        Some(name.trim_end().to_owned())
    };
    let of_tests = |name: &String| name.contains("::") || name.starts_with("qa-servers");
    counted(tasks.filter_map(name).filter(|name| !of_tests(name)))
}

/// The open files by what they are, without the numbers that no two sockets or pipes share.
fn files() -> BTreeMap<String, usize> {
    let files = fs::read_dir("/proc/self/fd").unwrap();
    let kind = |file: std::io::Result<fs::DirEntry>| {
        let target = fs::read_link(file.ok()?.path()).ok()?;
        let target = target.to_str()?.to_owned();
        // The directory that is being read.
        let own = target.starts_with("/proc/");
        (!own).then(|| target.split(":[").next().unwrap_or_default().to_owned())
    };
    counted(files.filter_map(kind))
}

fn counted(names: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for name in names {
        *counts.entry(name).or_insert(0) += 1;
    }
    counts
}
