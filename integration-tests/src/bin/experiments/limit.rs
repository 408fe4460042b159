//! E30: a server that is full.

use crate::load::number;
use crate::passing::most_until;
use crate::run::Run;
use futures_util::future::join_all;
use integration_tests::experiment::Figure;
use integration_tests::{Rig, Subject, connections, reaches};
use qa_pool::core::{DIAL_LIMIT, Recovery};
use qa_pool::{Backend, ErrorKind, Settings, State};
use qa_servers::proxy::FaultProxy;
use qa_servers::{Options, Server, System};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Until something is there that is promised within seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Half of the resources have all that the server gives; the other half wants in.
pub(crate) async fn full<S: Subject>(run: Run) -> Vec<Figure> {
    let (size, time) = (run.pick(4, 20), Duration::from_secs(run.pick(5, 20)));
    let (server, url) = full_at::<S>(size * S::CONNECTIONS).await;
    let proxy = FaultProxy::open(server.port()).await;
    let way_in = proxy.url(&url);
    let inside =
        join_all((0..size).map(|_| Rig::<S>::connected("inside", &url, Settings::default())));
    let inside = inside.await;

    run.progress(&format!("{size} resources want into a full server for {time:?}"));
    let outside: Vec<_> = (0..size).map(|_| Rig::<S>::new("outside", &way_in, patient())).collect();
    let mut connects = JoinSet::new();
    for rig in &outside {
        let pool = rig.pool.clone();
        connects.spawn(async move { pool.connect().await });
    }
    let end = Instant::now() + time;
    let at_once = most_until(end.into(), || connections(proxy.port())).await;
    let dials = proxy.counts().accepted;
    let told = outside.iter().filter(|rig| says_full(rig)).count();
    let answers = join_all(inside.iter().map(|rig| rig.echo(number()))).await;
    let hurt = answers.iter().filter(|answer| answer.is_err()).count();

    join_all(inside.into_iter().map(Rig::close)).await;
    let ready = outside.iter().map(|rig| reaches(&rig.group, State::Ready, PATIENCE));
    let ready = join_all(ready).await;
    connects.join_all().await;
    join_all(outside.into_iter().map(Rig::close)).await;
    drop(server);

    let all = size * S::CONNECTIONS;
    let rate = f64::from(u32::try_from(dials).unwrap_or(u32::MAX))
        / f64::from(u32::try_from(all).unwrap_or(u32::MAX))
        / time.as_secs_f64();
    vec![
        Figure::count("connections under way at once", at_once)
            .of(size)
            .at_most(f64::from(u32::try_from(DIAL_LIMIT.min(size) * S::CONNECTIONS).unwrap())),
        Figure::new("dials per connection and second", "/s", &[rate]).of(size).at_most(2.0),
        naming::<S>(told, size),
        Figure::count("those inside that were hurt", hurt).of(size).is(0.0),
        Figure::seconds("in, once there was room", &ready).p99_at_most(6.0),
    ]
}

/// A server that serves so many connections, or a corner of one.
async fn full_at<S: Subject>(connections: usize) -> (Server, String) {
    if S::SYSTEM != System::RabbitMq {
        let most_clients = u32::try_from(connections).ok();
        let options = Options { owned: true, most_clients, ..Options::default() };
        let server = Server::start_with(S::SYSTEM, options).await.unwrap();
        let url = server.url();
        return (server, url);
    }
    let server = Server::start(S::SYSTEM).await.unwrap();
    let url = S::url(&server, "full").await;
    let limit = format!(r#"{{"value": {connections}}}"#);
    server.manage("PUT", "/api/vhost-limits/full/max-connections", &limit).await.unwrap();
    (server, url)
}

fn patient() -> Settings {
    Settings { connect_attempts: u32::MAX, connect_deadline: PATIENCE * 2, ..Settings::default() }
}

fn says_full<S: Subject>(rig: &Rig<S>) -> bool {
    let Some(error) = rig.status().last_error else { return false };
    let text = error.message().to_lowercase();
    let named = ["limit", "max number of clients"].iter().any(|words| text.contains(words));
    named && error.kind() == ErrorKind::Overloaded
}

/// How many errors name the limit; a server that closes without a word leaves nothing to name.
fn naming<S: Subject>(told: usize, size: usize) -> Figure {
    let figure = Figure::share("errors that name the limit", told, size);
    if S::Backend::RECOVERY == Recovery::Driver {
        return figure.note("the server closes without a word; only its own log names the limit");
    }
    figure.is(100.0)
}
