//! The one who cleans up when we cannot.
//!
//! A small shell holds the reading end of a pipe from us. When the pipe closes, because we ended
//! in whatever way, it kills what carries the server's mark and removes the server's directory.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::tree::MARK;
use crate::Error;

/// Waits for the end of its input. Then it looks until nothing was found three times in a row: a
/// process between `fork` and `exec` does not carry the mark yet.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
while read -r _; do :; done
clean=0
while [ "$clean" -lt 3 ]; do
    pids=$({
        grep -lsF "$2=$1" /proc/[0-9]*/environ
        find /proc/[0-9]* -maxdepth 1 -name cwd -lname "$1*" 2>/dev/null
    } | cut -d/ -f3)
    if [ -n "$pids" ]; then kill -9 $pids 2>/dev/null; clean=0; else clean=$((clean + 1)); fi
    sleep 0.05
done
rm -rf "$1"
"#;

/// Ends with us, and takes the server along.
#[derive(Debug)]
pub(crate) struct Watchdog {
    shell: Child,
}

impl Watchdog {
    /// Watches over the processes that carry `home` as their mark, and over `home` itself.
    pub(super) fn of_directory(home: &Path) -> Result<Self, Error> {
        Self::spawn(SCRIPT, &[home.as_os_str(), MARK.as_ref()])
    }

    /// Runs a script that reads its input to the end and then cleans up.
    pub(crate) fn spawn(script: &str, arguments: &[&std::ffi::OsStr]) -> Result<Self, Error> {
        let shell = Command::new("sh")
            .args(["-c", script, "qa-servers-watchdog"])
            .args(arguments)
            .env_remove(MARK)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C in a terminal goes to our group only: it must outlive us.
            .process_group(0)
            .spawn()
            .map_err(Error::io("start the shell that cleans up"))?;
        Ok(Self { shell })
    }

    /// Ends the watch without any cleaning: there is nothing left to clean.
    pub(crate) fn dismiss(&mut self) {
        let _: io::Result<()> = self.shell.kill();
        let _ = self.shell.wait();
    }
}
