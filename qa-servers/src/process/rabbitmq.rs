//! RabbitMQ: the package manager's server with an epmd, a cookie and directories of its own.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::recipe::{Recipe, make_home, not_installed, write};
use crate::address::Address;
use crate::ports::free_port;
use crate::{Error, Options, System, environment};

/// Starts epmd as a child, not as the daemon that Erlang would leave behind, and then the server
/// in place of the shell. `-start_epmd false` keeps every Erlang of ours from starting another.
const LAUNCH: &str = r#"
epmd -port "$ERL_EPMD_PORT" -address 127.0.0.1 &
until epmd -port "$ERL_EPMD_PORT" -names >/dev/null 2>&1; do
    kill -0 $! || { echo "epmd ended: address already in use?"; exit 1; }
    sleep 0.01
done
exec "$1"
"#;

/// The same in a cluster, whose epmd is nobody's child: it must outlive every node.
const LAUNCH_MEMBER: &str = r#"
until epmd -port "$ERL_EPMD_PORT" -names >/dev/null 2>&1; do sleep 0.01; done
exec "$1"
"#;

/// One scheduler that never spins: an idle server costs next to nothing, and two cores suffice.
pub(crate) const QUIET: &str = "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none";

/// The broker's limit of memory, above which it raises its alarm.
pub(crate) const WATERMARK: &str = "1GB";

/// Keeps the port between nodes on loopback.
const LOOPBACK: &str = "-kernel inet_dist_use_interface {127,0,0,1}";

/// For virtual hosts on demand: ten times as quick as `rabbitmqctl`.
pub(crate) const PLUGINS: &str = "[rabbitmq_management].";

pub(super) fn prepare(home: &Path, options: Options) -> Result<(Recipe, Address), Error> {
    let address = Address::local(System::RabbitMq, free_port()?, Some(free_port()?))?.with(options);
    let name = format!("qa{}@localhost", address.port);
    let variables = variables(home, address.port, free_port()?, &name)?;
    recipe(home, LAUNCH, address, variables, "")
}

/// What the nodes of a cluster have in common.
pub(crate) struct Plan {
    /// The login and the cookie.
    pub(crate) like: Address,
    /// The port of the cluster's epmd.
    pub(crate) epmd: u16,
    /// The names of all nodes.
    pub(crate) names: Vec<String>,
}

/// The node of a cluster that has this name.
pub(crate) fn member(home: &Path, plan: &Plan, name: &str) -> Result<(Recipe, Address), Error> {
    let mut address = plan.like.member(free_port()?);
    address.management = Some(free_port()?);
    let discovery = "cluster_formation.peer_discovery_backend = classic_config\n\
                     cluster_partition_handling = pause_minority\n\
                     collect_statistics_interval = 500\n";
    let known =
        plan.names.iter().enumerate().map(|(at, name)| {
            format!("cluster_formation.classic_config.nodes.{} = {name}\n", at + 1)
        });
    let settings: String = known.chain([discovery.to_owned()]).collect();
    let variables = variables(home, address.port, plan.epmd, name)?;
    recipe(home, LAUNCH_MEMBER, address, variables, &settings)
}

/// The epmd by which the nodes of a cluster find each other.
pub(crate) fn epmd(home: &Path, port: u16) -> Result<Recipe, Error> {
    let program = environment::program(&["epmd"], &["/usr/bin"])
        .ok_or_else(|| not_installed(System::RabbitMq, "epmd"))?;
    let words = ["-port", &port.to_string(), "-address", "127.0.0.1"].map(OsString::from);
    let log = home.join("server.log");
    Ok(Recipe { program, arguments: words.into(), variables: Vec::new(), main: "epmd", log })
}

fn recipe(
    home: &Path,
    launch: &str,
    address: Address,
    variables: Vec<(&'static str, OsString)>,
    settings: &str,
) -> Result<(Recipe, Address), Error> {
    let server = find_server().ok_or_else(|| not_installed(System::RabbitMq, "rabbitmq-server"))?;
    write(&home.join("rabbitmq.conf"), &(configuration(&address) + settings))?;
    write(&home.join("enabled_plugins"), PLUGINS)?;
    make_home(&home.join("user"))?;
    write(&home.join("user/.erlang.cookie"), &address.key)?;
    let recipe = Recipe {
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), launch.into(), "rabbitmq".into(), server.into()],
        variables,
        main: "beam.smp",
        log: home.join("server.log"),
    };
    Ok((recipe, address))
}

/// The upstream script: Debian's wrapper on the `PATH` changes the user and moves the logs.
fn find_server() -> Option<PathBuf> {
    let own = environment::variable("RABBITMQ_HOME").map(|home| Path::new(&home).join("sbin"));
    own.into_iter()
        .chain(["/usr/lib/rabbitmq/bin".into(), "/opt/rabbitmq/sbin".into()])
        .map(|dir: PathBuf| dir.join("rabbitmq-server"))
        .find(|file| file.is_file())
}

/// The command that talks to a running node, with the node's own environment.
pub(super) fn control(recipe: &Recipe, words: &[&str]) -> Option<Command> {
    let mut command = Command::new(find_server()?.with_file_name("rabbitmqctl"));
    command
        .arg("--quiet")
        .args(words)
        .envs(recipe.variables.iter().map(|(name, value)| (name, value)));
    Some(command)
}

fn configuration(address: &Address) -> String {
    let Address { port, management, .. } = address;
    let management = management.unwrap_or_default();
    format!(
        "listeners.tcp.1 = 127.0.0.1:{port}\n\
         management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {management}\n{}",
        common(address)
    )
}

/// What a process and a container have in common. The numbers of the memory and disk alarms are
/// absolute, so that a small machine raises none.
pub(crate) fn common(address: &Address) -> String {
    let Address { user, password, .. } = address;
    format!(
        "default_user = {user}\ndefault_pass = {password}\n\
         default_permissions.configure = .*\ndefault_permissions.read = .*\n\
         default_permissions.write = .*\ndefault_user_tags.administrator = true\n\
         vm_memory_high_watermark.absolute = {WATERMARK}\n\
         disk_free_limit.absolute = 50MB\nlog.console = true\nlog.file = false\n"
    )
}

fn variables(
    home: &Path,
    port: u16,
    epmd: u16,
    name: &str,
) -> Result<Vec<(&'static str, OsString)>, Error> {
    let dir = |name: &str| home.join(name).into_os_string();
    let number = |port: u16| OsString::from(port.to_string());
    Ok(vec![
        ("HOME", dir("user")),
        ("ERL_EPMD_PORT", number(epmd)),
        ("ERL_EPMD_ADDRESS", "127.0.0.1".into()),
        ("ERL_ZFLAGS", "-start_epmd false".into()),
        ("RABBITMQ_NODENAME", name.into()),
        ("RABBITMQ_NODE_PORT", number(port)),
        ("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1".into()),
        ("RABBITMQ_DIST_PORT", number(free_port()?)),
        ("RABBITMQ_CONF_ENV_FILE", "/dev/null".into()),
        ("RABBITMQ_CONFIG_FILE", dir("rabbitmq")),
        ("RABBITMQ_ADVANCED_CONFIG_FILE", dir("advanced")),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", dir("enabled_plugins")),
        ("RABBITMQ_MNESIA_BASE", dir("mnesia")),
        ("RABBITMQ_LOG_BASE", dir("log")),
        ("RABBITMQ_GENERATED_CONFIG_DIR", dir("generated")),
        ("RABBITMQ_PID_FILE", dir("pid")),
        ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", format!("{QUIET} {LOOPBACK}").into()),
    ])
}
