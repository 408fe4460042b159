//! Redis (or Valkey): `redis-server` from the package manager.

use std::path::{Path, PathBuf};

use super::recipe::{LOOPBACK, Recipe, not_installed, write};
use crate::address::Address;
use crate::ports::free_port;
use crate::{Error, System, environment};

/// Every write is on disk before it is confirmed. `DEBUG` is on, for faults that only it makes.
pub(crate) fn configuration(bind: &str, port: u16, dir: &str, address: &Address) -> String {
    let Address { user, password, .. } = address;
    format!(
        "bind {bind}\nport {port}\ndir \"{dir}\"\ndaemonize no\nset-proc-title no\n\
         appendonly yes\nappendfsync always\nsave \"\"\nenable-debug-command yes\n\
         requirepass {password}\nuser {user} on >{password} ~* &* +@all\n"
    )
}

/// Its configuration file, which has the login.
pub(super) fn file(home: &Path) -> PathBuf {
    home.join("redis.conf")
}

/// What stands in it.
pub(super) fn text(home: &Path, address: &Address) -> String {
    configuration(LOOPBACK, address.port, &home.display().to_string(), address)
}

pub(super) fn prepare(home: &Path) -> Result<(Recipe, Address), Error> {
    let program = environment::program(&["redis-server", "valkey-server"], &["/usr/bin"])
        .ok_or_else(|| not_installed(System::Redis, "redis-server"))?;
    let address = Address::local(System::Redis, free_port()?, None)?;
    write(&file(home), &text(home, &address))?;
    let main = if program.ends_with("valkey-server") { "valkey-server" } else { "redis-server" };
    let recipe = Recipe {
        program,
        arguments: vec![file(home).into()],
        variables: Vec::new(),
        main,
        log: home.join("server.log"),
    };
    Ok((recipe, address))
}
