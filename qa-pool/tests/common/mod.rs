//! Examples of this crate, run to their end, and servers that the tests of a binary share.

#![allow(dead_code, reason = "each test file uses its own part")]

use qa_servers::{Server, System};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio::sync::OnceCell;
use tokio::time::timeout;

/// For a whole example; two cores may be starting three brokers meanwhile.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// The server of a system that this binary's tests share; the program's end removes it.
pub(crate) async fn server(system: System) -> &'static Server {
    static SERVERS: [OnceCell<Server>; 4] = [const { OnceCell::const_new() }; 4];
    let place = match system {
        System::MongoDb => 0,
        System::RabbitMq => 1,
        System::ClickHouse => 2,
        System::Redis => 3,
    };
    // Its own: what the examples find in it is what these tests have put there.
    let start = || Server::start_owned(system);
    SERVERS[place].get_or_try_init(start).await.unwrap_or_else(|error| panic!("{error}"))
}

/// Where cargo has built an example, which it does before the tests.
pub(crate) fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(
        path.exists(),
        "no {}: `cargo build -p qa-pool --all-features --examples`",
        path.display()
    );
    path
}

/// What an example prints, which must end well.
pub(crate) async fn output(name: &str, arguments: &[&str], variables: &[(&str, String)]) -> String {
    let mut command = Command::new(example(name));
    command.args(arguments).envs(variables.iter().map(|(key, value)| (key, value)));
    let ended = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = timeout(PATIENCE, ended).await.expect("it ends").unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {text}{errors}", output.status);
    text
}
