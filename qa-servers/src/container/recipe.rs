//! How each server is started in a container: the same for the official image and for ours.
//!
//! The configuration is copied in as files, where the official images look for additions, so that
//! no password stands on a command line or in a container's environment.
//!
//! What the official images do with their commands and files was taken from their entry points;
//! continuous integration runs with the images that are built on the spot, for want of a registry.

use testcontainers::core::IntoContainerPort;
use testcontainers::{ContainerRequest, GenericImage, ImageExt};
use testcontainers_modules::testcontainers;

use super::engine::LIMIT;
use crate::address::Address;
use crate::ports::free_port;
use crate::process::{chdb, mongod, rabbitmq, redis_server};
use crate::{Error, Options, System};

/// The official image's own entry point, which changes the user, after what it does not do: a key
/// file must belong to the user that runs mongod, and be readable by no other.
const MONGO: &str = "cp /etc/qa-key /tmp/key && chmod 400 /tmp/key && \
                     { chown mongodb /tmp/key 2>/dev/null || true; } && \
                     exec docker-entrypoint.sh mongod --bind_ip_all --keyFile /tmp/key \"$@\"";

const REDIS_FILE: &str = "/usr/local/etc/redis/redis.conf";

/// What differs from system to system.
struct Recipe {
    /// Ports inside, and the ports of this machine that lead to them.
    ports: Vec<(u16, u16)>,
    /// Paths inside, and what is written there.
    files: Vec<(&'static str, String)>,
    /// The command; empty for the image's own.
    command: Vec<String>,
    variables: Vec<(&'static str, &'static str)>,
}

/// Chooses the ports of this machine.
pub(super) fn address(system: System, options: Options) -> Result<Address, Error> {
    let management = if system == System::RabbitMq { Some(free_port()?) } else { None };
    Ok(Address::local(system, free_port()?, management)?.with(options))
}

/// The request for a container whose ports are open on loopback only, and fixed, so that a stop
/// and a start keep them.
pub(super) fn request(
    image: &str,
    name: &str,
    address: &Address,
) -> ContainerRequest<GenericImage> {
    let recipe = recipe(address);
    // The tag is what follows the last colon, unless that is the port of a registry.
    let (repository, tag) =
        image.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).unwrap_or((image, "latest"));
    let mut request = GenericImage::new(repository, tag)
        .with_container_name(name)
        .with_hostname("qa") // RabbitMQ keeps its data under its host's name
        .with_startup_timeout(LIMIT)
        .with_cmd(recipe.command);
    for (inside, outside) in recipe.ports {
        request = request.with_mapped_port(outside, inside.tcp());
    }
    for (path, text) in recipe.files {
        request = request.with_copy_to(path, text.into_bytes());
    }
    for (variable, value) in recipe.variables {
        request = request.with_env_var(variable, value);
    }
    request.with_host_config_modifier(|config| {
        let ports = config.port_bindings.iter_mut().flat_map(|ports| ports.values_mut());
        for binding in ports.flatten().flatten() {
            binding.host_ip = Some("127.0.0.1".to_owned());
        }
    })
}

fn recipe(address: &Address) -> Recipe {
    match address.system {
        System::MongoDb => mongodb(address),
        System::RabbitMq => Recipe {
            ports: vec![(5672, address.port), (15672, address.management.unwrap_or_default())],
            files: vec![
                ("/etc/rabbitmq/conf.d/90-qa.conf", rabbitmq::common(address)),
                ("/etc/rabbitmq/enabled_plugins", rabbitmq::PLUGINS.to_owned()),
            ],
            command: Vec::new(),
            variables: vec![("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", rabbitmq::QUIET)],
        },
        System::ClickHouse => Recipe {
            ports: vec![(8123, address.port)],
            files: login_file(address).into_iter().collect(),
            command: Vec::new(),
            variables: Vec::new(),
        },
        System::Redis => Recipe {
            ports: vec![(6379, address.port)],
            files: login_file(address).into_iter().collect(),
            command: vec!["redis-server".to_owned(), REDIS_FILE.to_owned()],
            variables: Vec::new(),
        },
    }
}

/// The file that a server has its login from, where it has it from one: its path and its text.
pub(super) fn login_file(address: &Address) -> Option<(&'static str, String)> {
    match address.system {
        System::ClickHouse => {
            Some(("/etc/clickhouse-server/users.d/qa.xml", chdb::users(address, "::/0")))
        }
        System::Redis => {
            Some((REDIS_FILE, redis_server::configuration("0.0.0.0", 6379, "/data", address)))
        }
        System::MongoDb | System::RabbitMq => None,
    }
}

/// The port is the same inside and outside: a member of a replica set has one name for both.
fn mongodb(address: &Address) -> Recipe {
    let mut command = ["sh", "-c", MONGO, "mongod"].map(str::to_owned).to_vec();
    command.extend(mongod::common(address));
    Recipe {
        ports: vec![(address.port, address.port)],
        files: vec![("/etc/qa-key", address.key.clone())],
        command,
        variables: Vec::new(),
    }
}
