//! Redis (or Valkey): `redis-server` from the package manager, alone, as one of several, or as a
//! sentinel.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::recipe::{LOOPBACK, Recipe, not_installed, write, write_for_the_server};
use crate::address::Address;
use crate::ports::free_port;
use crate::{Error, Options, System, environment};

/// A node that is not heard for so long is taken for dead, in milliseconds.
const SILENCE: u32 = 1000;
/// How long sentinels give a failover, in milliseconds. Twice as long they start no second one.
const FAILOVER: u32 = 3000;

/// Every write is on disk before it is confirmed. `DEBUG` is on, for faults that only it makes.
pub(crate) fn configuration(bind: &str, port: u16, dir: &str, address: &Address) -> String {
    let login = login(address);
    let most = address.most_clients.map(|most| format!("maxclients {most}\n")).unwrap_or_default();
    format!(
        "bind {bind}\nport {port}\ndir \"{dir}\"\ndaemonize no\nset-proc-title no\n\
         appendonly yes\nappendfsync always\nsave \"\"\nenable-debug-command yes\n{login}{most}"
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

/// The application's user, and the same password for the default user: as which nodes log in to
/// each other.
fn login(address: &Address) -> String {
    let Address { user, password, .. } = address;
    format!("requirepass {password}\nuser {user} on >{password} ~* &* +@all\n")
}

pub(super) fn prepare(home: &Path, options: Options) -> Result<(Recipe, Address), Error> {
    let address = Address::local(System::Redis, free_port()?, None)?.with(options);
    write(&file(home), &text(home, &address))?;
    recipe(home, vec![file(home).into()], address)
}

/// One of several with the login of `like`: a replica of the server on the port `master`, or a
/// master. It can become the other.
pub(crate) fn replicated(
    home: &Path,
    like: &Address,
    master: Option<u16>,
) -> Result<(Recipe, Address), Error> {
    let of = master.map(|port| format!("replicaof 127.0.0.1 {port}\n")).unwrap_or_default();
    several(home, like, &of)
}

/// A node of a Redis Cluster with the login of `like`, and without slots.
pub(crate) fn cluster_node(home: &Path, like: &Address) -> Result<(Recipe, Address), Error> {
    let bus = free_port()?; // the usual one, 10000 above, may lie among the clients' ports
    let cluster = format!(
        "cluster-enabled yes\ncluster-config-file nodes.conf\ncluster-port {bus}\n\
         cluster-node-timeout {SILENCE}\ncluster-announce-ip 127.0.0.1\n"
    );
    several(home, like, &cluster)
}

/// A server that is alone and speaks as a node of a cluster. What makes it one are arguments, so that a
/// file with another login can take the place of its own.
pub(crate) fn lone_cluster_node(home: &Path) -> Result<(Recipe, Address), Error> {
    let (mut recipe, address) = prepare(home, Options::default())?;
    let bus = free_port()?.to_string();
    let more = [
        ("--cluster-enabled", "yes"),
        ("--cluster-config-file", "nodes.conf"),
        ("--cluster-port", &bus),
        ("--cluster-announce-ip", LOOPBACK),
    ];
    recipe.arguments.extend(more.into_iter().flat_map(|(key, value)| [key.into(), value.into()]));
    Ok((recipe, address))
}

fn several(home: &Path, like: &Address, more: &str) -> Result<(Recipe, Address), Error> {
    let address = like.member(free_port()?);
    let (alone, password) = (text(home, &address), &address.password);
    let text = format!("{alone}masterauth {password}\nrepl-diskless-sync-delay 0\n{more}");
    // A sentinel has the server write into it whom it follows now.
    write_for_the_server(&file(home), &text)?;
    recipe(home, vec![file(home).into()], address)
}

/// A sentinel that watches the server on the port `master`, under the name `name`, and needs
/// another one's vote. Both have the login of `like`.
pub(crate) fn sentinel(
    home: &Path,
    like: &Address,
    name: &str,
    master: u16,
) -> Result<(Recipe, Address), Error> {
    let address = like.member(free_port()?);
    let Address { port, password, .. } = &address;
    let (dir, login) = (home.display(), login(&address));
    let text = format!(
        "bind 127.0.0.1\nport {port}\ndir \"{dir}\"\ndaemonize no\nset-proc-title no\n{login}\
         sentinel monitor {name} 127.0.0.1 {master} 2\n\
         sentinel auth-pass {name} {password}\nsentinel sentinel-pass {password}\n\
         sentinel down-after-milliseconds {name} {SILENCE}\n\
         sentinel failover-timeout {name} {FAILOVER}\nsentinel parallel-syncs {name} 2\n"
    );
    let file = home.join("sentinel.conf");
    write_for_the_server(&file, &text)?;
    recipe(home, vec![file.into(), "--sentinel".into()], address)
}

fn recipe(
    home: &Path,
    arguments: Vec<OsString>,
    address: Address,
) -> Result<(Recipe, Address), Error> {
    let program = environment::program(&["redis-server", "valkey-server"], &["/usr/bin"])
        .ok_or_else(|| not_installed(System::Redis, "redis-server"))?;
    let main = if program.ends_with("valkey-server") { "valkey-server" } else { "redis-server" };
    let log = home.join("server.log");
    Ok((Recipe { program, arguments, variables: Vec::new(), main, log }, address))
}
