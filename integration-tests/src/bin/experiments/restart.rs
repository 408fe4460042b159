//! E4: a server that is killed and started again, over and over, under load.

use crate::behind::settled;
use crate::load::{Load, Operation, number};
use crate::passing::{settles, until};
use crate::run::Run;
use futures_util::future::join_all;
use integration_tests::experiment::Figure;
use integration_tests::{Rig, Subject, connections, eventually};
use qa_pool::{Error, Settings};
use qa_servers::Server;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// The longest delays between two attempts that are tried, the default and a shorter one.
const CAPS: [u64; 2] = [5, 2];

/// Until something is there that is promised within seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// How far from an outage its errors may be, and how long after it the next one begins.
const MARGIN: Duration = Duration::from_secs(1);

/// So many characters of what an error says are shown.
const SAID: usize = 200;

/// One outage: from the kill until the server let somebody in again.
struct Outage {
    killed: Instant,
    opened: Instant,
    /// When a plain login, tried over and over without the library, was first answered.
    let_in: Instant,
}

/// What one load has seen of an outage.
struct Seen {
    killed: Instant,
    back: Instant,
    /// From the first login that anybody got to the first success.
    wait: Duration,
}

/// Kills a server again and again under load.
pub(crate) async fn crash<S: Subject>(run: Run) -> Vec<Figure> {
    let (kills, down, rate) = (run.pick(2, 20), run.pick(2, 10), run.pick(20, 100));
    let server = Server::start_owned(S::SYSTEM).await.unwrap();
    let url = server.url();
    let rig = |cap| Rig::<S>::connected(S::SYSTEM.name(), &url, capped(cap));
    let rigs = join_all(CAPS.map(rig)).await;
    let before = connections(server.port());
    // The first questions to a server may take it seconds, and are not to wait for the first kill.
    for echoed in join_all((0..rate).flat_map(|_| rigs.iter().map(|rig| rig.echo(number())))).await
    {
        echoed.unwrap();
    }
    let loads: Vec<_> = rigs.iter().map(|rig| Load::start::<S>(&rig.group, rate)).collect();

    let mut outages = Vec::new();
    for kill in 1..=kills {
        run.progress(&format!("kill {kill} of {kills}, down for {down} s"));
        until((Instant::now() + 2 * MARGIN).into()).await;
        outages.push(outage(&server, &rigs, Duration::from_secs(down)).await);
    }
    until((Instant::now() + 2 * MARGIN).into()).await;

    let mut figures = Vec::new();
    let (mut errors, mut outside) = (0, Vec::new());
    for (load, cap) in loads.into_iter().zip(CAPS) {
        let operations = load.stop(PATIENCE).await.expect("every operation ends");
        let seen: Vec<_> = outages.iter().map(|outage| outage.seen_by(&operations)).collect();
        let waits: Vec<_> = seen.iter().map(|seen| seen.wait).collect();
        let limit = Duration::from_secs(cap) + MARGIN;
        let figure = Figure::seconds(&format!("first success, delays ≤ {cap} s"), &waits);
        figures.push(figure.p99_at_most(limit.as_secs_f64()));
        let failed = operations.iter().filter(|operation| operation.error.is_some());
        let far = |error: &&Operation| !seen.iter().any(|seen| seen.covers(error));
        errors += failed.clone().count();
        outside.extend(failed.filter(far).map(|error| surprise(error, &seen)));
    }
    let booting: Vec<_> = outages.iter().map(|outage| outage.let_in - outage.opened).collect();
    figures.push(
        Figure::seconds("from the open port to the first login", &booting)
            .note("of a plain client; the first success is counted from there"),
    );
    let figure = Figure::count("errors outside of an outage ± 1 s", outside.len()).of(errors);
    figures.push(told(figure.is(0.0), outside));
    figures.push(beyond_baseline::<S>(&server, rigs.len(), before).await);
    for rig in rigs {
        rig.close().await;
    }
    let left = settled(0, || connections(server.port())).await;
    figures.push(Figure::count("connections left", left).is(0.0));
    server.remove().await;
    figures
}

/// What kind of failure it was, how many whole seconds after the first success since the last
/// outage, and what it said.
fn surprise(operation: &Operation, seen: &[Seen]) -> (String, String) {
    let after =
        seen.iter().filter_map(|seen| operation.due.checked_duration_since(seen.back)).min();
    let when =
        after.map_or("before any".to_owned(), |after| format!("{} s after", after.as_secs()));
    let kind = operation.error.as_ref().map_or("none", |error| error.kind().as_str());
    let said = operation.error.as_ref().map_or("", Error::message);
    (format!("{when}: {kind}"), said.chars().take(SAID).collect())
}

/// Notes how often there was which kind, and what one of each said.
fn told(figure: Figure, what: Vec<(String, String)>) -> Figure {
    let mut kinds = BTreeMap::<_, (usize, String)>::new();
    for (kind, said) in what {
        kinds.entry(kind).or_insert((0, said)).0 += 1;
    }
    let one = |(kind, (count, said)): (&String, &(usize, String))| {
        format!("{count} × {kind}, such as `{said}`")
    };
    let kinds: Vec<_> = kinds.iter().map(one).collect();
    if kinds.is_empty() { figure } else { figure.note(kinds.join("; ")) }
}

fn capped(seconds: u64) -> Settings {
    Settings { backoff_cap: Duration::from_secs(seconds), ..Settings::default() }
}

async fn outage<S: Subject>(server: &Server, rigs: &[Rig<S>], down: Duration) -> Outage {
    let killed = Instant::now();
    server.kill().await.unwrap();
    until((killed + down).into()).await;
    let let_in = async {
        server.start_again().await.unwrap();
        Instant::now()
    };
    let (let_in, opened) = tokio::join!(let_in, opened(server.port()));
    for rig in rigs {
        eventually("it answers again", PATIENCE, async || rig.echo(number()).await.is_ok()).await;
    }
    Outage { killed, opened: opened.min(let_in), let_in }
}

/// When the port is open again.
async fn opened(port: u16) -> Instant {
    let open = async || TcpStream::connect(("127.0.0.1", port)).await.is_ok();
    eventually("its port is open", PATIENCE, open).await;
    Instant::now()
}

/// What the resources hold once the load is over, above what they held before it.
async fn beyond_baseline<S: Subject>(server: &Server, rigs: usize, before: usize) -> Figure {
    let pooled = S::MOST_CONNECTIONS > S::CONNECTIONS;
    let now = settles(before, PATIENCE / 3, || connections(server.port())).await;
    let beyond = now.saturating_sub(before);
    let figure = Figure::count("connections beyond the baseline", beyond);
    if beyond == 0 || !pooled {
        return figure.is(0.0);
    }
    let most = rigs * S::MOST_CONNECTIONS;
    figure
        .must("within the driver's pool", now <= most)
        .note(format!("the driver's pool grows with the operations that waited, {most} at most"))
}

impl Outage {
    fn seen_by(&self, operations: &[Operation]) -> Seen {
        let Self { killed, opened, let_in } = *self;
        let succeeded = operations.iter().filter(|operation| operation.error.is_none());
        let first = succeeded.map(Operation::ended).filter(|ended| *ended >= opened).min();
        let first = first.expect("it answered again");
        Seen { killed, back: first, wait: first.saturating_duration_since(let_in) }
    }
}

impl Seen {
    fn covers(&self, operation: &Operation) -> bool {
        operation.due + MARGIN >= self.killed && operation.ended() <= self.back + MARGIN
    }
}
