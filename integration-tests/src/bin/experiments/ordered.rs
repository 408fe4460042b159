//! E17: the shutdown of all four, one of which hangs.

use crate::load::number;
use crate::run::Run;
use futures_util::future::{BoxFuture, join_all};
use integration_tests::experiment::Figure;
use integration_tests::{ClickHouse, MongoDb, RabbitMq, Redis, Subject, connections, within};
use qa_pool::core::Target;
use qa_pool::{Config, ErrorKind, Group, ResourceConfig, ResourcePool, Settings, ShutdownReport};
use qa_servers::Server;
use qa_servers::proxy::{FaultProxy, Faults, Way};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// What the shutdown is given.
const DEADLINE: Duration = Duration::from_secs(8);

/// What it may be exceeded by.
const MARGIN: Duration = Duration::from_millis(250);

/// Operations in flight on each member when it comes: 200 in all.
const IN_FLIGHT: usize = 50;

/// Connections that a pool is to have beyond those, for what else asks: the health's ping.
const SPARE: usize = 10;

/// Acquires that come too late, on each member.
const LATE: usize = 25;

/// Each way, so that operations are in flight.
const LATENCY: Duration = Duration::from_millis(50);

/// Longer than a dial takes while nothing is slow.
const DIAL: Duration = Duration::from_millis(500);

/// Until something that is promised within seconds is so.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is not seen for so long is gone: longer than a driver takes to dial again.
const FOR_GOOD: Duration = Duration::from_secs(1);

/// What ends within so short a time may be seen in any order.
const RESOLUTION: Duration = Duration::from_millis(20);

/// Or requests would end by themselves after 2 s, and nothing be left that hangs.
const REDIS_WAITS: &str = "?response_timeout=30s";

/// Each system's member, in the order in which they are added.
const MEMBERS: usize = 4;

/// The place of MongoDB among them, whose driver has a pool of connections.
const MONGODB: usize = 2;

/// A member, its server, and what is between the two.
struct Member {
    name: &'static str,
    server: Server,
    proxy: FaultProxy,
    url: String,
}

/// What was seen of one shutdown.
struct Seen {
    took: Duration,
    unclean: usize,
    out_of_order: usize,
    unfinished: usize,
    late: Vec<Duration>,
    otherwise: usize,
    unnamed: usize,
    left: Vec<(&'static str, usize)>,
    gone: Duration,
}

/// Shuts the four down, as often as there are members, and each time another one hangs.
pub(crate) async fn shutdown(run: Run) -> Vec<Figure> {
    let members: [Member; MEMBERS] = tokio::join!(
        member::<Redis>(REDIS_WAITS),
        member::<RabbitMq>(""),
        member::<MongoDb>(""),
        member::<ClickHouse>("")
    )
    .into();
    let mut seen = Vec::new();
    for round in 0..run.pick(1, 5) {
        for hung in 0..MEMBERS {
            run.progress(&format!("round {round}: {} hangs", members[hung].name));
            let seen_now = one(&members, hung).await;
            if !seen_now.left.is_empty() {
                run.progress(&format!("connections left: {:?}", seen_now.left));
            }
            seen.push(seen_now);
        }
    }
    for member in members {
        member.server.remove().await;
    }
    figures(&seen)
}

fn figures(seen: &[Seen]) -> Vec<Figure> {
    let sum = |what: fn(&Seen) -> usize| seen.iter().map(what).sum::<usize>();
    let (n, others) = (seen.len(), seen.len() * (MEMBERS - 1));
    let took: Vec<_> = seen.iter().map(|seen| seen.took).collect();
    let late: Vec<_> = seen.iter().flat_map(|seen| seen.late.iter().copied()).collect();
    let gone: Vec<_> = seen.iter().map(|seen| seen.gone).collect();
    let otherwise = sum(|seen| seen.otherwise);
    vec![
        Figure::seconds("total", &took).at_most((DEADLINE + MARGIN).as_secs_f64()).note(
            "the deadline is 8 s; each of the four hangs in turn (its server is stopped), with 50 \
             operations in flight on each",
        ),
        Figure::count("others not closed cleanly", sum(|seen| seen.unclean)).of(others).is(0.0),
        Figure::count("closed out of order", sum(|seen| seen.out_of_order)).of(n).is(0.0).note(
            "by the report, and for those that do not hang by when the last connection ended, as a \
             proxy saw it",
        ),
        Figure::count("in flight and not finished", sum(|seen| seen.unfinished))
            .of(others * IN_FLIGHT)
            .is(0.0)
            .note("of those on members that do not hang"),
        Figure::seconds("late acquire refused", &late)
            .p99_at_most(0.001)
            .must("each as closed", otherwise == 0)
            .note("from when its member drains: until then a lease is given, to finish with"),
        Figure::count("reports that do not name the culprit", sum(|seen| seen.unnamed))
            .of(n)
            .is(0.0),
        Figure::count(
            "connections left",
            sum(|seen| seen.left.iter().map(|(_, count)| count).sum()),
        )
        .of(n)
        .is(0.0)
        .note(
            "no dial of MongoDB's driver is under way when its server is stopped: its login has no \
             limit, and would stay until the server goes on",
        ),
        Figure::seconds("last connection gone after", &gone)
            .note("the server being stopped still; MongoDB's driver waits for its monitors"),
    ]
}

/// `query` is added to the URL.
async fn member<S: Subject>(query: &str) -> Member {
    let server = Server::start_owned(S::SYSTEM).await.unwrap();
    let proxy = FaultProxy::open(server.port()).await;
    let url = proxy.url(&S::url(&server, "ordered").await) + query;
    Member { name: S::SYSTEM.name(), server, proxy, url }
}

/// A pool with all members, not connected yet.
fn pool_of(members: &[Member]) -> ResourcePool {
    // No member's own bound is to have some of them wait in line.
    let max_in_flight = u32::try_from(IN_FLIGHT + SPARE).ok();
    let resource = |member: &Member| ResourceConfig {
        target: Target::parse(member.name, &member.url).unwrap(),
        settings: Settings { max_in_flight, ..Settings::default() },
        required: true,
        group: None,
    };
    let resources = members.iter().map(resource).collect();
    ResourcePool::from_config(&Config {
        resources,
        shutdown_timeout: DEADLINE,
        ..Config::default()
    })
    .unwrap()
}

/// One shutdown.
async fn one(members: &[Member; MEMBERS], hung: usize) -> Seen {
    let pool = pool_of(members);
    pool.connect().await.unwrap();
    has_its_connections(&pool, members).await;
    for member in members {
        member.proxy.set(Faults::both(Way { latency: LATENCY, ..Way::default() }));
    }
    members[hung].server.freeze().await.unwrap();
    let operations = in_flight(&pool, IN_FLIGHT);
    within("they are in flight", PATIENCE, async {
        while pool.status().iter().any(|status| status.leases < IN_FLIGHT) {
            tokio::task::yield_now().await;
        }
    })
    .await;

    let late = late_acquires(&pool);
    let (began, close) = (Instant::now(), pool.close(DEADLINE));
    let close = async { (close.await, began.elapsed()) };
    let others = members.iter().enumerate().filter(|(nth, _)| *nth != hung);
    let ended = join_all(others.map(|(_, member)| last_connection(&member.proxy)));
    let ((report, took), ended) = tokio::join!(close, ended);

    let late = join_all(late).await.into_iter().flat_map(Result::unwrap).collect::<Vec<_>>();
    let mut unfinished = 0;
    for (nth, operations) in operations.into_iter().enumerate() {
        for operation in operations {
            if nth == hung {
                // Nobody is left to answer; it holds its lease and with it the client.
                operation.abort();
            }
            let finished = operation.await.is_ok_and(|finished| finished);
            unfinished += usize::from(nth != hung && !finished);
        }
    }
    let began = Instant::now();
    let (left, last_seen) = left(members).await;
    let gone = last_seen - began;
    members[hung].server.thaw().await.unwrap();
    for member in members {
        member.proxy.heal();
    }
    Seen {
        took,
        unclean: report.resources.iter().filter(|one| !one.is_clean()).count()
            - usize::from(is_named(&report, members[hung].name)),
        out_of_order: usize::from(!in_order(members, &report, &ended)),
        unfinished,
        otherwise: late.iter().filter(|(_, kind)| *kind != Some(ErrorKind::Closed)).count(),
        late: late.into_iter().map(|(took, _)| took).collect(),
        unnamed: usize::from(!is_named(&report, members[hung].name)),
        left,
        gone,
    }
}

/// Asks until those with a pool of connections have them, with some to spare, and no dial of MongoDB's
/// driver is under way any more, nor will be: it has no limit for a login, and one that is under way
/// when its server is stopped stays until the server goes on or goes.
async fn has_its_connections(pool: &ResourcePool, members: &[Member; MEMBERS]) {
    let count = || connections(members[MONGODB].proxy.port());
    within("the connections are there", PATIENCE, async {
        let (mut seen, mut since) = (count(), Instant::now());
        while since.elapsed() < DIAL {
            join_all(in_flight(pool, IN_FLIGHT + SPARE).into_iter().flatten()).await;
            if count() != seen {
                (seen, since) = (count(), Instant::now());
            }
        }
    })
    .await;
}

fn is_named(report: &ShutdownReport, culprit: &str) -> bool {
    report.resources.iter().any(|one| &*one.resource == culprit && !one.is_clean())
}

/// Whether the report has the last added first, and so have the connections of those that do not
/// hang: `ended` says when, in the order in which they were added.
fn in_order(members: &[Member], report: &ShutdownReport, ended: &[Option<Instant>]) -> bool {
    let reported = report.resources.iter().map(|one| &*one.resource);
    let by_report = reported.eq(members.iter().rev().map(|member| member.name));
    let ended: Option<Vec<_>> = ended.iter().rev().copied().collect();
    by_report
        && ended.is_some_and(|ended| ended.is_sorted_by(|one, next| *one <= *next + RESOLUTION))
}

/// So many operations on every member, a list each, in the order of the members.
fn in_flight(pool: &ResourcePool, count: usize) -> [Vec<JoinHandle<bool>>; MEMBERS] {
    [
        ask::<Redis>(pool, count),
        ask::<RabbitMq>(pool, count),
        ask::<MongoDb>(pool, count),
        ask::<ClickHouse>(pool, count),
    ]
}

fn group<S: Subject>(pool: &ResourcePool) -> Group<S::Backend> {
    pool.get(S::SYSTEM.name()).unwrap()
}

/// Whether each of many operations was answered, and rightly.
fn ask<S: Subject>(pool: &ResourcePool, count: usize) -> Vec<JoinHandle<bool>> {
    let group = group::<S>(pool);
    let one = |_| {
        let (group, number) = (group.clone(), number());
        tokio::spawn(async move { S::echo(&group, number).await.is_ok_and(|it| it == number) })
    };
    (0..count).map(one).collect()
}

/// How long an acquire took, and how it failed.
type Late = (Duration, Option<ErrorKind>);

/// Tasks that acquire from each member once that drains.
fn late_acquires(pool: &ResourcePool) -> Vec<JoinHandle<Vec<Late>>> {
    let tasks: [BoxFuture<'static, Vec<Late>>; MEMBERS] = [
        Box::pin(acquire_late::<Redis>(group::<Redis>(pool))),
        Box::pin(acquire_late::<RabbitMq>(group::<RabbitMq>(pool))),
        Box::pin(acquire_late::<MongoDb>(group::<MongoDb>(pool))),
        Box::pin(acquire_late::<ClickHouse>(group::<ClickHouse>(pool))),
    ];
    tasks.into_iter().map(tokio::spawn).collect()
}

async fn acquire_late<S: Subject>(group: Group<S::Backend>) -> Vec<Late> {
    let mut watch = group.watch();
    while watch.next().await.is_some_and(|change| !change.to.is_ending()) {}
    let mut late = Vec::new();
    for _ in 0..LATE {
        let began = Instant::now();
        let kind = group.acquire().await.err().map(|error| error.kind());
        late.push((began.elapsed(), kind));
    }
    late
}

/// When the last connection through a proxy ended; `None` where it has not.
async fn last_connection(proxy: &FaultProxy) -> Option<Instant> {
    let deadline = Instant::now() + DEADLINE + MARGIN;
    while proxy.counts().open > 0 {
        if Instant::now() > deadline {
            return None;
        }
        sleep(Duration::from_millis(2)).await;
    }
    Some(Instant::now())
}

/// The members that connections stay of, and how many; and when the last one was seen.
///
/// A driver's monitor that is not ended yet dials again: to have seen none once says little.
async fn left(members: &[Member]) -> (Vec<(&'static str, usize)>, Instant) {
    let deadline = Instant::now() + PATIENCE;
    let mut last = (Vec::new(), Instant::now());
    loop {
        let counted = members.iter().map(|member| (member.name, connections(member.proxy.port())));
        let left: Vec<_> = counted.filter(|(_, count)| *count > 0).collect();
        if !left.is_empty() {
            last = (left, Instant::now());
        } else if last.1.elapsed() >= FOR_GOOD {
            return (left, last.1);
        }
        if Instant::now() >= deadline {
            return last;
        }
        sleep(Duration::from_millis(50)).await;
    }
}
