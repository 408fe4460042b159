//! B7: the packages that the original calls, in its three ways.

use super::NO_LONGER;
use super::operations::{Bare, Ours, ours_kept, prepared, words};
use crate::bench::Bench;
use crate::budget::Budget;
use crate::contest::{Contest, Party, milliseconds, told_milliseconds};
use anyhow::Result;
use qa_servers::System;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// How the original calls: what a peer is told, and what that is in words.
const WAYS: [(&str, &str); 3] =
    [("each", "a client each"), ("kept", "kept"), ("pinged", "kept, pinged before")];

/// Three heartbeats, and a little.
const HEARTBEAT: &str = "heartbeat=5";
const SILENCE: Duration = Duration::from_secs(16);

pub(crate) async fn hold(bench: &mut Bench) -> Result<()> {
    for (system, packages) in [
        (System::MongoDb, &["pymongo"][..]),
        (System::RabbitMq, &["pika", "aio-pika"]),
        (System::ClickHouse, &["clickhouse-driver"]),
        (System::Redis, &["redis-py"]),
    ] {
        // clickhouse-driver speaks the native protocol.
        let (url, theirs) = if system == System::ClickHouse {
            bench.servers.native().await?
        } else {
            let url = prepared(&*bench.servers.get(system).await?).await?;
            (url.clone(), url)
        };
        let ours = Arc::new(Ours::connect(system, &url).await?);
        for package in packages {
            let child = bench.python("original.py", package, &theirs).await?;
            let (kept, anew) = (bench.pick(20, 500), bench.pick(2, 25));
            let mut contest =
                Contest::new(words(system), &["ms"], "ours, kept", ours_kept(&ours, kept));
            for (way, words) in WAYS {
                let count = if way == "each" { anew } else { kept };
                let told = told_milliseconds(&child, format!("{way} {count}"), count);
                // What nobody confirms takes no time, and says nothing.
                let comparable = *package != "pika" || way == "each";
                let budget = if comparable { NO_LONGER } else { Budget::None };
                contest = contest.beside(&format!("{package}, {words}"), &[budget], told);
            }
            bench.hold(contest).await?;
        }
        ours.close().await;
    }
    after_silence(bench).await
}

/// An order after nothing was said for three heartbeats. pika answers those of the broker only while it is
/// called.
async fn after_silence(bench: &mut Bench) -> Result<()> {
    let url = prepared(&*bench.servers.get(System::RabbitMq).await?).await?;
    let url = format!("{url}?{HEARTBEAT}");
    let ours = Arc::new(Ours::connect(System::RabbitMq, &url).await?);
    let bare = Arc::new(Bare::connect(System::RabbitMq, &url).await?);
    let pika = bench.python("original.py", "pika", &url).await?;
    let line = format!("silent {}", SILENCE.as_secs());
    let through_ours = silent({
        let ours = Arc::clone(&ours);
        move || {
            let ours = Arc::clone(&ours);
            async move { ours.once().await }
        }
    });
    let through_bare = silent(move || {
        let bare = Arc::clone(&bare);
        async move { bare.once().await }
    });
    let title = "W8 an order after three heartbeats without one";
    let contest = Contest::new(title, &["ms"], "ours", through_ours)
        .rounds_at_most(10)
        .beside("bare driver", &[], through_bare)
        .beside("pika", &[], told_milliseconds(&pika, line, 1));
    bench.hold(contest).await?;
    ours.close().await;
    Ok(())
}

/// A party that does nothing for three heartbeats, and then something, whose time it is. Nobody else does
/// anything meanwhile: the first who publishes after a silence wakes the broker for the next.
fn silent<Fut>(mut once: impl FnMut() -> Fut + Send + 'static) -> impl Party + 'static
where
    Fut: Future<Output = Result<()>> + Send + 'static,
{
    milliseconds(1, move || {
        let once = once();
        async move {
            sleep(SILENCE).await;
            let began = Instant::now();
            once.await?;
            Ok(began.elapsed())
        }
    })
}
