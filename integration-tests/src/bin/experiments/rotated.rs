//! E22: user and password, which are in files, are changed under load, and then the old are revoked.

use crate::load::Load;
use crate::passing::until;
use crate::run::Run;
use integration_tests::experiment::Figure;
use integration_tests::rotation::{Mounted, Users};
use integration_tests::{eventually, reaches, servers};
use qa_pool::{Error, Group, ResourcePool, State};
use qa_servers::Server;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// So many operations a second.
const RATE: u32 = 200;

/// Until a state is reached that is promised within seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// The server is asked so often who is connected.
const LOOK: Duration = Duration::from_millis(100);

/// What is under way ends within the limit of an operation, 10 s.
const DRAINED: Duration = Duration::from_secs(12);

/// Changes the login of a resource under load, again and again, by its files.
pub(crate) async fn login<S: Users>(run: Run) -> Vec<Figure> {
    let (rotations, between) = (run.pick(2, 10), Duration::from_secs(run.pick(1, 3)));
    let (name, server) = ("rotated", servers::shared(S::SYSTEM).await);
    let url = S::url(server, name).await;
    let user = |number: u32| (format!("rotated-{number}"), format!("password-{number}"));
    let (first, password) = user(0);
    S::add_user(server, name, &first, &password).await;
    let mounted = Mounted::new(&first, &password);
    let pool = ResourcePool::from_config(&mounted.config(name, &url)).unwrap();
    pool.connect().await.unwrap();
    let group = pool.get::<S::Backend>(name).unwrap();
    let load = Load::start::<S>(&group, RATE);
    until((Instant::now() + between).into()).await;
    let logged_in = async || S::connections_of(server, &first).await > 0;
    eventually("the server knows whose connections they are", PATIENCE, logged_in).await;

    let (mut took_over, mut drained, mut old_ones) = (Vec::new(), Vec::new(), 0);
    for number in 1..=rotations {
        let ((old, _), (new, password)) = (user(number - 1), user(number));
        S::add_user(server, name, &new, &password).await;
        let began = Instant::now();
        mounted.write(&new, &password);
        pool.refresh().await;
        is_fresh::<S>(&group, u64::from(number) + 1).await;
        took_over.push(began.elapsed());
        old_ones += left_of::<S>(server, &old).await;
        drained.push(began.elapsed());
        S::remove_user(server, &old).await;
        until((Instant::now() + between).into()).await;
        run.progress(&format!("{number} of {rotations} logins"));
    }
    let generation = group.status()[0].generation;
    let operations = load.stop(PATIENCE).await;
    let hangs = operations.is_none();
    let operations = operations.unwrap_or_default();
    let errors: Vec<_> =
        operations.iter().filter_map(|operation| operation.error.as_ref()).collect();
    let lost = generation.saturating_sub(u64::from(rotations) + 1);
    let took: Vec<_> = operations.iter().map(|operation| operation.took).collect();
    let report = pool.close(PATIENCE).await;
    S::remove_user(server, &user(rotations).0).await;
    let failed = Figure::count("failed operations", errors.len()).of(operations.len()).is(0.0);
    vec![
        match errors.first() {
            Some(first) => failed.note(format!("{}, the first: {first}", kinds(&errors))),
            None => failed,
        },
        Figure::seconds("an operation, from when it was due", &took),
        Figure::seconds("the new login is used", &took_over).at_most(5.0),
        Figure::seconds("the old connections are drained", &drained).at_most(DRAINED.as_secs_f64()),
        Figure::count("old connections left when the old was revoked", old_ones).is(0.0),
        Figure::count("connections lost when the old was revoked", lost).is(0.0),
        Figure::count("operations that hang", u32::from(hangs)).is(0.0),
        Figure::count("forced at the close", u32::from(!report.is_clean())).is(0.0),
    ]
}

/// How many errors there are of each kind.
fn kinds(errors: &[&Error]) -> String {
    let mut kinds = BTreeMap::<_, usize>::new();
    for error in errors {
        *kinds.entry(error.kind().as_str()).or_default() += 1;
    }
    kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect::<Vec<_>>().join(", ")
}

/// How many connections of a user are left, once there are none or the time for it is over.
async fn left_of<S: Users>(server: &Server, user: &str) -> usize {
    let drained = async {
        while S::connections_of(server, user).await > 0 {
            until((Instant::now() + LOOK).into()).await;
        }
    };
    match timeout(DRAINED, drained).await {
        Ok(()) => 0,
        Err(_) => S::connections_of(server, user).await,
    }
}

/// Waits until the resource is ready with this connection.
async fn is_fresh<S: Users>(group: &Group<S::Backend>, generation: u64) {
    let mut watch = group.watch();
    while group.status()[0].generation < generation {
        let changed = tokio::time::timeout(PATIENCE, watch.next()).await;
        assert!(changed.is_ok(), "no fresh connection: {:#?}", group.status());
    }
    reaches(group, State::Ready, PATIENCE).await;
}
