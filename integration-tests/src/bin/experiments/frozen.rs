//! E3: a server that is stopped where it stands. Its kernel goes on accepting connections.

use crate::behind::settled;
use crate::load::number;
use crate::passing::most_until;
use crate::run::Run;
use futures_util::future::join_all;
use integration_tests::experiment::Figure;
use integration_tests::{Rig, Subject, connections, reaches};
use qa_pool::{Settings, State};
use qa_servers::Server;
use std::time::Duration;
use tokio::time::Instant;

/// Until a state is reached that is promised within seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Freezes a server under many resources, and thaws it.
pub(crate) async fn server<S: Subject>(run: Run) -> Vec<Figure> {
    let (resources, frozen) = (run.pick(5, 20), run.pick(8, 30));
    let server = Server::start_owned(S::SYSTEM).await.unwrap();
    let url = server.url();
    let rig = |_| Rig::<S>::connected(S::SYSTEM.name(), &url, Settings::default());
    let rigs = join_all((0..resources).map(rig)).await;
    let before = connections(server.port());
    // For RabbitMQ an attempt is two connections.
    let attempt = resources * S::CONNECTIONS.min(2);

    let thaw = Instant::now() + Duration::from_secs(frozen);
    server.freeze().await.unwrap();
    run.progress(&format!("frozen for {frozen} s under {resources} resources"));
    let lost = rigs.iter().map(|rig| reaches(&rig.group, State::Reconnecting, PATIENCE));
    let noticed = join_all(lost).await;
    let most = most_until(thaw, || connections(server.port())).await;

    server.thaw().await.unwrap();
    let ready = rigs.iter().map(|rig| reaches(&rig.group, State::Ready, PATIENCE));
    let back = join_all(ready).await;
    let answers = join_all(rigs.iter().map(|rig| rig.use_it(number()))).await;
    let unanswered = answers.iter().filter(|answer| answer.is_err()).count();
    for rig in rigs {
        rig.close().await;
    }
    let left = settled(0, || connections(server.port())).await;
    server.remove().await;
    vec![
        Figure::seconds("noticed", &noticed).p99_at_most(5.0),
        Figure::seconds("back after the thaw", &back).p99_at_most(2.0),
        Figure::count("unanswered afterwards", unanswered).of(resources).is(0.0),
        Figure::count("most connections while frozen", most)
            .must(&format!("≤ {before} + one attempt each"), most <= before + attempt),
        Figure::count("connections left", left).is(0.0),
    ]
}
