//! What the states of resources did, and why.

use futures_util::FutureExt;
use integration_tests::experiment::Figure;
use qa_pool::core::{Transition, Watch};
use qa_pool::{Backend, State};
use std::collections::BTreeMap;

/// The state changes that a watch has seen so far and nobody has taken yet.
pub(crate) fn changes<B: Backend>(watch: &mut Watch<B>) -> Vec<Transition> {
    std::iter::from_fn(|| watch.next().now_or_never().flatten()).collect()
}

/// The states of [`changes`].
pub(crate) fn seen<B: Backend>(watch: &mut Watch<B>) -> Vec<State> {
    changes(watch).iter().map(|change| change.to).collect()
}

/// Says of a figure that misses its criterion how often a connection was lost, and why.
pub(crate) fn because(figure: Figure, changes: &[Transition]) -> Figure {
    let lost = changes.iter().filter(|change| change.to == State::Reconnecting);
    let mut causes = BTreeMap::<_, usize>::new();
    for cause in lost.filter_map(|change| change.cause.as_ref()) {
        *causes.entry(cause.message()).or_default() += 1;
    }
    if figure.pass || causes.is_empty() {
        return figure;
    }
    let causes: Vec<_> = causes.iter().map(|(cause, count)| format!("{count} × {cause}")).collect();
    figure.note(format!("lost: {}", causes.join("; ")))
}
