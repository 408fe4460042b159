//! E23: a canary as user and password, in query values and in a key, and everything that can be
//! read searched for it.

use crate::run::Run;
use integration_tests::experiment::Figure;
use integration_tests::secrets::{Admit, FILTER, Output};

/// A life of canaries; it is the same in the short form.
pub(crate) async fn life<S: Admit>(run: Run) -> Vec<Figure> {
    let output = Output::of_a_life::<S>().await;
    let Output { said, log, metrics, .. } = &output;
    // Else there was nothing to search.
    assert!(log.contains(" qa_resource_core::") && metrics.contains("qa.resource"), "{metrics}");
    assert!(said.contains("no sign of life") && said.contains("127.0.0.1"), "{said}");
    let figure = |what: &str, part: &str| {
        let hits = output.hits(part);
        for hit in hits.iter().take(3) {
            run.progress(&format!("{what}: {hit}"));
        }
        Figure::count(what, hits.len()).of(part.lines().count()).is(0.0)
    };
    vec![
        figure("hits in what is said", said).note(
            "Debug, Display and every cause of every error; a canary is searched for as it is, \
             percent-encoded, in base64 and hexadecimal, and as bytes. n is the lines searched",
        ),
        figure("hits in the log and its spans", log).note(format!(
            "filtered by `{FILTER}`: what these two drivers write by themselves is on the front \
             pages of qa-amqp and qa-clickhouse"
        )),
        figure("hits in metrics and their labels", metrics),
    ]
}
