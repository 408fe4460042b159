//! A server that is a process of this machine.

pub(crate) mod chdb;
pub(crate) mod mongod;
pub(crate) mod rabbitmq;
mod recipe;
pub(crate) mod redis_server;
#[cfg(feature = "tls")]
pub(crate) mod secure;
mod spawn;
mod tree;

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use tokio::time::{Instant, sleep};

pub(crate) use self::recipe::Recipe;
use self::tree::{MARK, Tree};
use crate::address::Address;
use crate::ready::{self, Alive};
use crate::secret::random_hex;
use crate::speak::Answer;
use crate::watchdog::Watchdog;
use crate::{Error, Options, System, log};

/// How long a graceful stop may take before it is forced. RabbitMQ with its management plugin
/// needs six seconds; ClickHouse, which writes out its tables, has needed over 40 on a busy disk.
const STOP_LIMIT: Duration = Duration::from_secs(120);
/// How often a process is looked at that is about to end.
const POLL: Duration = Duration::from_millis(2);

/// The watchdog's script: waits for the end of its input, then kills what carries the mark and
/// removes the directory. It looks until nothing was found three times in a row: a
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

/// One server, running or not, with its directory.
#[derive(Debug)]
pub(crate) struct Process {
    system: System,
    home: PathBuf,
    recipe: Recipe,
    tree: Tree,
    child: Option<Child>,
    watchdog: Watchdog,
}

impl Process {
    /// Starts a new server and waits until it lets a client log in.
    pub(crate) async fn start(system: System, options: Options) -> Result<(Self, Address), Error> {
        Self::start_from(system, |home| Recipe::prepare(system, home, options)).await
    }

    /// The same from another recipe than that of a server alone: `prepare` chooses the ports and
    /// writes the configuration into the directory that it is given.
    pub(crate) async fn start_from(
        system: System,
        prepare: impl Fn(&Path) -> Result<(Recipe, Address), Error>,
    ) -> Result<(Self, Address), Error> {
        match Self::start_once(system, &prepare).await {
            // Someone took one of the ports between our look and the server's bind.
            Err(Error::Start { log, .. }) if recipe::says_port_is_taken(&log) => {
                Self::start_once(system, &prepare).await
            }
            outcome => outcome,
        }
    }

    async fn start_once(
        system: System,
        prepare: impl Fn(&Path) -> Result<(Recipe, Address), Error>,
    ) -> Result<(Self, Address), Error> {
        let (mut process, address) = Self::launch(system, prepare)?;
        let ready = ready::first_time(&address, system.start_limit(), &mut process).await;
        ready.map_err(|error| process.explain(error, &address))?;
        Ok((process, address))
    }

    /// Starts what need not be logged in to, without waiting for it. Says what `prepare` says
    /// beside the recipe.
    pub(crate) fn launch<T>(
        system: System,
        prepare: impl Fn(&Path) -> Result<(Recipe, T), Error>,
    ) -> Result<(Self, T), Error> {
        let name = format!("qa-{system}-{}", random_hex(8)?);
        let home = std::env::temp_dir().join(name);
        // The watchdog is there before the directory is, so that there is nothing to leave behind.
        let watchdog = Watchdog::spawn(SCRIPT, &[home.as_os_str(), MARK.as_ref()])?;
        recipe::make_home(&home)?;
        let (recipe, prepared) = prepare(&home)?;
        let tree = Tree::new(&home);
        let mut process = Self { system, home, recipe, tree, child: None, watchdog };
        process.spawn()?;
        Ok((process, prepared))
    }

    /// Starts the server again with its directory and its ports, without waiting for it.
    pub(crate) fn spawn(&mut self) -> Result<(), Error> {
        if self.running() {
            return Ok(());
        }
        self.child = Some(spawn::spawn(&self.recipe, &self.home)?);
        Ok(())
    }

    /// Asks the server to end and waits until all of it has. After 40 seconds it is killed.
    pub(crate) async fn stop(&mut self) -> Result<(), Error> {
        self.tree.thaw();
        if self.running() {
            self.tree.terminate(self.recipe.main);
        }
        let deadline = Instant::now() + STOP_LIMIT;
        while self.running() {
            if Instant::now() >= deadline {
                self.kill().await?;
                let reason = format!("it did not end within {STOP_LIMIT:?}, so it was killed");
                return Err(Error::Refused { system: self.system, what: "stop", reason });
            }
            sleep(POLL).await;
        }
        // What outlives the main process by design, such as Erlang's epmd.
        self.kill().await
    }

    /// Kills every process of the server with signal 9 and waits until the kernel has let go of
    /// their ports and files.
    pub(crate) async fn kill(&mut self) -> Result<(), Error> {
        let deadline = Instant::now() + STOP_LIMIT;
        while !self.tree.kill() || self.running() {
            if Instant::now() >= deadline {
                let reason = "its processes survive signal 9".to_owned();
                return Err(Error::Refused { system: self.system, what: "be killed", reason });
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    /// Stops every process of the server where it stands, and waits until none of them runs.
    pub(crate) async fn freeze(&mut self) -> Result<(), Error> {
        let deadline = Instant::now() + STOP_LIMIT;
        while !self.tree.freeze() {
            if Instant::now() >= deadline {
                let reason = "a thread of it goes on".to_owned();
                return Err(Error::Refused { system: self.system, what: "be frozen", reason });
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    /// Lets them go on.
    pub(crate) fn thaw(&mut self) {
        self.tree.thaw();
    }

    /// The server's directory.
    #[allow(dead_code, reason = "a build without TLS has no use for it")]
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// Has the login of `address` from the next start on, where the server has it from a file.
    pub(crate) fn rewrite_login(&self, address: &Address) -> Result<(), Error> {
        recipe::rewrite_login(&self.home, address)
    }

    /// Runs `rabbitmqctl` on the node; dropped, it is killed. The call waits for no lock of ours, so
    /// that the server can be broken meanwhile.
    pub(crate) fn control(&self, words: &[&str]) -> impl Future<Output = Answer<()>> + use<> {
        let command = rabbitmq::control(&self.recipe, words);
        let home = self.home.clone();
        async move {
            let mut command = command.ok_or("rabbitmqctl is not installed")?;
            command.env(MARK, &home).current_dir(&home).stdin(Stdio::null());
            let output = tokio::process::Command::from(command).kill_on_drop(true).output().await;
            let output = output.map_err(|error| format!("rabbitmqctl: {error}"))?;
            if output.status.success() {
                return Ok(());
            }
            let said = String::from_utf8_lossy(&output.stderr);
            Err(said.trim().chars().take(200).collect())
        }
    }

    /// The main process's id while it runs.
    pub(crate) fn pid(&mut self) -> Option<u32> {
        if self.running() { self.child.as_ref().map(Child::id) } else { None }
    }

    /// Whether the main process runs. Takes its exit from the kernel if it does not.
    fn running(&mut self) -> bool {
        let Some(child) = &mut self.child else {
            return false;
        };
        if matches!(child.try_wait(), Ok(None)) {
            return true;
        }
        self.child = None;
        false
    }

    /// Adds the end of the log to an error of the start.
    pub(crate) fn explain(&self, error: Error, address: &Address) -> Error {
        log::explain(error, &self.log(), address)
    }

    fn log(&self) -> Vec<u8> {
        std::fs::read(&self.recipe.log).unwrap_or_default()
    }
}

impl Alive for Process {
    async fn ended(&mut self) -> Option<String> {
        if self.running() { None } else { Some("its process ended".to_owned()) }
    }
}

impl Drop for Process {
    /// Kills the server and removes its directory; what fails here the watchdog does.
    fn drop(&mut self) {
        let deadline = std::time::Instant::now() + Duration::from_secs(5);
        while (!self.tree.kill() || self.running()) && std::time::Instant::now() < deadline {
            std::thread::sleep(POLL);
        }
        let removed = std::fs::remove_dir_all(&self.home);
        if removed.is_ok() && !self.running() {
            self.watchdog.dismiss();
        }
    }
}
