//! From what was found to what is wrong and what to do. Pure: the same findings, the same words.

use super::versions;
use crate::probe::{Found, Insecure, Probe};
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

fn wrong(what: impl Into<String>, remedy: impl Into<String>) -> Advice {
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

fn knocked(probe: &Probe) -> Option<Advice> {
    let at = &probe.at;
    let advice = match &probe.found {
        Found::Open | Found::Secure(_) => return None,
        Found::Unknown(why) => wrong(
            format!("the host of {at} is unknown: {why}"),
            "correct the name, or look whether this machine's DNS works: getent hosts NAME",
        ),
        Found::Refused => wrong(
            format!("the connection to {at} is refused: nothing listens there"),
            "start the server, or correct host and port; a firewall may refuse, too",
        ),
        Found::Unreachable(why) => wrong(
            format!("{at} can't be reached: {why}"),
            "look at the network between here and there: routes, firewalls, VPN",
        ),
        Found::NoAnswer => wrong(
            format!("{at} does not answer a dial"),
            "look whether the machine is up; a firewall that drops looks the same",
        ),
        Found::Insecure(why) => insecure(at, why),
    };
    Some(advice)
}

fn insecure(at: &str, why: &Insecure) -> Advice {
    match why {
        Insecure::WrongName(names) if names.is_empty() => wrong(
            format!("the certificate of {at} is for another name"),
            "put a name into the URL that the certificate has, or have one issued for this name",
        ),
        Insecure::WrongName(names) => wrong(
            format!("the certificate of {at} is for another name: {}", names.join(", ")),
            "put one of these names into the URL, or have a certificate issued for this name",
        ),
        Insecure::UnknownAuthority => wrong(
            format!("the certificate of {at} is signed by an authority that is not trusted here"),
            "set ca_file under [resource.tls] to the PEM file of the authority that signed it",
        ),
        Insecure::Expired => {
            wrong(format!("the certificate of {at} has expired"), "renew it on the server")
        }
        Insecure::NotYet => wrong(
            format!("the certificate of {at} is not good yet"),
            "look at the clocks of this machine and of the one that issued it",
        ),
        Insecure::NotSpoken => wrong(
            format!("{at} does not speak TLS, and the URL asks for it"),
            "use the server's TLS port, or the scheme without TLS where the network is trusted",
        ),
        Insecure::WantsOurs => wrong(
            format!("{at} wants a certificate of ours, and none is configured"),
            "set certificate_file and key_file under [resource.tls]",
        ),
        Insecure::RefusesOurs => wrong(
            format!("{at} refuses the certificate that we show"),
            "have one issued by an authority that the server trusts, and look whether it has \
             expired: openssl x509 -noout -dates -issuer -in FILE",
        ),
        Insecure::Silent => wrong(
            format!(
                "{at} accepts connections and answers nothing, with TLS or without: it is frozen \
                 or overloaded, or does not speak TLS on this port"
            ),
            "look at the server's load and log, and at which port it speaks TLS on; restart it \
             where it is stuck",
        ),
        Insecure::HungUp(why) => wrong(
            format!("{at} hangs up on a TLS handshake: {why}"),
            "look whether it speaks TLS on this port, and at its log",
        ),
        Insecure::Setup(why) => {
            wrong(format!("TLS can't be set up: {why}"), "correct the files under [resource.tls]")
        }
        Insecure::Other(why) => wrong(
            format!("TLS with {at} can't be set up: {why}"),
            "look at the server's certificate and at the versions of TLS that it speaks",
        ),
    }
}

/// The port is open, and there is no connection all the same.
fn not_connected(finding: &Finding) -> Advice {
    let Some(error) = &finding.error else {
        return wrong("it is not connected, and no reason is known", "run this again with -vv");
    };
    if finding.speaks_tls {
        return wrong(
            "the server speaks TLS on this port, and the URL does not ask for it",
            "use the scheme with TLS (rediss, amqps, clickhouses; for MongoDB ?tls=true), and set \
             ca_file under [resource.tls] where its authority is your own",
        );
    }
    if is_full(error) {
        return wrong(
            format!("the server is full: {}", error.message()),
            "raise its limit of connections, or end clients that hold too many of them",
        );
    }
    if is_incompatible(error) {
        return wrong(
            format!("the server's version is too old: {}", error.message()),
            "update the server",
        );
    }
    match error.kind() {
        ErrorKind::Auth => wrong(
            format!("the server refuses the login: {}", error.message()),
            "correct user and password, or give the user its rights; a password with special \
             characters is percent-encoded in a URL, and as it is under the key password",
        ),
        ErrorKind::Timeout => wrong(
            format!(
                "it accepts connections and does not answer: it is frozen or overloaded ({})",
                error.message()
            ),
            "look at the server's load and log; restart it where it is stuck",
        ),
        ErrorKind::Config => wrong(error.message(), "correct the configuration"),
        _ => wrong(error.message(), "look at the server's log"),
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
    let said = error.message();
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
