//! A server that is a container of a Docker engine.

mod engine;
mod image;
mod recipe;

use std::sync::Arc;
use std::time::Duration;

use testcontainers::core::{CmdWaitFor, ExecCommand};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, GenericImage};
use testcontainers_modules::testcontainers;
use tokio::time::{Instant, sleep};

use self::engine::{LIMIT, on_engine};
use crate::address::Address;
use crate::ready::{self, Alive};
use crate::secret::random_hex;
use crate::speak::Answer;
use crate::watchdog::Watchdog;
use crate::{Error, Options, System, log};

/// What the engine gives a server to end by itself, in seconds.
const GRACE: i32 = 40;

/// Removes the container and its volumes. More than once, for a container that the engine is just
/// making; without the docker command through the engine's interface.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
while read -r _; do :; done
host=${DOCKER_HOST:-unix:///var/run/docker.sock}
for _ in 1 2 3; do
    docker rm -f -v "$1" || case $host in
        unix://*) curl -s -X DELETE --unix-socket "${host#unix://}" "http://engine/containers/$1?force=1&v=1" ;;
        tcp://*) curl -s -X DELETE "http://${host#tcp://}/containers/$1?force=1&v=1" ;;
    esac
    sleep 1
done
"#;

type Inner = Arc<ContainerAsync<GenericImage>>;

/// One container, running or not.
#[derive(Debug)]
pub(crate) struct Container {
    /// `None` once it is being removed.
    inner: Option<Inner>,
    frozen: bool,
    watchdog: Watchdog,
}

impl Container {
    /// Starts a new server and waits until it lets a client log in.
    pub(crate) async fn start(system: System, options: Options) -> Result<(Self, Address), Error> {
        engine::answers().await?;
        let image = image::find(system).await?;
        let address = recipe::address(system, options)?;
        let name = format!("qa-{system}-{}", random_hex(8)?);
        let watchdog = Watchdog::spawn(SCRIPT, &[name.as_ref()])?;
        let request = recipe::request(&image, &name, &address);
        let inner = on_engine(format!("start {image}"), LIMIT, async move {
            request.start().await.map(Arc::new)
        });
        let mut container = Self { inner: Some(inner.await?), frozen: false, watchdog };
        match ready::first_time(&address, system.start_limit(), &mut container).await {
            Ok(()) => Ok((container, address)),
            Err(error) => Err(container.explain(error, &address).await),
        }
    }

    /// Starts it again without waiting for the server.
    pub(crate) async fn start_again(&mut self) -> Result<(), Error> {
        self.thaw().await?;
        let inner = self.inner()?;
        on_engine("start a container again", LIMIT, async move { inner.start().await }).await
    }

    /// Asks the server to end and waits until it has.
    pub(crate) async fn stop(&mut self) -> Result<(), Error> {
        self.thaw().await?;
        let inner = self.inner()?;
        on_engine(
            "stop a container",
            LIMIT,
            async move { inner.stop_with_timeout(Some(GRACE)).await },
        )
        .await
    }

    /// Kills the server with signal 9 and waits until it has ended.
    pub(crate) async fn kill(&mut self) -> Result<(), Error> {
        self.thaw().await?;
        if !self.running().await? {
            return Ok(());
        }
        engine::kill(self.inner()?.id()).await?;
        let deadline = Instant::now() + LIMIT;
        while self.running().await? {
            if Instant::now() >= deadline {
                let what = "kill a container".to_owned();
                return Err(Error::Engine { what, reason: "it survives signal 9".to_owned() });
            }
            sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Pauses every process of the container.
    pub(crate) async fn freeze(&mut self) -> Result<(), Error> {
        if self.frozen {
            return Ok(());
        }
        let inner = self.inner()?;
        // Said before it is done: a caller who gives up midway must be able to thaw.
        self.frozen = true;
        on_engine("pause a container", LIMIT, async move { inner.pause().await }).await
    }

    /// Lets them go on.
    pub(crate) async fn thaw(&mut self) -> Result<(), Error> {
        if !self.frozen {
            return Ok(());
        }
        engine::thaw(self.inner()?.id()).await?;
        self.frozen = false;
        Ok(())
    }

    /// Has the login of `address` from the next start on, where the server has it from a file.
    pub(crate) async fn rewrite_login(&self, address: &Address) -> Result<(), Error> {
        let Some((path, text)) = recipe::login_file(address) else {
            return Ok(());
        };
        // In the environment of a command that ends at once, so that it is on no command line.
        let write = ExecCommand::new(["sh", "-c", r#"printf %s "$TEXT" >"$FILE""#])
            .with_env_vars([("TEXT", text), ("FILE", path.to_owned())]);
        self.run("write a file of a container", write).await
    }

    /// Runs `rabbitmqctl` on the node.
    pub(crate) async fn control(&self, words: &[&str]) -> Answer<()> {
        let command = ["rabbitmqctl"].iter().chain(words).map(|&word| word.to_owned());
        let done = self.run("run rabbitmqctl in a container", ExecCommand::new(command)).await;
        done.map_err(|error| error.chain())
    }

    /// Runs a command in the container and waits until it has succeeded.
    async fn run(&self, what: &'static str, command: ExecCommand) -> Result<(), Error> {
        let inner = self.inner()?;
        let command = command.with_cmd_ready_condition(CmdWaitFor::exit_code(0));
        on_engine(what, LIMIT, async move { inner.exec(command).await.map(drop) }).await
    }

    async fn running(&self) -> Result<bool, Error> {
        let inner = self.inner()?;
        on_engine("look at a container", LIMIT, async move { inner.is_running().await }).await
    }

    fn inner(&self) -> Result<Inner, Error> {
        self.inner.clone().ok_or_else(|| Error::Engine {
            what: "find the container".to_owned(),
            reason: "it is being removed".to_owned(),
        })
    }

    /// Adds the end of the log to an error of the start.
    pub(crate) async fn explain(&self, error: Error, address: &Address) -> Error {
        log::explain(error, &self.log().await, address)
    }

    async fn log(&self) -> Vec<u8> {
        let Ok(inner) = self.inner() else {
            return Vec::new();
        };
        let both = on_engine("read a container's log", LIMIT, async move {
            let mut both = inner.stdout_to_vec().await?;
            both.extend(inner.stderr_to_vec().await?);
            Ok::<_, testcontainers::TestcontainersError>(both)
        });
        both.await.unwrap_or_default()
    }

    /// Removes the container with its volumes and waits for it, without blocking the thread.
    pub(crate) async fn remove(&mut self) {
        let Some(inner) = self.inner.take() else {
            return;
        };
        let done = on_engine("remove a container", LIMIT, async move {
            drop(inner); // the last one removes it
            Ok::<_, testcontainers::TestcontainersError>(())
        });
        if done.await.is_ok() {
            self.watchdog.dismiss();
        }
    }
}

impl Alive for Container {
    async fn ended(&mut self) -> Option<String> {
        match self.running().await {
            Ok(false) => Some("its container ended".to_owned()),
            _ => None,
        }
    }
}

impl Drop for Container {
    /// Removes the container; what fails here the watchdog does.
    fn drop(&mut self) {
        if let Some(inner) = self.inner.take()
            && engine::blocking(Duration::from_secs(20), async move { drop(inner) })
        {
            self.watchdog.dismiss();
        }
    }
}
