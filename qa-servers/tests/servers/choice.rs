//! Where a server is taken from, seen from outside: the environment is a program's, not a test's.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use qa_servers::{Server, System};

/// An address that refuses every connection.
const NOWHERE: &str = "tcp://127.0.0.1:1";

fn qa_server(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qa-server"));
    for system in System::ALL {
        command.env_remove(system.url_variable());
    }
    command.env_remove("QA_TEST_PROVIDER").args(arguments).envs(variables.iter().copied());
    command.output().unwrap()
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn a_server_that_the_environment_names_is_used_as_it_is() {
    let server = Server::start_owned(System::Redis).await.unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_qa-server"))
        .arg("redis")
        .env("QA_TEST_REDIS_URL", server.url())
        .env_remove("QA_TEST_PROVIDER")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut url = String::new();
    let output = program.stdout.take().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut url).unwrap();
    program.kill().unwrap();
    program.wait().unwrap();
    assert_eq!(url.trim(), server.url());
    // The other program's end is not the server's.
    server.wait_ready(std::time::Duration::from_secs(5)).await.unwrap();
}

#[test]
fn a_url_that_cannot_be_used_is_an_error_that_does_not_show_it() {
    for url in ["redis://:hunter2@localhost:port/0", "hunter2", "amqp://u:hunter2@localhost"] {
        let output = qa_server(&["redis"], &[("QA_TEST_REDIS_URL", url)]);
        let text = errors(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("QA_TEST_REDIS_URL") && !text.contains("hunter2"), "{text}");
    }
}

#[test]
fn without_any_server_the_error_says_what_was_tried_and_what_to_do() {
    let variables =
        [("PATH", "/nonexistent"), ("QA_SERVERS_DIR", "/nonexistent"), ("DOCKER_HOST", NOWHERE)];
    let output = qa_server(&["mongodb"], &variables);
    let text = errors(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for part in ["QA_TEST_MONGO_URL", "container", "engine", "process", "install-servers.sh"] {
        assert!(text.contains(part), "no {part} in: {text}");
    }
}

#[test]
fn a_server_that_does_not_start_shows_the_end_of_its_log() {
    let dir = std::env::temp_dir().join(format!("qa-choice-{}", std::process::id()));
    let program = dir.join("bin/mongod");
    fs::create_dir_all(dir.join("bin")).unwrap();
    fs::write(&program, "#!/bin/sh\necho the disk is made of cheese\nexit 1\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let variables = [("QA_SERVERS_DIR", dir.to_str().unwrap()), ("QA_TEST_PROVIDER", "process")];
    let output = qa_server(&["mongodb"], &variables);
    fs::remove_dir_all(&dir).unwrap();
    let text = errors(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("the disk is made of cheese"), "{text}");
}

#[test]
fn wrong_use_is_exit_code_2() {
    for arguments in [&[][..], &["mysql"], &["--help"]] {
        assert_eq!(qa_server(arguments, &[]).status.code(), Some(2), "{arguments:?}");
    }
    let output = qa_server(&["redis"], &[("QA_TEST_PROVIDER", "cloud")]);
    assert_eq!(output.status.code(), Some(2), "{}", errors(&output));
}
