//! The command, and what it is given.

use qa_servers::Server;
use std::io::Write;
use std::time::Duration;
use tempfile::NamedTempFile;
use tokio::process::Command;

pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// What a command said, and its exit code.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) text: String,
    pub(crate) errors: String,
}

impl Said {
    #[track_caller]
    pub(crate) fn expect(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{}\n{}", self.text, self.errors);
        for part in parts {
            assert!(self.text.contains(part), "{part} is not in:\n{}", self.text);
        }
        assert!(!self.text.contains('\x1b'), "colour where there is no terminal:\n{}", self.text);
        assert!(!self.errors.contains("panicked"), "{}", self.errors);
    }
}

/// A configuration file.
pub(crate) fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::with_suffix(".toml").unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

pub(crate) fn resource(name: &str, url: &str, more: &str) -> String {
    format!("[[resource]]\nname = '{name}'\nurl = '{url}'\n{more}\n")
}

/// A resource for each server, named like its system.
pub(crate) fn config(servers: &[&Server], more: &str) -> String {
    let resources =
        servers.iter().map(|server| resource(&server.system().to_string(), &server.url(), more));
    resources.collect()
}

/// The command, which ends with its test.
pub(crate) fn qa(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qa"));
    command.args(arguments).env_remove("QA_LOG").kill_on_drop(true);
    command
}

pub(crate) async fn run(arguments: &[&str]) -> Said {
    let output = tokio::time::timeout(LIMIT, qa(arguments).output());
    let output = output.await.expect("qa ends").unwrap();
    Said {
        code: output.status.code(),
        text: String::from_utf8(output.stdout).unwrap(),
        errors: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs it on a configuration.
pub(crate) async fn on(config: &str, arguments: &[&str]) -> Said {
    let file = file(config);
    run(&[arguments, &[file.path().to_str().unwrap()]].concat()).await
}
