//! B14: what QUANTAXIS does with MongoDB all day.

#[path = "../../../../qa-mongo/examples/workloads/account.rs"]
mod account;
mod bare;
#[path = "../../../../qa-mongo/examples/workloads/bars.rs"]
mod bars;
mod data;
mod ours;

use super::{AS_BARE, GOODBYE, NO_SLOWER, connected};
use crate::bench::Bench;
use crate::child::Child;
use crate::contest::{Contest, Doing, Party, per_second};
use anyhow::{Result, ensure};
use async_trait::async_trait;
use data::{Data, Workload};
use qa_mongo::MongoDb;
use qa_mongo::mongodb::Database;
use qa_servers::System;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// The size of everything, in short and in full.
const SCALES: (f64, f64) = (0.02, 1.0);

pub(crate) async fn hold(bench: &mut Bench) -> Result<()> {
    bench.driver("mongodb");
    let url = bench.servers.url(System::MongoDb).await?;
    let child = bench.python("workloads.py", "pymongo", &url).await?;
    for workload in Workload::ALL {
        let scale = bench.pick(SCALES.0, SCALES.1);
        hold_one(bench, workload, scale, &url, &child).await?;
    }
    Ok(())
}

/// A workload, in a database of its own.
async fn hold_one(
    bench: &mut Bench,
    workload: Workload,
    scale: f64,
    url: &str,
    child: &Arc<Mutex<Child>>,
) -> Result<()> {
    let url = url.replace("/?", &format!("/{}?", workload.name()));
    let resource = connected(&url, MongoDb::new).await?;
    let client = super::bare::mongo(&url).await?;
    let (database, data) = (MongoDb::database(&client), Arc::new(Data::new(workload, scale)));
    data.prepare(workload, &database).await?;
    let through_ours = party(workload, &database, &data, {
        let (resource, data) = (resource.clone(), Arc::clone(&data));
        move || {
            let (resource, data) = (resource.clone(), Arc::clone(&data));
            async move { ours::round(workload, &resource, &data).await }
        }
    });
    let through_bare = party(workload, &database, &data, {
        let (database, data) = (database.clone(), Arc::clone(&data));
        move || {
            let (database, data) = (database.clone(), Arc::clone(&data));
            async move { bare::round(workload, &database, &data).await }
        }
    });
    let pymongo = Pymongo {
        child: Arc::clone(child),
        line: format!("{} {scale}", workload.name()),
        documents: data.documents(workload),
        workload,
        database: database.clone(),
    };
    let contest = Contest::new(workload.words(), &["documents/s"], "qa-mongo", through_ours)
        .beside("bare driver", &[AS_BARE], through_bare)
        .beside("pymongo", &[NO_SLOWER], pymongo);
    bench.hold(contest).await?;
    database.drop().await?;
    resource.close(GOODBYE).await;
    client.shutdown().immediate(true).await;
    Ok(())
}

/// A party whose function does all documents of a round.
fn party<F, Fut>(
    workload: Workload,
    database: &Database,
    data: &Data,
    work: F,
) -> impl Party + 'static
where
    F: Fn() -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<usize>> + Send + 'static,
{
    let (database, documents) = (database.clone(), data.documents(workload));
    Doing(move || {
        let (database, work) = (database.clone(), work.clone());
        async move {
            workload.reset(&database).await?;
            let began = Instant::now();
            let done = work().await?;
            rate(done, documents, began.elapsed())
        }
    })
}

/// The same in a process that is told to.
struct Pymongo {
    child: Arc<Mutex<Child>>,
    line: String,
    documents: usize,
    workload: Workload,
    database: Database,
}

#[async_trait]
impl Party for Pymongo {
    async fn round(&mut self) -> Result<Vec<f64>> {
        self.workload.reset(&self.database).await?;
        let says = self.child.lock().await.ask(&self.line).await?;
        ensure!(says.len() == 2, "it said {says:?}");
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        let done = says[1] as usize;
        rate(done, self.documents, Duration::try_from_secs_f64(says[0])?)
    }
}

/// Documents a second, where all of them were done.
fn rate(done: usize, documents: usize, took: Duration) -> Result<Vec<f64>> {
    ensure!(done == documents, "{done} documents were done, and not {documents}");
    Ok(vec![per_second(documents, took)])
}
