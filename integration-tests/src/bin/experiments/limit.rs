//! E30: a server that is full.

use crate::load::number;
use crate::passing::most_until;
use crate::run::Run;
use futures_util::future::join_all;
use integration_tests::experiment::Figure;
use integration_tests::{Rig, Subject, connections, eventually, reaches};
use qa_pool::core::{DIAL_LIMIT, Recovery};
use qa_pool::{Backend, ErrorKind, Group, Settings, State};
use qa_servers::proxy::FaultProxy;
use qa_servers::{Options, Server, System};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Until something is there that is promised within seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Half of the resources have all that the server gives; the other half wants in.
pub(crate) async fn full<S: Subject>(run: Run) -> Vec<Figure> {
    let (size, watched) = (run.pick(4, 20), Duration::from_secs(run.pick(5, 20)));
    let time = watched + Duration::from_secs(2);
    // An operation that keeps its place for the whole time is not one that takes too long.
    let settings = Settings { operation_timeout: time + PATIENCE, ..Settings::default() };
    let (server, url) = full_at::<S>(size * S::CONNECTIONS).await;
    let proxy = FaultProxy::open(server.port()).await;
    let way_in = proxy.url(&url);
    let inside =
        join_all((0..size).map(|_| Rig::<S>::connected("inside", &url, settings.clone()))).await;
    let mut places = JoinSet::new();
    for rig in &inside {
        let group = rig.group.clone();
        places.spawn(async move { keep_a_place::<S>(&group, time).await });
    }
    let full = async || S::SYSTEM != System::ClickHouse || inside[0].echo(number()).await.is_err();
    eventually("all places are taken", PATIENCE, full).await;

    run.progress(&format!("{size} resources want into a full server for {watched:?}"));
    let outside: Vec<_> = (0..size).map(|_| Rig::<S>::new("outside", &way_in, patient())).collect();
    let mut connects = JoinSet::new();
    for rig in &outside {
        let pool = rig.pool.clone();
        connects.spawn(async move { pool.connect().await });
    }
    let end = Instant::now() + watched;
    let at_once = most_until(end.into(), || connections(proxy.port())).await;
    let dials = proxy.counts().accepted;
    let told = outside.iter().filter(|rig| says_full(rig)).count();
    let hurt = places.join_all().await.into_iter().filter(|well| !well).count();

    join_all(inside.into_iter().map(Rig::close)).await;
    let ready = outside.iter().map(|rig| reaches(&rig.group, State::Ready, PATIENCE));
    let ready = join_all(ready).await;
    connects.join_all().await;
    join_all(outside.into_iter().map(Rig::close)).await;
    drop(server);

    let all = size * S::CONNECTIONS;
    let rate = f64::from(u32::try_from(dials).unwrap_or(u32::MAX))
        / f64::from(u32::try_from(all).unwrap_or(u32::MAX))
        / watched.as_secs_f64();
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

/// Has a place for so long; whether it kept it. Where a ping has it at the moment, it is asked for
/// again.
async fn keep_a_place<S: Subject>(group: &Group<S::Backend>, time: Duration) -> bool {
    loop {
        match S::occupy(group, time).await {
            Err(error) if error.kind() == ErrorKind::Overloaded => {}
            kept => return kept.is_ok(),
        }
    }
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
    let limits = ["limit", "max number of clients", "too many simultaneous queries"];
    let named = limits.iter().any(|words| text.contains(words));
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
