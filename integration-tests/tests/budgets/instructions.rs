//! What ours does for every operation, whatever the server: its instructions.

use crate::budgets;
use crate::callgrind::Counted;
use serde::Deserialize;
use std::collections::BTreeMap;

/// What is counted: as the file calls it, and as the program does.
const COUNTED: [(&str, &str); 3] =
    [("a lease", "lease"), ("a lease, awaited", "awaited"), ("run of nothing", "run")];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Budgets {
    /// The share of a budget by which a count may be away from it.
    tolerance: f64,
    of: BTreeMap<String, Budget>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Budget {
    /// On `x86_64`.
    instructions: f64,
    /// On any processor, at the most.
    arc_clones: f64,
}

impl Budget {
    /// Why a count is not within it.
    fn missed(&self, count: f64, arc_clone: f64, tolerance: f64) -> Option<&'static str> {
        let away = count / self.instructions - 1.0;
        let known = cfg!(target_arch = "x86_64");
        if known && away > tolerance {
            return Some("too many");
        }
        if known && away < -tolerance {
            return Some("fewer: let the file have it");
        }
        (count > self.arc_clones * arc_clone).then_some("too many clones of an Arc")
    }
}

#[test]
fn what_is_done_for_every_operation_has_the_instructions_of_its_budget() {
    let Budgets { tolerance, mut of } = budgets("instructions");
    let counted = Counted::build().unwrap();
    let arc_clone = counted.once("arc").unwrap();
    println!("a clone of an Arc: {arc_clone}");
    let mut missed = Vec::new();
    for (operation, what) in COUNTED {
        let count = counted.once(what).unwrap();
        let clones = count / arc_clone;
        println!("{operation}: {count}, which is {clones:.1} clones of an Arc");
        let budget = of.remove(operation).unwrap();
        if let Some(why) = budget.missed(count, arc_clone, tolerance) {
            missed.push(format!("{operation}: {count} is {why}, where {budget:?}"));
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
    assert!(of.is_empty(), "nobody counts {of:?}");
}

#[test]
fn a_count_is_within_its_budget_up_to_the_tolerance_and_a_number_of_arcs() {
    let budget = Budget { instructions: 200.0, arc_clones: 30.0 };
    assert_eq!(budget.missed(219.0, 8.0, 0.1), None);
    assert_eq!(budget.missed(181.0, 8.0, 0.1), None);
    assert_eq!(budget.missed(219.0, 7.0, 0.1), Some("too many clones of an Arc"));
    if cfg!(target_arch = "x86_64") {
        assert!(budget.missed(221.0, 8.0, 0.1).is_some());
        assert!(budget.missed(179.0, 8.0, 0.1).is_some());
    }
}
