//! The README's quickstart as a newcomer walks it: a shell runs its lines as they stand there, on a real Redis.
#![cfg(all(unix, feature = "redis"))]

mod common;

use common::{PATIENCE, example};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::Command;

/// What the lines find as `cargo`: their programs, which are built already. Others are not the quickstart's.
const CARGO: &str = r#"#!/bin/sh
case "$*" in
'run -p qa-servers -- '*) shift 4; exec "$SERVER" "$@" ;;
'run -p qa-pool --features redis --example quickstart') exec "$EXAMPLE" ;;
*) echo "the quickstart has no program of its own for: cargo $*" >&2; exit 101 ;;
esac
"#;

/// What stands around the lines: the first that fails is the end, and nothing that they started outlives it.
/// The last word waits for the server, which only a line of theirs ends.
const BEFORE: &str = "set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n";
const AFTER: &str = "\nwait\n";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The first block of shell lines.
fn quickstart() -> String {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let block = readme.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    block.to_owned()
}

/// The server's program, which is built with the tests of all crates.
fn server() -> PathBuf {
    let path = example("quickstart").ancestors().nth(2).unwrap().join("qa-server");
    assert!(path.exists(), "no {}: `cargo build -p qa-servers`", path.display());
    path
}

#[tokio::test]
async fn the_quickstart_s_lines_run_as_they_stand_and_leave_nothing() {
    let lines = quickstart();
    // It installs what is missing, as it has for these tests; what it does is not for a test to do.
    let (setup, lines) = lines.split_once('\n').unwrap();
    let setup = root().join(setup.split(' ').next().unwrap());
    assert!(setup.ends_with("scripts/setup.sh"), "{}", setup.display());
    assert_eq!(setup.metadata().unwrap().permissions().mode() & 0o111, 0o111, "it can be started");

    let here = tempfile::tempdir().unwrap();
    let programs = here.path().join("programs");
    fs::create_dir(&programs).unwrap();
    fs::write(programs.join("cargo"), CARGO).unwrap();
    fs::set_permissions(programs.join("cargo"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());

    // With a line too few it would wait for ever: `timeout` ends all that it has started, at the latest.
    let limit = PATIENCE.as_secs().to_string();
    let output = Command::new("timeout")
        .args(["--signal=KILL", &limit, "bash", "-c", &format!("{BEFORE}{lines}{AFTER}")])
        .env("PATH", path)
        .env("SERVER", server())
        .env("EXAMPLE", example("quickstart"))
        .current_dir(here.path())
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}{errors}", output.status);
    assert_eq!(said, "000001: buy\n", "{errors}");
    let left: Vec<_> = fs::read_dir(here.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["programs"], "{errors}");
}
