//! ClickHouse: the engine of the `chdb-core` wheel, which holds the server's HTTP listener.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::recipe::{LOOPBACK, Recipe, make_home, not_installed, write};
use crate::address::Address;
use crate::ports::free_port;
use crate::secret::hex;
use crate::{Error, Options, System, environment};

/// Loads the wheel's engine and runs its listener until it is told to end.
pub(crate) const LAUNCHER: &str = include_str!("chdb.py");

/// The name of the cluster in which every peer has rows of its own.
pub(crate) const SHARDS: &str = "shards";
/// The name of the cluster in which any peer has all rows.
pub(crate) const REPLICAS: &str = "replicas";

pub(super) fn prepare(home: &Path, options: Options) -> Result<(Recipe, Address), Error> {
    let address = Address::local(System::ClickHouse, free_port()?, None)?.with(options);
    recipe(home, address, "", &[])
}

/// One of two servers that know each other by their native ports: both have the login of `like`,
/// and this one the port `own`.
pub(crate) fn peer(
    home: &Path,
    like: &Address,
    natives: [u16; 2],
    own: u16,
) -> Result<(Recipe, Address), Error> {
    let address = like.member(free_port()?);
    let [one, two] = natives.map(|port| {
        let Address { host, user, password, .. } = like;
        format!(
            "<replica><host>{host}</host><port>{port}</port>\
             <user>{user}</user><password>{password}</password></replica>"
        )
    });
    let more = format!(
        "<tcp_port>{own}</tcp_port>\n<remote_servers>\n\
         <{SHARDS}><shard>{one}</shard><shard>{two}</shard></{SHARDS}>\n\
         <{REPLICAS}><shard>{one}{two}</shard></{REPLICAS}>\n</remote_servers>\n"
    );
    recipe(home, address, &more, &["HTTP", "TCP"])
}

fn recipe(
    home: &Path,
    address: Address,
    more: &str,
    listeners: &[&str],
) -> Result<(Recipe, Address), Error> {
    let installed = environment::servers_dir().join("clickhouse");
    let (python, engine) = (installed.join("python3"), installed.join("chdb/_chdb.abi3.so"));
    if !python.is_file() || !engine.is_file() {
        return Err(not_installed(System::ClickHouse, "the chdb-core wheel"));
    }
    make_home(&home.join("data"))?;
    write(&home.join("config.xml"), &configuration(home, address.port, more))?;
    write(&users_file(home), &users(&address, LOOPBACK))?;
    let launcher = home.join("launcher.py");
    write(&launcher, LAUNCHER)?;
    let mut arguments: Vec<OsString> = vec!["-S".into(), "-E".into(), launcher.into()];
    arguments.extend([home.into(), engine.into()]);
    arguments.extend(listeners.iter().map(OsString::from));
    let recipe = Recipe {
        program: python,
        arguments,
        variables: Vec::new(),
        main: "clickhouse",
        log: home.join("server.log"),
    };
    Ok((recipe, address))
}

/// The file that it has its users from.
pub(super) fn users_file(home: &Path) -> PathBuf {
    home.join("users.xml")
}

fn configuration(home: &Path, port: u16, more: &str) -> String {
    let home = home.display();
    format!(
        "<clickhouse>\n\
         <logger><level>information</level><console>1</console></logger>\n\
         <path>{home}/data/</path>\n\
         <http_port>{port}</http_port><listen_host>127.0.0.1</listen_host>\n\
         <user_directories><users_xml><path>{home}/users.xml</path></users_xml></user_directories>\n\
         <max_server_memory_usage>2000000000</max_server_memory_usage>\n\
         <mark_cache_size>67108864</mark_cache_size>\n\
         <shutdown_wait_unfinished>2</shutdown_wait_unfinished>\n\
         <query_log><database>system</database><table>query_log</table>\
         <flush_interval_milliseconds>500</flush_interval_milliseconds></query_log>\n\
         {more}</clickhouse>\n"
    )
}

/// `default` belongs to the session of the engine itself, which has no password and comes from
/// inside; everyone else is the application's user, who comes from the network `from`.
pub(crate) fn users(address: &Address, from: &str) -> String {
    let password = hex(&Sha256::digest(address.password.as_bytes()));
    let Address { user, most_clients, .. } = address;
    let limit = "max_concurrent_queries_for_all_users";
    let most = most_clients.map(|most| format!("<{limit}>{most}</{limit}>")).unwrap_or_default();
    let rest = "<profile>default</profile><quota>default</quota>\
                <access_management>1</access_management>";
    format!(
        "<clickhouse>\n<profiles><default><log_queries>1</log_queries>{most}</default></profiles>\n\
         <quotas><default/></quotas>\n<users>\n\
         <default><password/><networks><ip>127.0.0.1</ip></networks>{rest}</default>\n\
         <{user}><password_sha256_hex>{password}</password_sha256_hex>\
         <networks><ip>{from}</ip></networks>{rest}</{user}>\n\
         </users>\n</clickhouse>\n"
    )
}
