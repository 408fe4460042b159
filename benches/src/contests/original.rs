//! B7: the packages that the original calls, in its three ways.

use super::NO_LONGER;
use super::operations::{Ours, ours_kept, prepared, words};
use crate::bench::Bench;
use crate::budget::Budget;
use crate::contest::{Contest, told_milliseconds};
use anyhow::Result;
use qa_servers::System;
use std::sync::Arc;

/// How the original calls: what a peer is told, and what that is in words.
const WAYS: [(&str, &str); 3] =
    [("each", "a client each"), ("kept", "kept"), ("pinged", "kept, pinged before")];

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
    Ok(())
}
