//! Bad input to `qa demo`: a clear error, the right exit code, nothing secret, no panic.

use qa_servers::testing::{Refused, Silent};
use std::io::Write;
use std::process::{Command, Output};
use tempfile::NamedTempFile;

const CANARY: &str = "c4n4ry";

fn qa(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_qa"))
        .args(arguments)
        .env_remove("QA_LOG")
        .env("CANARY_PASSWORD", CANARY)
        .output()
        .unwrap()
}

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::with_suffix(".toml").unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

/// Runs the demo with a configuration and checks what a user would see.
fn expect(config: &str, code: i32, parts: &[&str]) {
    let file = file(config);
    let path = file.path().to_str().unwrap();
    let output = qa(&["-vvv", "demo", "--config", path]);
    let shown = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{config}\n{shown}");
    for part in parts {
        assert!(shown.contains(part), "{part} is not in:\n{shown}");
    }
    assert!(!shown.contains(CANARY), "a secret in:\n{shown}");
    assert!(!shown.contains("panicked"), "{shown}");
}

fn resources(urls: [&str; 4], more: &str) -> String {
    let resource = |url: &str| {
        let name = url.split(':').next().unwrap();
        format!("[[resource]]\nname = '{name}'\nurl = '{url}'\n{more}\n")
    };
    urls.map(resource).concat()
}

#[test]
fn an_unknown_key_is_named_with_file_and_line() {
    let config = "[[resource]]\nname = 'redis'\nurl = 'redis://:c4n4ry@h'\nacquire_timeot = '1s'\n";
    expect(config, 2, &[".toml:4: ", "acquire_timeot", "acquire_timeout"]);
}

#[test]
fn an_unknown_scheme_lists_the_known_ones() {
    let config = "[[resource]]\nname = 'x'\nurl = 'postgres://me:c4n4ry@h'\n";
    expect(config, 2, &["resource `x`", "mongodb", "rediss"]);
}

#[test]
fn a_missing_environment_variable_is_named() {
    let config = "[[resource]]\nname = 'redis'\n\nurl = 'redis://h'\npassword = '${QA_NOT_SET}'\n";
    expect(config, 2, &[".toml:5: ", "QA_NOT_SET is not set"]);
}

#[test]
fn a_missing_backend_is_named() {
    expect(
        "[[resource]]\nname = 'redis'\nurl = 'redis://h'\n",
        2,
        &["`mongo`", "no resource of this name"],
    );
}

#[test]
fn refused_ports_are_failures_that_name_every_resource() {
    let refused = Refused::new();
    let port = refused.port();
    let at = |scheme: &str| format!("{scheme}://me:c4n4ry@127.0.0.1:{port}");
    let urls = [at("mongodb"), at("amqp"), at("clickhouse"), at("redis")];
    let urls = urls.each_ref().map(String::as_str);
    let more = "connect_attempts = 1\nconnect_timeout = '2s'";
    expect(
        &resources(urls, more),
        1,
        &[
            "resource `mongodb`",
            "resource `amqp`",
            "resource `clickhouse`",
            "resource `redis`",
            "check that the server is up",
        ],
    );
}

#[test]
fn servers_that_accept_and_stay_silent_are_told_from_others() {
    let silent = Silent::new();
    let port = silent.port();
    let at = |scheme: &str| format!("{scheme}://me@127.0.0.1:{port}");
    let urls = [at("mongodb"), at("amqp"), at("clickhouse"), at("redis")];
    let urls = urls.each_ref().map(String::as_str);
    let more = "password = '${CANARY_PASSWORD}'\nconnect_attempts = 1\nconnect_timeout = '1s'";
    expect(&resources(urls, more), 1, &["no answer within", "frozen or overloaded"]);
}

#[test]
fn a_broken_csv_line_is_named() {
    let csv = file(
        "time,Open,High,Low,Close,Volume\n2020-01-01,1,2,0.5,1,10\n2020-01-02,1,2,0.5,one,10\n",
    );
    let output = qa(&["demo", "--file", csv.path().to_str().unwrap()]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains(":3: close is not a number"), "{error}");
}

#[test]
fn usage_errors_exit_with_2() {
    for (arguments, part) in [
        (
            &["demo", "--break", "postgres"][..],
            "possible values: rabbitmq, mongo, clickhouse, redis, none",
        ),
        (&["demo", "--config", "no-such.toml"], "no-such.toml"),
        (&["demo", "--config", "qa.toml", "--break", "redis"], "--break"),
        (&["demo", "--file", "no-such.csv"], "no-such.csv"),
        (&["demo", "--down", "soon"], "3s"),
    ] {
        let output = qa(arguments);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}\n{error}");
        assert!(error.contains(part), "{arguments:?}\n{error}");
    }
}

#[test]
fn help_has_examples_and_no_colour_when_piped() {
    let output = qa(&["demo", "--help"]);
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    for part in ["Examples:", "--break", "--config", "Exit codes"] {
        assert!(help.contains(part), "{help}");
    }
    assert!(!help.contains('\u{1b}'));
}
