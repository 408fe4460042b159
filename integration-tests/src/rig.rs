//! A pool with one resource of a subject in it, as a user would make it.

use crate::{Reach, Subject};
use qa_pool::core::{Target, Watch};
use qa_pool::{Config, Error, Group, ResourceConfig, ResourcePool, Result, Settings, Status};
use qa_servers::Server;
use std::time::Duration;

/// How long the pool of a rig may take to close.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// A pool with one resource of a subject in it.
#[derive(Debug)]
pub struct Rig<S: Subject> {
    /// The pool.
    pub pool: ResourcePool,
    /// Its only group.
    pub group: Group<S::Backend>,
    /// Who names the server to it, where somebody does.
    guide: Option<Server>,
}

impl<S: Subject> Rig<S> {
    /// A rig that is not connected yet; the resource is called `name`.
    ///
    /// # Panics
    /// Where the URL is not one of the subject's backend.
    #[must_use]
    pub fn new(name: &str, url: &str, settings: Settings) -> Self {
        Self::of_target(Target::parse(name, url).unwrap(), settings)
    }

    /// As [`new`](Self::new), from a URL that was taken apart.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    #[must_use]
    pub fn of_target(target: Target, settings: Settings) -> Self {
        let name = target.name.clone();
        let resource = ResourceConfig { target, settings, required: true, group: None };
        let config = Config {
            resources: vec![resource],
            shutdown_timeout: SHUTDOWN_TIMEOUT,
            ..Config::default()
        };
        let pool = ResourcePool::from_config(&config).unwrap();
        let group = pool.get(&name).unwrap();
        Self { pool, group, guide: None }
    }

    /// As [`new`](Self::new), as a subject's server is reached.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    #[must_use]
    pub fn reaching(reach: Reach, settings: Settings) -> Self {
        Self { guide: reach.guide, ..Self::of_target(reach.target, settings) }
    }

    /// A rig that is connected to this server; the resource is called `name`.
    ///
    /// # Panics
    /// Where it can't be.
    pub async fn connected_to(server: &Server, name: &str, settings: Settings) -> Self {
        let rig = Self::reaching(S::reach(server, None, name).await, settings);
        rig.connect_all().await;
        rig
    }

    /// A rig that is connected.
    ///
    /// # Panics
    /// Where it can't be.
    pub async fn connected(name: &str, url: &str, settings: Settings) -> Self {
        let rig = Self::new(name, url, settings);
        rig.connect_all().await;
        rig
    }

    /// Connects, and waits for all members: the pool's connect is content with the first of a group.
    async fn connect_all(&self) {
        self.pool.connect().await.unwrap();
        for member in self.group.members() {
            member.connect().await.unwrap();
        }
    }

    /// Connects, which must fail; gives why.
    ///
    /// # Panics
    /// Where it does not fail.
    pub async fn refused(&self) -> Error {
        let mut error = self.pool.connect().await.unwrap_err();
        assert_eq!(error.failures.len(), 1, "{error}");
        error.failures.remove(0)
    }

    /// How the resource stands; of several the first, with what they have given and done taken together.
    ///
    /// # Panics
    /// Never: there is one.
    #[must_use]
    pub fn status(&self) -> Status {
        let mut all = self.pool.status();
        let mut first = all.remove(0);
        for other in all {
            first.leases += other.leases;
            first.stats.operations += other.stats.operations;
            first.stats.errors += other.stats.errors;
            first.stats.retries += other.stats.retries;
        }
        first
    }

    /// Follows the state changes of the resource; of several those of the first.
    ///
    /// # Panics
    /// Never: there is one.
    #[must_use]
    pub fn watch(&self) -> Watch<S::Backend> {
        self.group.members().remove(0).watch()
    }

    /// Has the server answer a question that only `number` has this answer to.
    ///
    /// # Errors
    /// The resource's.
    ///
    /// # Panics
    /// Where the answer belongs to another question.
    pub async fn use_it(&self, number: u64) -> Result<()> {
        let answer = S::ask(&self.group, number).await?;
        assert_eq!(answer, number, "an answer to another question");
        Ok(())
    }

    /// Has the server say `number`, which costs it little.
    ///
    /// # Errors
    /// The resource's.
    ///
    /// # Panics
    /// Where the answer belongs to another question.
    pub async fn echo(&self, number: u64) -> Result<()> {
        let answer = S::echo(&self.group, number).await?;
        assert_eq!(answer, number, "an answer to another question");
        Ok(())
    }

    /// Has who names the server go, who has connections to it, too.
    pub async fn dismiss_guide(&mut self) {
        if let Some(guide) = self.guide.take() {
            guide.remove().await;
        }
    }

    /// Closes the pool, which must be clean.
    ///
    /// # Panics
    /// Where anything had to be forced.
    pub async fn close(mut self) {
        let report = self.pool.close(SHUTDOWN_TIMEOUT).await;
        assert!(report.is_clean(), "{report}");
        self.dismiss_guide().await;
    }
}
