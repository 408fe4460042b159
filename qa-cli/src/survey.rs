//! A look at everything that is configured: connected once, all at once, and asked who it is.

use crate::alarm;
use crate::probe::{Found, Probe, probe, speaks_tls};
use crate::source::pool;
use crate::words::now;
use futures_util::future::join_all;
use qa_pool::core::Target;
use qa_pool::{
    About, Config, Error, GroupStatus, Health, ResourceConfig, ResourcePool, State, Status,
};
use std::time::Duration;

/// How long the goodbyes at the end may take.
const GOODBYE: Duration = Duration::from_secs(3);

/// What was found out about one resource.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) name: String,
    pub(crate) system: &'static str,
    pub(crate) address: String,
    pub(crate) required: bool,
    pub(crate) state: State,
    pub(crate) health: Health,
    pub(crate) latency: Option<Duration>,
    /// Why it is not ready, or not up.
    pub(crate) error: Option<Error>,
    pub(crate) version: Option<String>,
    pub(crate) skew: Option<Skew>,
    /// What its hosts say when they are knocked at.
    pub(crate) probes: Vec<Probe>,
    /// It speaks TLS, and its URL does not ask for it.
    pub(crate) speaks_tls: bool,
}

/// How far a server's clock is from ours; what the question took is in its favour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Skew {
    pub(crate) ahead: bool,
    pub(crate) by: Duration,
}

impl Finding {
    pub(crate) fn is_up(&self) -> bool {
        self.state == State::Ready && self.health == Health::Up
    }

    /// In one word.
    pub(crate) fn word(&self) -> &'static str {
        match (self.state, self.health) {
            (State::Ready, Health::Degraded) => "degraded",
            (State::Ready, _) => "ready",
            _ => "down",
        }
    }

    /// When the first of its certificates is no longer good.
    pub(crate) fn expires(&self) -> Option<Duration> {
        let certificates = self.probes.iter().filter_map(|probe| match &probe.found {
            Found::Secure(certificate) => *certificate,
            _ => None,
        });
        certificates.map(|certificate| certificate.expires).min()
    }
}

/// Looks at everything once; nothing is tried twice. The pool is closed at the end.
pub(crate) async fn survey(mut config: Config) -> anyhow::Result<Vec<Finding>> {
    for resource in &mut config.resources {
        resource.settings.connect_attempts = 1;
    }
    let pool = pool(&config)?;
    let targets: Vec<_> = config.resources.iter().map(whole).collect();
    let probes = join_all(targets.iter().map(probe));
    // What can't be connected is in the status.
    let (_, probes) = tokio::join!(pool.connect(), probes);
    let known = targets.iter().zip(probes).collect();
    let findings = ask(&pool, known).await;
    pool.close(GOODBYE).await;
    Ok(findings)
}

/// A resource's target with the hosts of all its servers, those of its table `group` included.
fn whole(resource: &ResourceConfig) -> Target {
    let endpoint = &resource.target.endpoint;
    let others = resource.group.iter().flat_map(|group| &group.members);
    let hosts = endpoint.hosts().iter().chain(others.map(|member| &member.host));
    let endpoint = endpoint.clone().with_hosts(hosts.cloned().collect());
    Target { endpoint, ..resource.target.clone() }
}

async fn ask(pool: &ResourcePool, mut known: Vec<(&Target, Vec<Probe>)>) -> Vec<Finding> {
    let groups = pool.groups();
    join_all(groups.iter().map(|group| alarm::provoke(pool, &group.name))).await;
    pool.health().await;
    let before = now();
    let abouts = pool.about().await;
    let after = now();
    let mut abouts = abouts.into_iter();
    let mut findings = Vec::new();
    for group in pool.groups() {
        let at = known.iter().position(|(target, _)| *target.name == *group.name);
        let (target, mut probes) = at.map_or((None, Vec::new()), |at| {
            let (target, probes) = known.swap_remove(at);
            (Some(target), probes)
        });
        for status in &group.members {
            let about = abouts.next().and_then(Result::ok).unwrap_or_default();
            let mut finding = finding(&group, status, about, (before, after));
            finding.probes = of_member(&mut probes, status, group.members.len() == 1);
            finding.speaks_tls = match (target, worth_asking(&finding)) {
                (Some(target), Some(at)) => speaks_tls(target, at).await,
                _ => false,
            };
            findings.push(finding);
        }
    }
    findings
}

/// Takes what the hosts of a member said: all of them where it is the only one.
fn of_member(probes: &mut Vec<Probe>, status: &Status, alone: bool) -> Vec<Probe> {
    if alone {
        return std::mem::take(probes);
    }
    let servers = status.address.split('/').next().unwrap_or_default();
    let its = |probe: &mut Probe| servers.split(',').any(|server| server == probe.at);
    probes.extract_if(.., its).collect()
}

/// Where the port is open, and something is wrong behind it.
fn worth_asking(finding: &Finding) -> Option<&str> {
    let open = finding.probes.iter().find(|probe| matches!(probe.found, Found::Open));
    open.filter(|_| finding.state != State::Ready).map(|probe| &*probe.at)
}

fn finding(
    group: &GroupStatus,
    status: &Status,
    about: About,
    asked: (Duration, Duration),
) -> Finding {
    let ready = status.state == State::Ready;
    let error = if ready { &status.health.error } else { &status.last_error };
    Finding {
        name: status.name.to_string(),
        system: status.system,
        address: status.address.clone(),
        required: group.required,
        state: status.state,
        health: status.health.health,
        latency: status.health.latency,
        error: error.clone(),
        version: about.version,
        skew: about.clock.map(|clock| skew(clock, asked)),
        probes: Vec::new(),
        speaks_tls: false,
    }
}

/// How far `clock` is from the time between the question and the answer.
fn skew(clock: Duration, (before, after): (Duration, Duration)) -> Skew {
    match clock.checked_sub(after) {
        Some(by) if !by.is_zero() => Skew { ahead: true, by },
        _ => Skew { ahead: false, by: before.saturating_sub(clock) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_wrong_by_what_the_question_can_t_explain() {
        let at = Duration::from_secs;
        for (clock, ahead, by) in
            [(100, false, 0), (103, false, 0), (110, true, 5), (90, false, 10)]
        {
            assert_eq!(skew(at(clock), (at(100), at(105))), Skew { ahead, by: at(by) }, "{clock}");
        }
    }
}
