//! Every verb × {ok, error, slow, never} × {kept, cancelled, closed}: whatever a backend does and
//! whenever the caller goes away, the resource ends in time and leaves nothing behind.

mod common;

use common::{Does, Fail, Plain, Script, exact, ms};
use qa_resource_core::{ErrorKind, Resource, Settings, State};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::time::{Instant, sleep, timeout};

const DOES: [Does; 4] = [Does::Ok, Does::Error(Fail::Refused), Does::Slow(ms(300)), Does::Never];

#[derive(Clone, Copy, Debug)]
enum Caller {
    /// Waits for the outcome.
    Kept,
    /// Goes away in the middle.
    Cancelled,
    /// Closes in the middle.
    Closed,
}

fn settings() -> Settings {
    Settings {
        connect_timeout: ms(1_000),
        connect_attempts: 3,
        health_timeout: ms(1_000),
        close_timeout: ms(500),
        ..exact()
    }
}

/// What the connect of a kept caller must say.
fn expected(connect: Does, ping: Does) -> Result<(), ErrorKind> {
    let failure = |verb| match verb {
        Does::Error(_) => Some(ErrorKind::Connect),
        Does::Never => Some(ErrorKind::Timeout),
        _ => None,
    };
    failure(connect).or_else(|| failure(ping)).map_or(Ok(()), Err)
}

async fn play(script: &Arc<Script>, caller: Caller) -> Option<Result<(), ErrorKind>> {
    let resource: Resource<Plain> =
        Resource::new("r", common::Scripted(script.clone()), settings());
    let outcome = match caller {
        Caller::Kept => Some(resource.connect().await.map_err(|error| error.kind())),
        Caller::Cancelled => {
            drop(timeout(ms(150), resource.connect()).await);
            None
        }
        Caller::Closed => {
            drop(timeout(ms(150), resource.connect()).await);
            // A loss in the middle, too, where it was connected.
            script.cut();
            sleep(ms(150)).await;
            None
        }
    };
    let began = Instant::now();
    let report = resource.close(ms(1_000)).await;
    assert!(began.elapsed() <= ms(1_000), "closed after {:?}: {report}", began.elapsed());
    assert_eq!(resource.state(), State::Closed);
    outcome
}

#[tokio::test(start_paused = true)]
async fn every_combination_ends_in_time_and_leaves_nothing() {
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let mut played = 0;
    for (connect, ping, close) in DOES
        .iter()
        .flat_map(|c| DOES.iter().flat_map(move |p| DOES.iter().map(move |x| (*c, *p, *x))))
    {
        for caller in [Caller::Kept, Caller::Cancelled, Caller::Closed] {
            let case = format!("connect {connect:?}, ping {ping:?}, close {close:?}, {caller:?}");
            let script = Script::new();
            Script::set(&script.connect, connect);
            Script::set(&script.ping, ping);
            Script::set(&script.close, close);
            if let Some(outcome) = play(&script, caller).await {
                assert_eq!(outcome, expected(connect, ping), "{case}");
            }
            // Goodbyes to lost clients may take their 500 ms; then all is quiet.
            sleep(ms(600)).await;
            let calls = script.calls.lock().unwrap().len();
            assert_eq!(script.open.load(Ordering::SeqCst), 0, "a client is left: {case}");
            assert_eq!(tasks(), before, "a task is left: {case}");
            sleep(ms(60_000)).await;
            assert_eq!(script.calls.lock().unwrap().len(), calls, "still at work: {case}");
            played += 1;
        }
    }
    assert_eq!(played, 192);
}
