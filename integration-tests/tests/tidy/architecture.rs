//! What `ARCHITECTURE.md` promises: each invariant names the test that guards it.

use crate::repository::{files, sources};
use std::collections::BTreeSet;

/// How the mention of a test begins, or of several.
const MARK: &str = "(test: ";

/// The names of all functions in the sources.
fn functions() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in sources() {
        for rest in file.text.split("fn ").skip(1) {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            names.insert(rest[..end].to_owned());
        }
    }
    names
}

#[test]
fn every_invariant_names_a_test_that_is_there() {
    let text = files().into_iter().find(|file| file.path == "ARCHITECTURE.md").unwrap().text;
    let functions = functions();
    let mentions = text.split(MARK).skip(1).map(|rest| rest.split(')').next().unwrap());
    let names: Vec<_> =
        mentions.flat_map(|mention| mention.split('`').skip(1).step_by(2)).collect();
    // A name may be given with the modules that it is in.
    let is_there = |name: &&&str| functions.contains(name.rsplit("::").next().unwrap());
    let missing: Vec<_> = names.iter().filter(|name| !is_there(name)).collect();
    assert!(missing.is_empty(), "these tests are not there: {missing:#?}");
    assert!(names.len() >= 10, "only {} tests are named", names.len());
}

#[test]
fn every_invariant_names_its_test() {
    let text = files().into_iter().find(|file| file.path == "ARCHITECTURE.md").unwrap().text;
    let section =
        text.split("\n## ").find(|section| section.starts_with("What must stay true")).unwrap();
    let points: Vec<_> = section.split("\n- ").skip(1).collect();
    let unguarded: Vec<_> = points.iter().filter(|point| !point.contains(MARK)).collect();
    assert!(!points.is_empty() && unguarded.is_empty(), "{unguarded:#?}");
}
