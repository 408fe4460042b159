//! From what was found to what is wrong and what to do. Pure: the same findings, the same words.

use super::doors::knocked;
use super::versions;
use crate::said::said;
use crate::survey::{Finding, Skew};
use crate::words::{day, span};
use qa_pool::{Error, ErrorKind, Health, State};
use std::time::Duration;

/// A clock that is off by more than this is worth a word.
const SKEW: Duration = Duration::from_secs(2);
/// A certificate that is good for less than this is, too.
const SOON: Duration = Duration::from_secs(21 * 86_400);

/// One thing to say.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Advice {
    pub(super) weight: Weight,
    pub(super) what: String,
    pub(super) remedy: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// It does not work.
    Wrong,
    /// It works, and will not for ever.
    Mind,
}

pub(super) fn wrong(what: impl Into<String>, remedy: impl Into<String>) -> Advice {
    Advice { weight: Weight::Wrong, what: what.into(), remedy: remedy.into() }
}

fn mind(what: impl Into<String>, remedy: impl Into<String>) -> Advice {
    Advice { weight: Weight::Mind, what: what.into(), remedy: remedy.into() }
}

/// What there is to say of one resource; nothing where it is well.
pub(super) fn diagnose(finding: &Finding, now: Duration) -> Vec<Advice> {
    let mut advice: Vec<_> = finding.probes.iter().filter_map(knocked).collect();
    // One of several hosts that is away is no reason for the whole to be.
    if finding.state == State::Ready {
        for one in &mut advice {
            one.weight = Weight::Mind;
        }
        advice.extend(impaired(finding));
    } else if advice.is_empty() {
        advice.push(not_connected(finding));
    }
    advice.extend(finding.version.as_deref().and_then(|version| too_old(finding.system, version)));
    advice.extend(finding.skew.and_then(skewed));
    advice.extend(finding.expires().and_then(|expires| expiring(expires, now)));
    advice
}

/// The port is open, and there is no connection all the same.
fn not_connected(finding: &Finding) -> Advice {
    let Some(error) = &finding.error else {
        return wrong("it is not connected, and no reason is known", "run this again with -vv");
    };
    let said = said(finding.system, &finding.address, error);
    if finding.speaks_tls {
        return wrong(
            "the server speaks TLS on this port, and the URL does not ask for it",
            format!(
                "{}, and set ca_file under [resource.tls] where its authority is your own",
                with_tls(finding.system)
            ),
        );
    }
    if is_full(error) {
        return wrong(
            format!("the server is full: {said}"),
            "raise its limit of connections, or end clients that hold too many of them",
        );
    }
    if is_incompatible(error) {
        return wrong(format!("the server's version is too old: {said}"), "update the server");
    }
    match error.kind() {
        ErrorKind::Auth => wrong(
            format!("the server refuses the login: {said}"),
            "correct user and password, or give the user its rights; a password with special \
             characters is percent-encoded in a URL, and as it is under the key password",
        ),
        ErrorKind::Timeout => wrong(
            format!(
                "it accepts connections and does not answer: it is frozen or overloaded ({said})"
            ),
            "look at the server's load and log; restart it where it is stuck",
        ),
        ErrorKind::Config => wrong(said, "correct the configuration"),
        _ => wrong(said, "look at the server's log"),
    }
}

/// How to ask for TLS.
fn with_tls(system: &str) -> &'static str {
    match system {
        "mongodb" => "put tls=true into the URL's query",
        "rabbitmq" => "use the scheme amqps",
        "clickhouse" => "use the scheme clickhouses",
        "redis" => "use the scheme rediss",
        _ => "use the scheme with TLS",
    }
}

/// Servers say it in words of their own.
fn is_full(error: &Error) -> bool {
    let said = error.message().to_lowercase();
    let words =
        ["max number of clients", "too many connections", "connection limit", "too many open"];
    error.kind() == ErrorKind::Overloaded || words.iter().any(|words| said.contains(words))
}

fn is_incompatible(error: &Error) -> bool {
    error.message().contains("wire version")
}

/// It is connected, and does not do all that it should.
fn impaired(finding: &Finding) -> Option<Advice> {
    let error = finding.error.as_ref().filter(|_| finding.health == Health::Degraded)?;
    let said = said(finding.system, &finding.address, error);
    let advice = match finding.system {
        "rabbitmq" if said.contains("takes no messages") => wrong(
            format!("an alarm on the broker: {said}"),
            "free memory or disk on the broker (rabbitmq-diagnostics alarms says which); consumers \
             go on meanwhile, and publishes wait",
        ),
        "mongodb" if said.contains("primary") => wrong(
            format!("the set has no primary, so nothing can be written: {said}"),
            "bring a majority of its members back: rs.status() in mongosh says which are away",
        ),
        _ => wrong(said, "look at the server's load and log"),
    };
    Some(advice)
}

fn too_old(system: &str, version: &str) -> Option<Advice> {
    let (oldest, why) = versions::lacks(system, version)?;
    let what = format!("version {version} is too old: {why}");
    Some(wrong(what, format!("update the server to {oldest} or later")))
}

fn skewed(skew: Skew) -> Option<Advice> {
    let way = if skew.ahead { "ahead of" } else { "behind" };
    (skew.by > SKEW).then(|| {
        mind(
            format!("the server's clock is {} {way} ours", span(skew.by)),
            "have both keep time (chrony, ntpd): expiries, tokens and time stamps depend on it",
        )
    })
}

fn expiring(expires: Duration, now: Duration) -> Option<Advice> {
    let left = expires.saturating_sub(now);
    (left < SOON).then(|| {
        mind(
            format!("the certificate is good until {}, for {} more", day(expires), span(left)),
            "renew it on the server",
        )
    })
}

#[cfg(test)]
#[path = "diagnose_tests.rs"]
mod tests;
