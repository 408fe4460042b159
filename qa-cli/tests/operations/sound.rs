//! Four servers in good health, and ways to call the command.

use crate::command::{LIMIT, config, on, qa, run};
use futures_util::future::join_all;
use qa_servers::{Server, System};
use std::process::Stdio;

#[tokio::test]
async fn four_sound_servers_are_ready_with_their_versions_and_nothing_is_wrong() {
    let starts = System::ALL.into_iter().map(Server::start);
    let servers: Vec<_> = join_all(starts).await.into_iter().map(Result::unwrap).collect();
    let config = config(&servers.iter().collect::<Vec<_>>(), "");

    let table = on(&config, &["check"]).await;
    table.expect(0, &["mongodb", "rabbitmq", "clickhouse", "redis", "ready", "version", "ms"]);
    assert!(!table.text.contains("degraded") && !table.text.contains("down"), "{}", table.text);

    let json = on(&config, &["check", "--json"]).await;
    json.expect(0, &[]);
    let json: serde_json::Value = serde_json::from_str(&json.text).unwrap();
    assert_eq!(json["ok"], true);
    let resources = json["resources"].as_array().unwrap();
    assert_eq!(resources.len(), 4);
    for one in resources {
        let version = one["version"].as_str().unwrap_or_else(|| panic!("no version: {one}"));
        assert!(version.starts_with(|c: char| c.is_ascii_digit()), "{one}");
        assert!(one["latency_seconds"].as_f64().unwrap() > 0.0, "{one}");
        // All but RabbitMQ tell their time; they are on this machine.
        let skew = one["clock_skew_seconds"].as_f64();
        assert_eq!(skew.is_none(), one["system"] == "rabbitmq", "{one}");
        assert!(skew.unwrap_or(0.0).abs() < 1.0, "{one}");
    }

    let bench = ["bench", "--for", "200ms", "--tasks", "1,8"];
    let table = on(&config, &bench).await;
    table.expect(0, &["per second", "PING", "SELECT 1", "a confirmed message", "the command ping"]);
    let json = on(&config, &[&bench[..], &["--json"]].concat()).await;
    let rows: Vec<serde_json::Value> = serde_json::from_str(&json.text).unwrap();
    assert_eq!(rows.len(), 8, "{}", json.text);
    for row in &rows {
        let number = |key: &str| row[key].as_f64().unwrap_or_else(|| panic!("no {key}: {row}"));
        assert!(number("trips") > 0.0 && number("trips_per_second") > 0.0, "{row}");
        assert!(
            0.0 < number("p50_seconds") && number("p50_seconds") <= number("p99_seconds"),
            "{row}"
        );
        assert!(number("p99_seconds") <= number("max_seconds"), "{row}");
        assert_eq!((number("failed_tasks"), row["error"].as_str()), (0.0, None), "{row}");
    }

    let doctor = on(&config, &["doctor"]).await;
    doctor.expect(0, &["well: ", "nothing is wrong"]);
    assert_eq!(doctor.text.matches("well: ").count(), 4, "{}", doctor.text);
    for server in &servers {
        for said in [&table, &doctor] {
            let all = format!("{}{}", said.text, said.errors);
            assert!(!all.contains(server.password()), "a password in:\n{all}");
        }
    }
    join_all(servers.into_iter().map(Server::remove)).await;
}

#[tokio::test]
async fn the_environment_is_a_configuration_and_none_is_an_error_with_the_remedy() {
    let server = Server::start(System::Redis).await.unwrap();
    let output = qa(&["check"]).env("QA_CACHE_URL", server.url()).output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("cache"), "{text}");
    for command in ["check", "doctor", "watch", "serve", "bench"] {
        let said = run(&[command]).await;
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.errors.contains("QA_CACHE_URL="), "{said:?}");
        let said = run(&[command, "no-such.toml"]).await;
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.errors.contains("no-such.toml"), "{said:?}");
        let help = run(&[command, "--help"]).await;
        help.expect(0, &["Examples:", "Exit codes:"]);
    }
    server.remove().await;
}

/// As the README shows them: each is a command that takes a file, and the two that end are run.
#[tokio::test]
async fn the_readme_s_lines_are_commands() {
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let section = readme.split("## Operating it\n").nth(1).unwrap();
    let block = section.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    let commands: Vec<&str> = block
        .lines()
        .filter_map(|line| line.strip_prefix("qa ")?.split(" qa.toml").next())
        .collect();
    assert_eq!(commands, ["check", "doctor", "watch", "serve", "bench"]);
    let server = Server::start(System::Redis).await.unwrap();
    for command in commands {
        run(&[command, "--help"]).await.expect(0, &["[FILE]"]);
        if ["check", "doctor"].contains(&command) {
            on(&config(&[&server], ""), &[command]).await.expect(0, &["redis"]);
        }
    }
    server.remove().await;
}

#[tokio::test]
async fn every_shell_gets_its_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        run(&["completions", shell]).await.expect(0, &["qa", "doctor"]);
    }
    let said = run(&["completions", "nosh"]).await;
    assert_eq!(said.code, Some(2), "{said:?}");
}

#[tokio::test]
async fn a_reader_that_has_gone_is_no_error() {
    for arguments in [&["completions", "zsh"][..], &["config", "--schema"]] {
        let mut child =
            qa(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = tokio::time::timeout(LIMIT, child.wait_with_output()).await;
        let output = output.expect("it ends").unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), &*errors), (Some(0), ""), "{arguments:?}");
    }
}
