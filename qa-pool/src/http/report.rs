//! How everything stands: what `/status` gives as JSON, and what the page is made of.

use super::history::{History, INTERVAL, Sample, Track};
use super::readiness::is_ready;
use crate::GroupStatus;
use humantime::format_rfc3339_seconds;
use qa_resource_core::{Health, Stats, Status};
use serde::Serialize;
use std::time::{Duration, SystemTime};

/// The body of `/status`. Times of day are for people; what is measured is in seconds.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) at: String,
    pub(crate) ready: bool,
    pub(crate) closing: bool,
    pub(crate) resources: Vec<Group>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) system: &'static str,
    pub(crate) required: bool,
    pub(crate) ready: bool,
    pub(crate) state: &'static str,
    pub(crate) members: Vec<Member>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) state: &'static str,
    /// Where it is one of several.
    pub(crate) standing: Option<Standing>,
    pub(crate) since: String,
    pub(crate) in_state_seconds: f64,
    pub(crate) health: &'static str,
    pub(crate) health_age_seconds: f64,
    /// Why it is not up.
    pub(crate) why: Option<String>,
    pub(crate) latency_seconds: Option<f64>,
    /// Connect attempts that failed since the state was entered.
    pub(crate) attempts: u32,
    pub(crate) connections: u64,
    pub(crate) leases: usize,
    pub(crate) operations_per_second: f64,
    pub(crate) errors_per_second: f64,
    pub(crate) counts: Counts,
    pub(crate) outages: Vec<Outage>,
    pub(crate) last_errors: Vec<Fault>,
    pub(crate) history: Samples,
}

/// How a member stands in its group.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Standing {
    pub(crate) weight: u32,
    /// The one of a failover group that leases are given of.
    pub(crate) active: bool,
    /// Too many operations on it failed.
    pub(crate) left_out: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct Counts {
    pub(crate) connects: u64,
    pub(crate) connect_failures: u64,
    pub(crate) disconnects: u64,
    pub(crate) operations: u64,
    pub(crate) errors: u64,
    pub(crate) retries: u64,
    pub(crate) leaks: u64,
}

/// One that is over.
#[derive(Debug, Serialize)]
pub(crate) struct Outage {
    pub(crate) until: String,
    pub(crate) lasted_seconds: f64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Fault {
    pub(crate) at: String,
    pub(crate) error: String,
}

/// The looks of the last minutes, the latest last.
#[derive(Debug, Serialize)]
pub(crate) struct Samples {
    pub(crate) interval_seconds: u64,
    pub(crate) health: Vec<&'static str>,
    pub(crate) operations_per_second: Vec<f64>,
}

impl Report {
    pub(crate) fn of(groups: Vec<GroupStatus>, closing: bool, history: &History) -> Self {
        let now = SystemTime::now();
        let resources: Vec<_> =
            groups.into_iter().map(|status| group(status, history, now)).collect();
        let ready = !closing && resources.iter().all(|group| group.ready || !group.required);
        Self { at: format_rfc3339_seconds(now).to_string(), ready, closing, resources }
    }
}

fn group(status: GroupStatus, history: &History, now: SystemTime) -> Group {
    Group {
        ready: is_ready(&status),
        state: status.state.as_str(),
        members: status
            .members
            .iter()
            .map(|one| member(one, &status, history.of(one), now))
            .collect(),
        name: status.name,
        system: status.system,
        required: status.required,
    }
}

fn member(status: &Status, group: &GroupStatus, track: Option<&Track>, now: SystemTime) -> Member {
    let reading = &status.health;
    let last = track.and_then(|track| track.samples.back().copied());
    Member {
        name: status.name.to_string(),
        address: status.address.clone(),
        state: status.state.as_str(),
        standing: standing(status, group),
        since: before(now, status.in_state),
        in_state_seconds: seconds(status.in_state),
        health: reading.health.as_str(),
        health_age_seconds: seconds(reading.age()),
        why: reading.error.as_ref().map(|error| error.message().to_owned()),
        latency_seconds: reading.latency.map(|latency| latency.as_secs_f64()),
        attempts: status.attempts,
        connections: status.generation,
        leases: status.leases,
        operations_per_second: last.map_or(0.0, |sample| rounded(sample.operations)),
        errors_per_second: last.map_or(0.0, |sample| rounded(sample.errors)),
        counts: counts(status.stats),
        outages: track.map(|track| outages(track, now)).unwrap_or_default(),
        last_errors: track.map(|track| faults(track, now)).unwrap_or_default(),
        history: samples(track.into_iter().flat_map(|track| &track.samples)),
    }
}

fn standing(status: &Status, group: &GroupStatus) -> Option<Standing> {
    let known = group.standing.iter().find(|one| one.name == status.name)?;
    Some(Standing { weight: known.weight, active: known.active, left_out: known.ejected })
}

fn counts(counted: Stats) -> Counts {
    Counts {
        connects: counted.connects,
        connect_failures: counted.connect_failures,
        disconnects: counted.disconnects,
        operations: counted.operations,
        errors: counted.errors,
        retries: counted.retries,
        leaks: counted.leaks,
    }
}

fn outages(track: &Track, now: SystemTime) -> Vec<Outage> {
    let outages = track.outages.iter().map(|(over, lasted)| Outage {
        until: before(now, over.elapsed()),
        lasted_seconds: seconds(*lasted),
    });
    outages.collect()
}

fn faults(track: &Track, now: SystemTime) -> Vec<Fault> {
    let faults = track
        .errors
        .iter()
        .map(|(at, error)| Fault { at: before(now, at.elapsed()), error: error.clone() });
    faults.collect()
}

fn samples<'a>(samples: impl Iterator<Item = &'a Sample> + Clone) -> Samples {
    Samples {
        interval_seconds: INTERVAL.as_secs(),
        health: samples.clone().map(|sample| Health::as_str(sample.health)).collect(),
        operations_per_second: samples.map(|sample| rounded(sample.operations)).collect(),
    }
}

/// The time of day that was so long ago.
fn before(now: SystemTime, ago: Duration) -> String {
    format_rfc3339_seconds(now.checked_sub(ago).unwrap_or(now)).to_string()
}

/// With as many digits as anybody reads.
fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

fn rounded(rate: f64) -> f64 {
    (rate * 100.0).round() / 100.0
}
