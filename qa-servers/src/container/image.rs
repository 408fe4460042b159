//! Which image a server runs from: the official one, or one that is built on the spot.
//!
//! Where the engine reaches no registry, an image is built once from the servers that are
//! installed on this machine, and answers to the same commands and files as the official one.

use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::time::Duration;

use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use testcontainers_modules::testcontainers::bollard::query_parameters::CreateImageOptionsBuilder;

use super::engine::{Failure, LIMIT, boxed, docker, on_engine};
use crate::environment::{servers_dir, variable};
use crate::process::chdb::LAUNCHER;
use crate::secret::hex;
use crate::{Error, System};

/// Builds an image from local files; see there.
const BUILD: &str = include_str!("build-image.sh");
/// How long a pull may make no progress.
const IDLE: Duration = Duration::from_secs(30);
/// How long a pull may take in all.
const PULL: Duration = Duration::from_secs(15 * 60);

/// The variable that names another image, and the image that is used without it.
fn official(system: System) -> (&'static str, &'static str) {
    match system {
        System::MongoDb => ("QA_TEST_MONGO_IMAGE", "mongo:8"),
        System::RabbitMq => ("QA_TEST_RABBITMQ_IMAGE", "rabbitmq:4-management"),
        System::ClickHouse => ("QA_TEST_CLICKHOUSE_IMAGE", "clickhouse/clickhouse-server:25.8"),
        System::Redis => ("QA_TEST_REDIS_IMAGE", "redis:8"),
    }
}

/// The name of the image that is built here: another one when its recipe changes.
fn local(system: System) -> String {
    let digest = Sha256::new().chain_update(BUILD).chain_update(LAUNCHER).finalize();
    format!("qa-resource/{system}:local-{}", hex(&digest[..4]))
}

/// Returns the name of an image that the engine has, pulled or built now if need be.
pub(super) async fn find(system: System) -> Result<String, Error> {
    let (name, default) = official(system);
    if let Some(image) = variable(name) {
        if !is_there(&image).await? {
            pull(&image).await?;
        }
        return Ok(image);
    }
    let built = local(system);
    for image in [default, &built] {
        if is_there(image).await? {
            return Ok(image.to_owned());
        }
    }
    let Err(reason) = pull(default).await else {
        return Ok(default.to_owned());
    };
    let image = built.clone();
    tokio::task::spawn_blocking(move || build_alone(system, &image, &reason.chain()))
        .await
        .map_err(|error| build_error(system, error.to_string()))??;
    Ok(built)
}

async fn is_there(image: &str) -> Result<bool, Error> {
    let image = image.to_owned();
    on_engine("look for an image", LIMIT, async move {
        Ok::<_, Failure>(docker().await?.inspect_image(&image).await.is_ok())
    })
    .await
}

/// Pulls an image, as long as there is progress.
async fn pull(image: &str) -> Result<(), Error> {
    let options = CreateImageOptionsBuilder::new().from_image(image).build();
    on_engine(format!("pull {image}"), PULL, async move {
        let docker = docker().await?;
        let mut steps = docker.create_image(Some(options), None, None);
        while let Some(step) = tokio::time::timeout(IDLE, steps.next()).await.map_err(boxed)? {
            step.map_err(boxed)?;
        }
        Ok::<_, Failure>(())
    })
    .await
}

/// Builds the image unless another program of ours has just done it.
fn build_alone(system: System, image: &str, reason: &str) -> Result<(), Error> {
    let dir = servers_dir();
    let lock = dir.join("images.lock");
    let _held = fs::create_dir_all(&dir)
        .and_then(|()| File::create(&lock))
        .and_then(|file| file.lock().map(|()| file))
        .map_err(Error::io(format!("lock {}", lock.display())))?;
    if has_image(image) {
        return Ok(());
    }
    eprintln!("qa-servers: building {image} from this machine's {system}, because {reason}");
    build(system, image)
}

fn has_image(image: &str) -> bool {
    Command::new("docker")
        .args(["image", "inspect", image])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn build(system: System, image: &str) -> Result<(), Error> {
    let output = Command::new("bash")
        .args(["-c", BUILD, "build-image", system.name(), image])
        .env("SERVERS", servers_dir())
        .env("LAUNCHER", LAUNCHER)
        .stdin(Stdio::null())
        .output()
        .map_err(Error::io("start bash"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(build_error(system, String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

fn build_error(system: System, reason: String) -> Error {
    Error::Engine { what: format!("build an image of {system}"), reason }
}
