//! All processes of one server, whatever their parent, group or session.
//!
//! Erlang's helpers leave their process group, and epmd its parent. So every process of a server
//! carries the server's directory in its environment and starts in it, and is found by either:
//! a server may overwrite its environment (Redis does, for its title) or leave its directory.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};

/// The variable that marks the processes of a server; its value is the server's directory.
pub(super) const MARK: &str = "QA_SERVERS_HOME";

/// The processes that carry one mark.
#[derive(Debug)]
pub(super) struct Tree {
    home: PathBuf,
    mark: Vec<u8>,
    /// Those that were killed and may still hold ports or files.
    dying: Vec<Pid>,
}

impl Tree {
    pub(super) fn new(home: &Path) -> Self {
        let mut mark = format!("{MARK}=").into_bytes();
        mark.extend(home.as_os_str().as_bytes());
        Self { home: home.to_owned(), mark, dying: Vec::new() }
    }

    /// Sends signal 9 to all, and says whether all are gone for good.
    pub(super) fn kill(&mut self) -> bool {
        for pid in self.processes() {
            signal(pid, Signal::KILL);
            if !self.dying.contains(&pid) {
                self.dying.push(pid);
            }
        }
        // A dying process loses its environment before its ports.
        self.dying.retain(|pid| !is_gone(*pid));
        self.dying.is_empty()
    }

    /// Asks the processes named `main` to end; all of them while there is none of that name yet.
    pub(super) fn terminate(&self, main: &str) {
        let all = self.processes();
        let named = |pid: &Pid| name_of(*pid).as_deref() == Some(main);
        let any = all.iter().any(named);
        all.into_iter().filter(|pid| !any || named(pid)).for_each(|pid| signal(pid, Signal::TERM));
    }

    /// Sends the signal to stop to all, and says whether all stand by now: the kernel stops a thread
    /// when that comes by, and one that runs on another core does work until then.
    pub(super) fn freeze(&self) -> bool {
        let all = self.processes();
        for pid in &all {
            signal(*pid, Signal::STOP);
        }
        all.into_iter().all(stands)
    }

    pub(super) fn thaw(&self) {
        self.processes().into_iter().for_each(|pid| signal(pid, Signal::CONT));
    }

    fn processes(&self) -> Vec<Pid> {
        let Ok(entries) = fs::read_dir("/proc") else {
            return Vec::new();
        };
        entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter_map(Pid::from_raw)
            .filter(|pid| self.carries_mark(*pid) || self.stands_at_home(*pid))
            .collect()
    }

    fn carries_mark(&self, pid: Pid) -> bool {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == self.mark)
    }

    fn stands_at_home(&self, pid: Pid) -> bool {
        fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|dir| dir.starts_with(&self.home))
    }
}

/// A process that has ended meanwhile is what was wanted.
fn signal(pid: Pid, signal: Signal) {
    let _ = kill_process(pid, signal);
}

fn name_of(pid: Pid) -> Option<String> {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(name.trim_end().to_owned())
}

/// Whether the process has ended: it is no more, or only its exit code waits to be taken. The
/// first thread of a process can look so while others still hold the ports.
fn is_gone(pid: Pid) -> bool {
    let state = state_of(&Path::new("/proc").join(pid.to_string()));
    let threads = fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    matches!(state, None | Some('Z' | 'X')) && threads <= 1
}

/// Whether no thread of the process runs any more.
fn stands(pid: Pid) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten();
    let mut states = threads.filter_map(|thread| state_of(&thread.ok()?.path()));
    states.all(|state| matches!(state, 'T' | 't' | 'Z' | 'X'))
}

/// The letter of proc(5) for what a process or thread is doing; `None` if it is no more.
fn state_of(proc: &Path) -> Option<char> {
    let stat = fs::read_to_string(proc.join("stat")).ok()?;
    stat.rsplit_once(") ").and_then(|(_, fields)| fields.chars().next())
}
