//! Who may depend on whom.

use crate::repository::{metadata, output};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const CORE: &str = "qa-resource-core";
const POOL: &str = "qa-pool";
const SERVERS: &str = "qa-servers";
const ENDS: [&str; 4] = ["qa-cli", "integration-tests", "benches", "programs"];

/// Each backend with the driver that it alone may know.
const BACKENDS: [(&str, &str); 4] = [
    ("qa-mongo", "mongodb"),
    ("qa-amqp", "lapin"),
    ("qa-clickhouse", "clickhouse"),
    ("qa-redis", "redis"),
];

/// The resolved graph, by name; a package of several versions counts as one.
struct Graph {
    ours: BTreeSet<String>,
    /// What ships: neither for tests nor for build scripts.
    normal: BTreeMap<String, BTreeSet<String>>,
    /// Everything that is depended on for any purpose.
    any: BTreeMap<String, BTreeSet<String>>,
    rust_versions: BTreeMap<String, Vec<String>>,
}

impl Graph {
    fn read() -> Self {
        let metadata = metadata();
        let (mut names, mut rust_versions) = (BTreeMap::new(), BTreeMap::<_, Vec<_>>::new());
        for package in metadata["packages"].as_array().unwrap() {
            let name = package["name"].as_str().unwrap().to_owned();
            let rust = package["rust_version"].as_str().map(str::to_owned);
            rust_versions.entry(name.clone()).or_default().extend(rust);
            names.insert(package["id"].as_str().unwrap().to_owned(), name);
        }
        let name = |id: &Value| names[id.as_str().unwrap()].clone();
        let ours = metadata["workspace_members"].as_array().unwrap().iter().map(name).collect();
        let (mut normal, mut any) =
            (BTreeMap::<_, BTreeSet<_>>::new(), BTreeMap::<_, BTreeSet<_>>::new());
        for node in metadata["resolve"]["nodes"].as_array().unwrap() {
            let from = name(&node["id"]);
            for dependency in node["deps"].as_array().unwrap() {
                let to = name(&dependency["pkg"]);
                any.entry(from.clone()).or_default().insert(to.clone());
                let kinds = dependency["dep_kinds"].as_array().unwrap();
                if kinds.iter().any(|kind| kind["kind"].is_null()) {
                    normal.entry(from.clone()).or_default().insert(to);
                }
            }
        }
        Self { ours, normal, any, rust_versions }
    }

    /// Everything that `package` ships, directly or not.
    fn shipped_by(&self, package: &str) -> BTreeSet<String> {
        let (mut seen, mut next) = (BTreeSet::new(), vec![package.to_owned()]);
        while let Some(package) = next.pop() {
            for dependency in self.normal.get(&package).into_iter().flatten() {
                if seen.insert(dependency.clone()) {
                    next.push(dependency.clone());
                }
            }
        }
        seen
    }

    /// The crates of this workspace among what `package` ships.
    fn ours_in(&self, package: &str) -> BTreeSet<String> {
        self.shipped_by(package).intersection(&self.ours).cloned().collect()
    }

    fn drivers_in(&self, package: &str) -> Vec<&'static str> {
        let shipped = self.shipped_by(package);
        drivers().filter(|driver| shipped.contains(*driver)).collect()
    }
}

fn drivers() -> impl Iterator<Item = &'static str> {
    BACKENDS.into_iter().map(|(_, driver)| driver)
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn the_core_knows_no_driver_and_none_of_us() {
    let graph = Graph::read();
    assert_eq!(graph.ours_in(CORE), set(&[]));
    assert!(graph.drivers_in(CORE).is_empty());
}

#[test]
fn a_backend_knows_the_core_and_its_own_driver() {
    let graph = Graph::read();
    for (backend, driver) in BACKENDS {
        assert_eq!(graph.ours_in(backend), set(&[CORE]), "{backend}");
        assert_eq!(graph.drivers_in(backend), [driver], "{backend}");
    }
}

#[test]
fn only_the_pool_knows_all_backends_and_only_the_ends_know_the_pool() {
    let graph = Graph::read();
    let backends = BACKENDS.map(|(backend, _)| backend);
    assert_eq!(graph.ours_in(POOL), set(&[&backends[..], &[CORE]].concat()));
    for package in graph.ours.iter().filter(|package| !ENDS.contains(&package.as_str())) {
        let all = backends.iter().all(|backend| graph.ours_in(package).contains(*backend));
        assert_eq!(all, package == POOL, "{package}");
        assert!(!graph.ours_in(package).contains(POOL), "{package}");
    }
}

#[test]
fn the_servers_know_none_of_us_and_only_the_ends_ship_them() {
    let graph = Graph::read();
    let known: BTreeSet<_> = graph.any[SERVERS].intersection(&graph.ours).collect();
    assert!(known.is_empty(), "{known:?}");
    for package in graph.ours.iter().filter(|package| !ENDS.contains(&package.as_str())) {
        assert!(!graph.ours_in(package).contains(SERVERS), "{package}");
    }
}

#[test]
fn nothing_depends_on_the_ends() {
    let graph = Graph::read();
    for (package, dependencies) in &graph.any {
        for end in ENDS {
            assert!(!dependencies.contains(end), "{package} depends on {end}");
        }
    }
}

#[test]
fn the_declared_rust_version_is_enough_for_everything_that_ships() {
    let graph = Graph::read();
    for package in &graph.ours {
        let declared = graph.rust_versions[package].first();
        let declared = declared.unwrap_or_else(|| panic!("{package} declares no rust-version"));
        for dependency in graph.shipped_by(package) {
            for needed in &graph.rust_versions[&dependency] {
                let enough = number(needed) <= number(declared);
                assert!(enough, "{dependency} needs {needed}, {package} declares {declared}");
            }
        }
    }
}

/// `1.85` as `[1, 85, 0]`, to be compared.
fn number(version: &str) -> [u32; 3] {
    let mut parts = version.split('.').map(|part| part.parse().unwrap());
    [(); 3].map(|()| parts.next().unwrap_or(0))
}

/// The names of what the pool ships with these features and no others.
fn tree(features: &str) -> BTreeSet<String> {
    let arguments = [
        "tree",
        "--locked",
        "-p",
        POOL,
        "--no-default-features",
        "--features",
        features,
        "-e",
        "normal",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ];
    let tree = output(env!("CARGO"), &arguments);
    tree.lines().filter_map(|line| line.split(' ').next().map(str::to_owned)).collect()
}

#[test]
fn a_pool_without_features_holds_no_driver() {
    let tree = tree("");
    assert!(tree.contains(CORE), "{tree:?}");
    for (backend, driver) in BACKENDS {
        assert!(!tree.contains(backend) && !tree.contains(driver), "{tree:?}");
    }
}

#[test]
fn each_backend_s_feature_brings_its_own_driver_alone() {
    for (backend, driver) in BACKENDS {
        let tree = tree(backend.trim_start_matches("qa-"));
        assert!(tree.contains(backend) && tree.contains(driver), "{backend}");
        let others: Vec<_> = drivers().filter(|other| tree.contains(*other)).collect();
        assert_eq!(others, [driver], "{backend}");
    }
}

/// TLS is for the backends that are on: by itself it turns none on.
#[test]
fn the_feature_tls_brings_no_driver() {
    let tree = tree("tls");
    assert!(tree.contains("rustls"), "{tree:?}");
    assert!(drivers().all(|driver| !tree.contains(driver)), "{tree:?}");
}
