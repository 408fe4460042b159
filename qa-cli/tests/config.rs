//! `qa config`: what is in force, where it came from, and nothing secret.

use serde_json::Value;
use std::fs;
use std::process::{Command, Output};
use tempfile::TempDir;

const CANARY: &str = "c4n4ry";

fn qa(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_qa"))
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

/// A file with a secret in it and one in a file of its own; gives both paths.
fn files(folder: &TempDir) -> (String, String) {
    let (file, password) = (folder.path().join("qa.toml"), folder.path().join("password"));
    fs::write(&password, format!("{CANARY}\n")).unwrap();
    let text = format!(
        "[[resource]]\nname = 'cache'\nurl = 'redis://{CANARY}@h/1?protocol=resp2'\n\
         password_file = '{}'\nacquire_timeout = '1s'\n",
        password.display()
    );
    fs::write(&file, text).unwrap();
    (file.display().to_string(), password.display().to_string())
}

fn text(output: Output) -> (Option<i32>, String) {
    let code = output.status.code();
    let shown = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(!shown.contains(CANARY), "a secret in:\n{shown}");
    (code, shown)
}

#[test]
fn the_table_has_every_value_with_its_origin_and_no_secret() {
    let folder = TempDir::new().unwrap();
    let (file, password) = files(&folder);
    let variables = [("QA_CACHE__RETRY_ATTEMPTS", "2")];
    let (code, shown) = text(qa(&["config", &file], &variables));
    assert_eq!(code, Some(0), "{shown}");
    let row = |key: &str| {
        let row = shown.lines().find(|line| line.split_whitespace().nth(1) == Some(key));
        row.unwrap_or_else(|| panic!("no {key} in:\n{shown}")).split_whitespace().skip(2)
    };
    let row = |key| row(key).collect::<Vec<_>>().join(" ");
    assert_eq!(row("url"), format!("redis://h/1?protocol=*** {file}:3"));
    assert_eq!(row("password"), format!("*** file {password} (named by {file}:4)"));
    assert_eq!(row("acquire_timeout"), format!("1s {file}:5"));
    assert_eq!(row("retry_attempts"), "2 variable QA_CACHE__RETRY_ATTEMPTS");
    assert_eq!(row("connect_timeout"), "5s default");
    assert!(!shown.contains('\u{1b}'));
}

#[test]
fn json_is_for_programs() {
    let folder = TempDir::new().unwrap();
    let (file, _) = files(&folder);
    let (code, shown) = text(qa(&["config", &file, "--json"], &[]));
    assert_eq!(code, Some(0), "{shown}");
    let values: Value = serde_json::from_str(&shown).unwrap();
    let value = values.as_array().unwrap().iter().find(|value| value["key"] == "acquire_timeout");
    let value = value.unwrap();
    assert_eq!((&value["resource"], &value["value"]), (&"cache".into(), &"1s".into()));
    assert_eq!(value["origin"]["file"]["line"], 5);
}

#[test]
fn the_environment_alone_and_that_of_a_quantaxis_deployment_are_read() {
    let (_, ours) = text(qa(&["config"], &[("QA_CACHE_URL", "redis://:c4n4ry@h")]));
    assert!(ours.contains("variable QA_CACHE_URL"), "{ours}");
    let theirs = [("QAPUBSUB_IP", "mq"), ("QAPUBSUB_PWD", CANARY)];
    let (code, theirs) = text(qa(&["config", "--quantaxis"], &theirs));
    assert_eq!(code, Some(0), "{theirs}");
    assert!(theirs.contains("amqp://mq:5672") && theirs.contains("QAPUBSUB_PWD"), "{theirs}");
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_gives_two() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("qa.toml");
    let path = file.display().to_string();
    for (config, part) in [
        (
            "[[resource]]\nname = 'r'\nurl = 'redis://:c4n4ry@h'\nx = 1",
            ".toml:4: unknown field `x`",
        ),
        ("[[resource]]\nname = 'r'\nurl = 'redis://h'\npassword_file = '/no/such'", ".toml:4: "),
        ("[[resource]]\nname = 'r'\nurl = 'mysql://:c4n4ry@h'", "not one of mongodb"),
    ] {
        fs::write(&file, config).unwrap();
        let (code, shown) = text(qa(&["config", &path], &[]));
        assert_eq!(code, Some(2), "{shown}");
        assert!(shown.contains(part), "{shown}");
    }
}

#[test]
fn the_schema_is_the_one_that_is_kept() {
    let (code, shown) = text(qa(&["config", "--schema"], &[]));
    assert_eq!(code, Some(0));
    let kept = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/qa.schema.json"));
    assert_eq!(shown, kept.unwrap(), "write it anew: qa config --schema > docs/qa.schema.json");
}
