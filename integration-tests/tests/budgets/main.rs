//! What an operation costs, of what repeats: round trips, which the fault proxy counts, what the caller's own
//! task allocates beyond the bare driver, and what callgrind counts of instructions. `budgets.toml` has what
//! it may be; how long it takes is for the benchmarks.

#[path = "../../../benches/shared/callgrind.rs"]
mod callgrind;
mod clickhouse;
mod count;
mod instructions;
mod mongodb;
mod rabbitmq;
mod redis;

use count::Cost;
use integration_tests::{Proxied, Subject};
use qa_pool::Settings;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::time::Duration;

/// What one operation may cost.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Budget {
    /// Exactly: fewer are good news, and the file is to have it.
    round_trips: u64,
    /// At the most.
    allocations: i64,
}

/// A table of the file.
fn budgets<T: DeserializeOwned>(table: &str) -> T {
    let mut file: toml::Table = toml::from_str(include_str!("budgets.toml")).unwrap();
    file.remove(table).unwrap().try_into().unwrap()
}

/// One that nobody pings meanwhile.
async fn quiet<S: Subject>(name: &str) -> Proxied<S> {
    let health_interval = Duration::from_secs(3600);
    Proxied::connected(name, Settings { health_interval, ..Settings::default() }).await
}

/// Each cost is within its budget, and each budget is somebody's.
fn hold(system: &str, costs: &[(&str, Cost)]) {
    let mut budgets: BTreeMap<String, Budget> = budgets(system);
    let mut missed = Vec::new();
    for (operation, cost) in costs {
        println!("{system}, {operation}: {cost:?}");
        match budgets.remove(*operation) {
            Some(budget)
                if cost.round_trips == budget.round_trips
                    && cost.allocations <= budget.allocations => {}
            budget => missed.push(format!("{operation}: {cost:?}, where {budget:?}")),
        }
    }
    assert!(missed.is_empty(), "{system}: {missed:#?}");
    assert!(budgets.is_empty(), "{system}: nobody measures {budgets:?}");
}
