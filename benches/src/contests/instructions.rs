//! A part of B1: a lease and an empty operation, in instructions. The budgets of the tests hold the same counts.

use crate::bench::Bench;
use crate::callgrind::Counted;
use crate::contest::{Contest, Doing, Party};
use anyhow::Result;
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// What is counted: what is done, by what of ours, and as the program calls it.
const COUNTED: [(&str, &str, &str); 3] = [
    ("acquire and drop", "a lease", "lease"),
    ("awaited", "a lease", "awaited"),
    ("run of nothing", "an operation", "run"),
];

pub(super) async fn hold(bench: &mut Bench) -> Result<()> {
    let counted = Arc::new(spawn_blocking(Counted::build).await??);
    for (words, ours, what) in COUNTED {
        let title = format!("{words}, counted");
        let contest = Contest::new(title, &["instructions"], ours, party(&counted, what))
            .beside("a clone of an Arc", &[], party(&counted, "arc"))
            .cold()
            .rounds_at_most(10);
        bench.hold(contest).await?;
    }
    Ok(())
}

fn party(counted: &Arc<Counted>, what: &'static str) -> impl Party + 'static {
    let counted = Arc::clone(counted);
    Doing(move || {
        let counted = Arc::clone(&counted);
        async move { Ok(vec![spawn_blocking(move || counted.once(what)).await??]) }
    })
}
