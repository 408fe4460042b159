//! What every crate's manifest has to say.

use crate::repository::{File, files, metadata};
use std::collections::BTreeMap;

#[test]
fn no_feature_is_on_by_default() {
    for package in metadata()["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let features = package["features"].as_object().unwrap();
        if package["source"].is_null() && !features.is_empty() {
            assert_eq!(features["default"], serde_json::json!([]), "{name}");
        }
    }
}

#[test]
fn every_crate_has_the_workspace_s_lints_and_facts() {
    let mut lacking = Vec::new();
    // What is a workspace of its own has its own facts.
    let member =
        |file: &&File| file.path.ends_with("/Cargo.toml") && !file.text.contains("\n[workspace]\n");
    for file in files().iter().filter(member) {
        for needed in [
            "[lints]\nworkspace = true",
            "version.workspace = true",
            "edition.workspace = true",
            "rust-version.workspace = true",
            "license.workspace = true",
            "description = ",
        ] {
            if !file.text.contains(needed) {
                lacking.push(format!("{} lacks: {needed}", file.path));
            }
        }
    }
    assert!(lacking.is_empty(), "{lacking:#?}");
}

/// What comes from anywhere else could not be built by those who clone this.
#[test]
fn every_dependency_comes_from_crates_io() {
    let files = files();
    let locks = files.iter().filter(|file| file.path.ends_with("Cargo.lock"));
    let mut sources = BTreeMap::<_, u32>::new();
    for line in
        locks.flat_map(|lock| lock.text.lines()).filter(|line| line.starts_with("source = "))
    {
        *sources.entry(line).or_default() += 1;
    }
    let crates_io = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
    assert_eq!(sources.into_keys().collect::<Vec<_>>(), [crates_io]);
}
