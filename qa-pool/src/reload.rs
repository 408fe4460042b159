//! Another configuration for a pool that runs, and secrets that are mounted anew.

use crate::backends::{self, Regrouping};
use crate::login::{LiveLogin, source_of};
use crate::{Changes, Config, Effect, ResourceConfig, ResourcePool};
use futures_util::future::join_all;
use qa_resource_core::{Login, Secret, Target, TlsSettings};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use tokio::time::timeout;

/// What a pool was made from, with what was taken of others since.
#[derive(Default)]
pub(crate) struct Loaded {
    config: Config,
    logins: BTreeMap<String, Arc<LiveLogin>>,
    /// What the files of `tls` were, by resource.
    certificates: BTreeMap<String, u64>,
}

impl Loaded {
    /// A resource's target, as its backend is to be made from it: with a login that can be changed.
    pub(crate) fn adopt(&mut self, resource: &ResourceConfig) -> Target {
        let (target, name) = (resource.target.clone(), resource.target.name.to_string());
        if let Some(print) = fingerprint(&target.tls) {
            self.certificates.insert(name.clone(), print);
        }
        let Some(source) = source_of(resource) else { return target };
        let login = Arc::new(LiveLogin::new(source));
        self.logins.insert(name, Arc::clone(&login));
        target.with_credentials(login)
    }

    /// A resource's target as [`adopt`](Self::adopt) gave it, for what is made later.
    fn target(&self, resource: &ResourceConfig) -> Target {
        let target = resource.target.clone();
        match self.logins.get(&*target.name) {
            Some(login) => target.with_credentials(Arc::<LiveLogin>::clone(login)),
            None => target,
        }
    }

    /// All of it is adopted.
    pub(crate) fn adopted(&mut self, config: &Config) {
        self.config = config.clone();
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    fn resource_mut(&mut self, name: &str) -> Option<&mut ResourceConfig> {
        let mut resources = self.config.resources.iter_mut();
        resources.find(|resource| &*resource.target.name == name)
    }

    /// Takes of a resource what can change while it runs.
    fn take(&mut self, new: &ResourceConfig, changes: &Changes) {
        let name = &*new.target.name;
        let keeps_login = changes.restarts_login(name);
        if let (Some(login), Some(source), false) =
            (self.logins.get(name), source_of(new), keeps_login)
        {
            login.set(source);
        }
        let Some(old) = self.resource_mut(name) else { return };
        old.settings = new.settings.clone();
        old.required = new.required;
        if !changes.restarts_group(name) {
            old.group.clone_from(&new.group);
        }
        if !keeps_login {
            let (user, password) = login_of(&new.target);
            old.target.endpoint = old.target.endpoint.clone().with_credentials(user, password);
            old.target.credentials.clone_from(&new.target.credentials);
        }
    }
}

fn login_of(target: &Target) -> (Option<Secret>, Option<Secret>) {
    (target.endpoint.user().cloned(), target.endpoint.password().cloned())
}

/// What the secrets of a resource are at one moment; `None` where they can't be had or are not asked
/// for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    login: Option<Login>,
    certificates: Option<u64>,
}

impl ResourcePool {
    /// Takes of another configuration what can change while the pool runs, and says what changed and
    /// how each change takes effect ([`Config::changes`]): settings and a group's weights at once; members
    /// of a group that are new are connected, and those that are gone are closed once their leases are
    /// back, at most an `operation_timeout` later; a login, `max_in_flight` and certificates with a fresh
    /// connection, while what is under way finishes on the old one; everything else stays as it was until
    /// the process is started again.
    ///
    /// Resources that were added in code are none of a configuration, and stay as they are.
    /// [`run_from`](crate::run_from) calls this on SIGHUP.
    ///
    /// ```
    /// # use qa_pool::{Config, ResourcePool};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let pool = ResourcePool::from_config(&Config::from_toml("")?)?;
    /// let changes = pool.reload(&Config::from_toml("shutdown_timeout = '5s'")?).await;
    /// assert_eq!(changes.to_string(), "shutdown_timeout is in force now");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    /// What was taken until then is taken.
    pub async fn reload(&self, config: &Config) -> Changes {
        let mut changes = self.take(config);
        changes.extend(self.refresh().await);
        changes
    }

    fn take(&self, config: &Config) -> Changes {
        let mut loaded = self.loaded();
        let changes = loaded.config().changes(config);
        loaded.config.shutdown_timeout = config.shutdown_timeout;
        for new in &config.resources {
            let name = &*new.target.name;
            let before = loaded.config().resource(name).cloned();
            let (Some(before), Some(group)) = (before, self.managed(name)) else { continue };
            loaded.take(new, &changes);
            if let Some(now) =
                loaded.config().resource(name).filter(|now| now.group != before.group)
            {
                let (target, tasks) = (loaded.target(now), self.tasks());
                let change = Regrouping { before: &before, after: now, target: &target, tasks };
                if let Err(error) = backends::regroup(&*group, &change) {
                    tracing::error!(%error, "the members of a group stay as they were");
                }
            }
            self.set_required(name, new.required);
            if before.settings != new.settings {
                group.set_settings(&new.settings);
            }
            if changes.has(name, Effect::Reconnect) {
                group.reconnect();
            }
        }
        changes
    }

    /// Asks for every login and reads every certificate, and has a resource make a fresh connection
    /// where they are others than when that was done last. What can't be had stays as it is: the
    /// connection that is there is good. Says what changed.
    ///
    /// # Cancel safety
    /// Nothing is lost where this is dropped.
    pub async fn refresh(&self) -> Changes {
        let seen = self.secrets().await;
        self.take_secrets(seen)
    }

    /// The secrets as they are at this moment, by resource.
    pub(crate) async fn secrets(&self) -> BTreeMap<String, Seen> {
        let resources = self.loaded().config().resources.clone();
        let all = resources.into_iter().map(|resource| async move {
            let ResourceConfig { target, settings, .. } = resource;
            let login = match &target.credentials {
                Some(credentials) => {
                    let login = timeout(settings.connect_timeout, credentials.login()).await;
                    login.ok().and_then(Result::ok)
                }
                None => None,
            };
            let tls = target.tls;
            let print = tokio::task::spawn_blocking(move || fingerprint(&tls));
            // A file system that hangs is waited for no longer than a connect would.
            let certificates = timeout(settings.connect_timeout, print).await;
            let certificates = certificates.ok().and_then(Result::ok).flatten();
            (target.name.to_string(), Seen { login, certificates })
        });
        join_all(all).await.into_iter().collect()
    }

    pub(crate) fn take_secrets(&self, seen: BTreeMap<String, Seen>) -> Changes {
        let (mut loaded, mut changes) = (self.loaded(), Changes::default());
        for (name, Seen { login, certificates }) in seen {
            if let (Some(login), Some(old)) = (login, loaded.resource_mut(&name)) {
                let said = |text: Secret| Some(text).filter(|text| !text.is_empty());
                let login = (said(login.user), said(login.password));
                if login != login_of(&old.target) {
                    let endpoint = old.target.endpoint.clone();
                    old.target.endpoint = endpoint.with_credentials(login.0, login.1);
                    changes.note(Some(&name), "login", Effect::Reconnect);
                }
            }
            if let Some(print) = certificates {
                let before = loaded.certificates.insert(name.clone(), print);
                if before != Some(print) {
                    changes.note(Some(&name), "tls", Effect::Reconnect);
                }
            }
            if let (true, Some(group)) =
                (changes.has(&name, Effect::Reconnect), self.managed(&name))
            {
                group.reconnect();
            }
        }
        changes
    }
}

/// What tells one content of the files from another; `None` where there are none, or one can't be
/// read. It is kept in memory and shown nowhere.
fn fingerprint(tls: &TlsSettings) -> Option<u64> {
    let files = [&tls.ca_file, &tls.certificate_file, &tls.key_file];
    let mut hasher = DefaultHasher::new();
    let mut any = false;
    for file in files.into_iter().flatten() {
        std::fs::read(file).ok()?.hash(&mut hasher);
        any = true;
    }
    any.then(|| hasher.finish())
}
