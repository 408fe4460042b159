//! What must not be in a source, and what may be only in some.

use crate::repository::{self, File};
use std::collections::{BTreeMap, BTreeSet};

/// This file names what it forbids.
const THIS: &str = "integration-tests/tests/tidy/sources.rs";

fn files() -> Vec<File> {
    repository::files().into_iter().filter(|file| file.path != THIS).collect()
}

fn sources() -> Vec<File> {
    repository::sources().into_iter().filter(|file| file.path != THIS).collect()
}

/// Where a line breaks a rule: `path:line: text`.
fn offences(files: &[File], mut breaks: impl FnMut(&File, usize, &str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        for (at, line) in file.text.lines().enumerate() {
            if breaks(file, at, line) {
                found.push(format!("{}:{}: {}", file.path, at + 1, line.trim()));
            }
        }
    }
    found
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

#[test]
fn nothing_is_left_undone_ignored_or_unsafe() {
    let words = [
        "todo!(",
        "unimplemented!(",
        "dbg!(",
        "#[ignore",
        "unsafe {",
        "unsafe fn",
        "unsafe impl",
        "allow(unsafe_code",
    ];
    let found = offences(&sources(), |_, _, line| {
        !is_comment(line) && words.iter().any(|word| line.contains(word))
    });
    assert!(found.is_empty(), "{found:#?}");
}

/// Where tests on real servers may sleep, how often, and why. Everywhere else they wait for a
/// condition with a deadline.
const SLEEPS: [(&str, usize, &str); 4] = [
    ("integration-tests/src/subject/mod.rs", 1, "has a place for as long as it is told to"),
    ("integration-tests/src/wait.rs", 1, "watches for what must not happen"),
    ("qa-amqp/tests/broker/consume.rs", 2, "handlers that take a while"),
    ("qa-mongo/tests/bounded.rs", 3, "the server does, in queries that take long"),
];

/// The core's own tests are not meant: they run in virtual time, where a sleep is exact. Nor are the
/// experiments, whose faults last as long as they say.
#[test]
fn tests_on_real_servers_poll_and_do_not_sleep() {
    let live = |file: &&File| {
        let of_core = file.path.starts_with("qa-resource-core/");
        let experiment = file.path.starts_with("integration-tests/src/bin/experiments/");
        let test = file.path.contains("/tests/") || file.path.starts_with("integration-tests/");
        !of_core && !experiment && test
    };
    let mut slept = BTreeMap::<String, usize>::new();
    for file in sources().iter().filter(live) {
        let sleeps = file.text.lines().filter(|line| is_sleep(line)).count();
        if sleeps > 0 {
            slept.insert(file.path.clone(), sleeps);
        }
    }
    let allowed = SLEEPS.iter().map(|(path, count, _)| ((*path).to_owned(), *count)).collect();
    assert_eq!(slept, allowed);
}

fn is_sleep(line: &str) -> bool {
    !is_comment(line) && (line.contains("sleep(") || line.contains("sleep_until("))
}

/// Where the wall clock may be read, and what for. Nothing that waits, measures or decides does: it
/// may jump by an hour at any moment.
const WALL_CLOCKS: [(&str, &str); 5] = [
    ("qa-resource-core/src/shared.rs", "when a transition was, for people"),
    ("qa-resource-core/src/transition.rs", "the same"),
    ("qa-pool/src/http/report.rs", "since when a state is, for people"),
    ("qa-cli/src/words.rs", "when something was, and how far a server's clock is from ours"),
    ("integration-tests/src/bin/experiments/host.rs", "the day in the table"),
];

#[test]
fn only_the_monotonic_clock_is_read_except_for_people() {
    let clocks = ["SystemTime", "now_utc(", "now_local(", "Utc::now", "Local::now", "UNIX_EPOCH"];
    let reads = |file: &File| {
        let mut lines = file.text.lines().filter(|line| !is_comment(line));
        lines.any(|line| clocks.iter().any(|clock| line.contains(clock)))
    };
    let found: BTreeSet<_> = sources().into_iter().filter(reads).map(|file| file.path).collect();
    let allowed = WALL_CLOCKS.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(found, allowed);
}

/// The files in which a secret is taken out of its wrapping.
const EXPOSES: [&str; 17] = [
    // What is read from it never leaves a driver's call, a URL that is a secret again, or a check.
    "qa-amqp/src/client.rs",
    "qa-amqp/src/dial.rs",
    "qa-amqp/src/options.rs",
    "qa-cli/src/probe/mod.rs",
    "qa-clickhouse/src/backend.rs",
    "qa-clickhouse/src/url.rs",
    "qa-mongo/src/options.rs",
    "qa-pool/src/config/file.rs",
    "qa-redis/src/login.rs",
    "qa-redis/src/options.rs",
    "qa-resource-core/src/endpoint/mod.rs",
    "qa-resource-core/src/endpoint/parse.rs",
    "qa-resource-core/src/secret.rs",
    // Tests.
    "qa-pool/src/config/quantaxis.rs",
    "qa-resource-core/src/file_credentials.rs",
    "qa-resource-core/src/secret_file.rs",
    "integration-tests/tests/suite/behaviour/refused.rs",
];

#[test]
fn a_secret_is_exposed_in_few_places() {
    let files = sources().into_iter().filter(|file| file.text.contains(".expose()"));
    let found: BTreeSet<_> = files.map(|file| file.path).collect();
    assert_eq!(found, EXPOSES.map(str::to_owned).into(), "every new place is to be thought about");
}

/// Rule: on a module, a `use`, an element of an array, or a test that is about the feature; never
/// inside a function, where it makes code that nobody builds.
#[test]
fn features_switch_modules_and_never_statements() {
    let found = offences(&sources(), |file, at, line| {
        let line = line.trim();
        let inline = line.contains("cfg!(feature") || line.contains("cfg_attr(feature");
        let whole_file = line.starts_with("#![cfg(");
        let switches = line.starts_with("#[cfg(") && line.contains("feature");
        inline || !whole_file && switches && !may_be_switched(&file.text, at)
    });
    assert!(found.is_empty(), "{found:#?}");
}

/// Whether what follows line `at`, other attributes left out, is what a feature may switch.
fn may_be_switched(text: &str, at: usize) -> bool {
    let following = text.lines().skip(at + 1).map(str::trim);
    let mut attributes = Vec::new();
    for line in following {
        if line.starts_with("#[") {
            attributes.push(line);
            continue;
        }
        let starts =
            ["mod ", "pub mod ", "pub(crate) mod ", "use ", "pub use ", "pub(crate) use ", "("];
        let on_test = attributes.iter().any(|line| line.ends_with("test]"));
        return on_test || starts.iter().any(|start| line.starts_with(start));
    }
    false
}

/// Where a path of a machine is one inside a container or an image.
const IN_CONTAINERS: [&str; 2] =
    ["qa-servers/src/container/recipe.rs", "qa-servers/src/container/build-image.sh"];

#[test]
fn no_file_names_a_place_of_the_machine_it_was_written_on() {
    let places = ["/work/", "/tmp/", "/root/", "/home/"];
    let found = offences(&files(), |file, _, line| {
        let elsewhere = IN_CONTAINERS.contains(&file.path.as_str());
        !elsewhere && places.iter().any(|place| names_place(line, place))
    });
    assert!(found.is_empty(), "{found:#?}");
}

/// Whether the path begins there: `target/tmp/` names no place of the machine.
fn names_place(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|before| before.is_alphanumeric() || "}./*-_".contains(before))
    })
}

/// Hosts that the files may name. Whoever builds this reaches these; a mirror in somebody's office
/// is not among them.
const HOSTS: [&str; 20] = [
    "github.com",
    "docs.rs",
    "crates.io",
    "rustup.rs",
    "sh.rustup.rs",
    "opentelemetry.io",
    "www.apache.org",
    "keepachangelog.com",
    "semver.org",
    "opensource.org",
    "doc.rust-lang.org",
    "www.rabbitmq.com",
    "redis.io",
    "www.mongodb.com",
    "clickhouse.com",
    "aws.amazon.com",
    "docs.docker.com",
    "www.conventionalcommits.org",
    "json-schema.org",
    "www.w3.org",
];

#[test]
fn no_file_names_a_host_that_is_not_everybody_s() {
    let found = offences(&files(), |_, _, line| {
        ["http://", "https://"].iter().any(|scheme| {
            let urls = line.split(scheme).skip(1);
            urls.map(host).any(|host| host.contains('.') && !is_known(host))
        })
    });
    assert!(found.is_empty(), "{found:#?}");
}

fn host(url: &str) -> &str {
    let end = url.find(|c: char| !c.is_ascii_alphanumeric() && !".-".contains(c));
    url[..end.unwrap_or(url.len())].trim_end_matches('.')
}

fn is_known(host: &str) -> bool {
    let example = ["example.com", "example.org"].iter().any(|known| host.ends_with(known));
    HOSTS.contains(&host) || host.starts_with("127.") || example
}

/// A check that finds nothing anywhere would pass for ever.
#[test]
fn the_checks_find_what_they_look_for() {
    for (text, allowed) in [
        ("#[cfg(feature = \"tls\")]\n#[path = \"no_tls.rs\"]\nmod tls;", true),
        ("#[cfg(feature = \"tls\")]\n#[tokio::test]\nasync fn it_works() {", true),
        ("#[cfg(feature = \"tls\")]\n(\"redis\", make),", true),
        ("#[cfg(feature = \"tls\")]\nfn connect() {", false),
        ("#[cfg(feature = \"tls\")]\nlet secure = true;", false),
    ] {
        assert_eq!(may_be_switched(text, 0), allowed, "{text}");
    }
    assert!(names_place("see /tmp/x", "/tmp/") && !names_place("target/tmp/x", "/tmp/"));
    assert!(is_known(host("github.com/x")) && is_known(host("127.0.0.1:80/")));
    assert!(!is_known(host("mirror.some-office.net/simple")));
    assert!(is_sleep("time::sleep(LONG).await;"));
}
