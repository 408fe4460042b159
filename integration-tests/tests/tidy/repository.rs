//! The repository's files and what cargo says of them.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file of the repository: its path from the root, and its text.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// What a program prints when it is run in the repository.
pub(crate) fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(root()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Every text file that git knows.
pub(crate) fn files() -> Vec<File> {
    let names = output("git", &["ls-files"]);
    let read = |name: &str| {
        let text = std::fs::read_to_string(root().join(name)).ok()?;
        Some(File { path: name.to_owned(), text })
    };
    let files: Vec<_> = names.lines().filter_map(read).collect();
    assert!(files.len() > 100, "the repository has {} files", files.len());
    files
}

/// Every source file.
pub(crate) fn sources() -> Vec<File> {
    let is_source =
        |file: &File| Path::new(&file.path).extension().is_some_and(|extension| extension == "rs");
    files().into_iter().filter(is_source).collect()
}

/// `cargo metadata` with every feature of every crate on, for this machine's kind of platform.
pub(crate) fn metadata() -> Value {
    let about = output("rustc", &["-vV"]);
    let host = about.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let arguments =
        ["metadata", "--format-version=1", "--locked", "--all-features", "--filter-platform", host];
    serde_json::from_str(&output(env!("CARGO"), &arguments)).unwrap()
}
