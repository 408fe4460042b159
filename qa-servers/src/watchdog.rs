//! The one who cleans up when we cannot.
//!
//! A small shell holds the reading end of a pipe from us. When the pipe closes, because we ended
//! in whatever way, it removes what we left.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use crate::Error;

/// Ends with us, and takes the server along.
#[derive(Debug)]
pub(crate) struct Watchdog {
    shell: Child,
}

impl Watchdog {
    /// Runs a shell script that reads its input to the end and then cleans up.
    pub(crate) fn spawn(script: &str, arguments: &[&OsStr]) -> Result<Self, Error> {
        let shell = Command::new("sh")
            .args(["-c", script, "qa-servers-watchdog"])
            .args(arguments)
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
