//! What a host says when it is knocked at, in words.

use super::diagnose::{Advice, wrong};
use crate::probe::{Found, Insecure, Probe};

/// What is wrong with a host's name, port or TLS; nothing where it opens.
pub(super) fn knocked(probe: &Probe) -> Option<Advice> {
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
