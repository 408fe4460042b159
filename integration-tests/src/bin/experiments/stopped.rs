//! E27: our own process is stopped where it stands, as by a debugger, a suspended laptop or a
//! machine that has no time for it, and goes on as if nothing had been.

use crate::changes::seen;
use crate::load::number;
use crate::run::Run;
use futures_util::future::join_all;
use integration_tests::experiment::Figure;
use integration_tests::{Rig, Subject, reaches, servers};
use qa_pool::{Settings, State};
use qa_servers::System;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

/// Until everything is as before.
const PATIENCE: Duration = Duration::from_secs(30);

/// Resources at rest, a process that is stopped, and a question to each as soon as it goes on.
pub(crate) async fn process<S: Subject>(run: Run) -> Vec<Figure> {
    let (count, stopped) = (run.pick(5, 20), Duration::from_secs(run.pick(5, 90)));
    let server = servers::shared(S::SYSTEM).await;
    let url = S::url(server, "stopped").await;
    let connect = || Rig::<S>::connected("stopped", &url, Settings::default());
    let rigs = join_all((0..count).map(|_| connect())).await;
    let mut watches: Vec<_> = rigs.iter().map(|rig| rig.group.watch()).collect();

    run.progress(&format!("this process is stopped for {stopped:?}"));
    let gap = stop_myself(stopped).await;
    let began = Instant::now();
    let answers = join_all(rigs.iter().map(|rig| async move {
        let answer = rig.use_it(number()).await;
        (began.elapsed(), answer)
    }));
    let answers = answers.await;
    let ready = rigs.iter().map(|rig| reaches(&rig.group, State::Ready, PATIENCE));
    join_all(ready).await;
    // Two rounds of pings later, whoever was to be given up is.
    tokio::time::sleep(Settings::default().health_interval * 2).await;
    let lost = |states: Vec<State>| states.contains(&State::Reconnecting);
    let evicted = watches.iter_mut().map(|watch| lost(seen(watch))).filter(|lost| *lost).count();
    let took: Vec<_> = answers.iter().map(|(took, _)| *took).collect();
    let failed = answers.iter().filter(|(_, answer)| answer.is_err()).count();
    for rig in rigs {
        rig.close().await;
    }
    vec![
        Figure::seconds("the process stood still", &[gap]).at_least(stopped.as_secs_f64() * 0.9),
        Figure::seconds("answered after it went on", &took).p99_at_most(2.0),
        Figure::count("questions that failed", failed).of(count).is(0.0),
        evictions(S::SYSTEM, evicted, count, stopped),
    ]
}

/// A broker ends connections whose heartbeats do not come: that is no eviction of ours.
fn evictions(system: System, evicted: usize, count: usize, stopped: Duration) -> Figure {
    let figure = Figure::count("connections given up", evicted).of(count);
    let clock = "that only the monotonic clock counts is a house rule with a test, which lists the \
                 files that may read the wall clock; the machine's clock was not changed";
    if system == System::RabbitMq && stopped > Duration::from_secs(20) {
        let broker =
            "the broker ends connections without heartbeats; replaced before they are used";
        return figure.note(format!("{broker}; {clock}"));
    }
    figure.is(0.0).note(clock)
}

/// Has a shell stop this process and let it go on; how long it did not run.
async fn stop_myself(time: Duration) -> Duration {
    let script = format!("kill -STOP $0; sleep {}; kill -CONT $0", time.as_secs());
    let mut shell = Command::new("sh");
    shell.args(["-c", &script, &std::process::id().to_string()]);
    // Before the shell is there: it stops us whenever it likes.
    let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
    let mut shell = shell.stdin(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    let gap = async {
        while longest < time / 2 {
            longest = longest.max(last.elapsed());
            last = Instant::now();
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(time + PATIENCE, gap).await.expect("the process is stopped");
    timeout(PATIENCE, shell.wait()).await.expect("the shell ends").unwrap();
    longest
}
