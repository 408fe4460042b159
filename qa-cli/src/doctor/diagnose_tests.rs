use super::*;
use crate::certificate::Certificate;
use crate::probe::{Found, Insecure, Probe};

const NOW: Duration = Duration::from_secs(1_800_000_000);

fn well() -> Finding {
    Finding {
        name: "cache".to_owned(),
        system: "redis",
        address: "h:6379".to_owned(),
        required: true,
        state: State::Ready,
        health: Health::Up,
        latency: Some(Duration::from_millis(1)),
        error: None,
        version: Some("7.0.15".to_owned()),
        skew: Some(Skew { ahead: true, by: Duration::ZERO }),
        probes: vec![Probe { at: "h:6379".to_owned(), found: Found::Open }],
        speaks_tls: false,
    }
}

fn down(kind: ErrorKind, said: &str) -> Finding {
    Finding {
        state: State::Idle,
        health: Health::Down,
        error: Some(Error::new(kind, "cache", said)),
        version: None,
        skew: None,
        ..well()
    }
}

fn degraded(system: &'static str, said: &str) -> Finding {
    let error = Some(Error::new(ErrorKind::Overloaded, "r", said));
    Finding { system, health: Health::Degraded, error, version: None, ..well() }
}

fn found(found: Found) -> Finding {
    let probes = vec![Probe { at: "h:6379".to_owned(), found }];
    Finding { probes, ..down(ErrorKind::Connect, "something of the driver's") }
}

#[test]
fn what_is_well_needs_no_word() {
    assert_eq!(diagnose(&well(), NOW), []);
}

#[test]
fn every_fault_has_its_words_and_a_remedy() {
    let insecure = |why| found(Found::Insecure(why));
    let cases = [
        (found(Found::Unknown("no such name".to_owned())), "unknown: no such name", "DNS"),
        (found(Found::Refused), "is refused: nothing listens there", "start the server"),
        (found(Found::Unreachable("no route".to_owned())), "can't be reached: no route", "routes"),
        (found(Found::NoAnswer), "does not answer a dial", "firewall"),
        (insecure(Insecure::WrongName(vec!["a".to_owned()])), "another name: a", "issued"),
        (insecure(Insecure::UnknownAuthority), "not trusted here", "ca_file"),
        (insecure(Insecure::Expired), "has expired", "renew"),
        (insecure(Insecure::NotYet), "not good yet", "clocks"),
        (insecure(Insecure::NotSpoken), "does not speak TLS", "TLS port"),
        (insecure(Insecure::WantsOurs), "none is configured", "certificate_file"),
        (insecure(Insecure::RefusesOurs), "refuses the certificate that we show", "expired"),
        (insecure(Insecure::Silent), "or does not speak TLS on this port", "restart"),
        (insecure(Insecure::HungUp("eof".to_owned())), "hangs up on a TLS handshake: eof", "log"),
        (insecure(Insecure::Setup("no file".to_owned())), "set up: no file", "correct the files"),
        (down(ErrorKind::Auth, "WRONGPASS"), "refuses the login: WRONGPASS", "password"),
        (down(ErrorKind::Timeout, "no answer within 5s"), "frozen or overloaded", "restart"),
        (down(ErrorKind::Connect, "max number of clients reached"), "is full", "raise its limit"),
        (down(ErrorKind::Connect, "wire version 4"), "too old", "update"),
        (Finding { speaks_tls: true, ..down(ErrorKind::Connect, "eof") }, "speaks TLS", "rediss"),
        (down(ErrorKind::Operation, "odd"), "odd", "log"),
        (degraded("rabbitmq", "the broker takes no messages: memory"), "an alarm", "free memory"),
        (degraded("mongodb", "there is no primary"), "no primary", "majority"),
        (Finding { version: Some("5.0.14".to_owned()), ..well() }, "too old", "6.0 or later"),
    ];
    for (finding, what, remedy) in cases {
        let advice = diagnose(&finding, NOW);
        assert_eq!(advice.len(), 1, "{advice:?}");
        assert_eq!(advice[0].weight, Weight::Wrong, "{advice:?}");
        assert!(advice[0].what.contains(what), "{what}: {advice:?}");
        assert!(advice[0].remedy.contains(remedy), "{remedy}: {advice:?}");
    }
}

#[test]
fn what_stands_above_it_is_not_said_again_and_innards_are_left_out() {
    let mongo = "cannot connect to mongodb at h:1/q: Kind: SCRAM failure: Authentication failed., \
                 labels: {}, source: Some(Error { kind: Command }), server response: None";
    let at = |system, address: &str, kind, text| Finding {
        system,
        address: address.to_owned(),
        ..down(kind, text)
    };
    let refused = at("mongodb", "h:1/q", ErrorKind::Auth, mongo);
    assert_eq!(
        diagnose(&refused, NOW)[0].what,
        "the server refuses the login: SCRAM failure: Authentication failed."
    );
    let silent = "cannot connect to redis at h:1: no answer within 5s";
    let silent = at("redis", "h:1", ErrorKind::Timeout, silent);
    assert!(diagnose(&silent, NOW)[0].what.ends_with("(no answer within 5s)"));
    let blocked = "rabbitmq at h:6379 is impaired: the broker takes no messages: low on memory";
    assert_eq!(
        diagnose(&degraded("rabbitmq", blocked), NOW)[0].what,
        "an alarm on the broker: the broker takes no messages: low on memory"
    );
}

#[test]
fn what_works_and_will_not_for_ever_is_to_be_minded() {
    let day = Duration::from_secs(86_400);
    let certificate = |left| Finding {
        probes: vec![Probe {
            at: "h:6379".to_owned(),
            found: Found::Secure(Some(Certificate { expires: NOW + left })),
        }],
        ..well()
    };
    let skew = |ahead| Finding { skew: Some(Skew { ahead, by: day }), ..well() };
    for (finding, what) in [
        (certificate(day * 9), "for 9 d more"),
        (skew(true), "1 d ahead of ours"),
        (skew(false), "1 d behind ours"),
    ] {
        let advice = diagnose(&finding, NOW);
        assert_eq!(advice.len(), 1, "{advice:?}");
        assert_eq!(advice[0].weight, Weight::Mind);
        assert!(advice[0].what.contains(what), "{what}: {advice:?}");
    }
    assert_eq!(diagnose(&certificate(day * 90), NOW), []);
}

#[test]
fn one_host_of_several_that_is_away_does_not_make_the_whole_wrong() {
    let mut finding = well();
    finding.probes.push(Probe { at: "other:6379".to_owned(), found: Found::Refused });
    let advice = diagnose(&finding, NOW);
    assert_eq!(advice.len(), 1);
    assert_eq!(advice[0].weight, Weight::Mind);
}
