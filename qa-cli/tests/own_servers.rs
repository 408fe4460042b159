//! `qa demo --config` on servers that are already there: everything is reconciled, and nothing of
//! the demo stays on them.

use futures_util::future::join_all;
use qa_servers::{Server, System};
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Command;
use tempfile::NamedTempFile;

async fn servers() -> Vec<Server> {
    let starts = System::ALL.into_iter().map(Server::start);
    join_all(starts).await.into_iter().map(Result::unwrap).collect()
}

#[tokio::test]
async fn a_file_of_ones_own_on_servers_of_ones_own() {
    let servers = servers().await;
    let mut config = String::new();
    for server in &servers {
        writeln!(config, "[[resource]]\nname = '{}'\nurl = '{}'", server.system(), server.url())
            .unwrap();
    }
    let mut file = NamedTempFile::with_suffix(".toml").unwrap();
    file.write_all(config.as_bytes()).unwrap();
    let mut csv = NamedTempFile::with_prefix("mine_").unwrap();
    writeln!(csv, "time,Open,High,Low,Close,Volume").unwrap();
    for day in 1..=28 {
        writeln!(csv, "2024-02-{day:02},1,2,0.5,{}.75,{day}", day % 2).unwrap();
    }
    let run = || {
        let output = Command::new(env!("CARGO_BIN_EXE_qa"))
            .args(["demo", "--config"])
            .arg(file.path())
            .arg("--file")
            .arg(csv.path())
            .output()
            .unwrap();
        let shown = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success(), "{shown}");
        for server in &servers {
            assert!(!shown.contains(server.password()), "a password in:\n{shown}");
        }
        assert!(shown.contains("nothing lost, nothing twice"), "{shown}");
        assert!(shown.contains("MINE"), "{shown}");
        assert!(!shown.contains("could not be removed"), "{shown}");
    };
    // Twice: a run that left something behind would meet it.
    run();
    run();
    for server in servers {
        server.remove().await;
    }
}
