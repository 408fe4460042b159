//! How each server is started here.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{chdb, mongod, rabbitmq, redis_server};
use crate::address::Address;
use crate::{Error, Options, System};

/// Where the server listens and its clients come from.
pub(super) const LOOPBACK: &str = "127.0.0.1";

/// A program to run, with all that it needs already on disk.
#[derive(Debug)]
pub(crate) struct Recipe {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<OsString>,
    pub(super) variables: Vec<(&'static str, OsString)>,
    /// The kernel's name of the process that a graceful stop signals.
    pub(super) main: &'static str,
    /// Where its output goes.
    pub(super) log: PathBuf,
}

impl Recipe {
    /// Chooses ports and writes the configuration into `home`.
    pub(super) fn prepare(
        system: System,
        home: &Path,
        options: Options,
    ) -> Result<(Self, Address), Error> {
        match system {
            System::MongoDb => mongod::prepare(home, options),
            System::RabbitMq => rabbitmq::prepare(home, options),
            System::ClickHouse => chdb::prepare(home, options),
            System::Redis => redis_server::prepare(home, options),
        }
    }
}

/// Writes the file again that a server has its login from, where it has it from one.
pub(super) fn rewrite_login(home: &Path, address: &Address) -> Result<(), Error> {
    let (file, text) = match address.system {
        System::Redis => (redis_server::file(home), redis_server::text(home, address)),
        System::ClickHouse => (chdb::users_file(home), chdb::users(address, LOOPBACK)),
        System::MongoDb | System::RabbitMq => return Ok(()),
    };
    // The server never sees half of it.
    let next = file.with_extension("next");
    write(&next, &text)?;
    fs::rename(&next, &file).map_err(Error::io(format!("replace {}", file.display())))
}

/// Whether a log says that a port of the server was not free.
pub(super) fn says_port_is_taken(log: &str) -> bool {
    let log = log.to_lowercase();
    ["address already in use", "eaddrinuse", "in use by another"]
        .iter()
        .any(|text| log.contains(text))
}

/// Makes a directory for our eyes only.
pub(super) fn make_home(path: &Path) -> Result<(), Error> {
    DirBuilder::new()
        .mode(0o700)
        .create(path)
        .map_err(Error::io(format!("make {}", path.display())))
}

/// Writes a file for our eyes only.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Error> {
    write_as(path, text, 0o400)
}

/// The same, of a file that the server will change.
pub(super) fn write_for_the_server(path: &Path, text: &str) -> Result<(), Error> {
    write_as(path, text, 0o600)
}

fn write_as(path: &Path, text: &str, mode: u32) -> Result<(), Error> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(Error::io(format!("write {}", path.display())))
}

/// The error of a server that is not installed.
pub(super) fn not_installed(system: System, what: &str) -> Error {
    let reason = format!("{what} is not installed: run scripts/install-servers.sh");
    Error::Start { system, reason, log: String::new() }
}
