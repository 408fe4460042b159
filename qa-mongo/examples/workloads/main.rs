//! What QUANTAXIS does with MongoDB all day, in five workloads, each with its rate.
//!
//! ```sh
//! cargo run --release -p qa-mongo --example workloads -- kline mongodb://localhost
//! ```
//!
//! The workloads are `kline`, `minutes`, `snapshot`, `range` and `accounts`; a third argument is their
//! scale (1 is full size). Each works in a database of its own, `workloads` unless the URL names one,
//! and removes its collections at the end.

mod account;
mod accounts;
mod bars;
mod kline;
mod minutes;
mod range;
mod snapshot;

use qa_mongo::{MongoDb, Resource, Settings, Target};
use std::error::Error;
use std::time::Duration;

/// What every workload is given.
struct Work {
    resource: Resource<MongoDb>,
    scale: f64,
}

impl Work {
    /// So many at this scale, but at least one.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    fn scaled(&self, count: u32) -> u32 {
        (f64::from(count) * self.scale).round().max(1.0) as u32
    }
}

/// Any error, from any task.
type Failure = Box<dyn Error + Send + Sync>;

/// A second per thing that was done.
fn rate(count: usize, took: Duration) -> String {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    format!("{:.0}/s", f64::from(count) / took.as_secs_f64())
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "kline".to_owned());
    let url = arguments.next().unwrap_or_else(|| "mongodb://localhost/workloads".to_owned());
    let scale = arguments.next().map_or(Ok(1.0), |scale| scale.parse())?;
    // An insert of twenty thousand documents takes a while.
    let settings = Settings { operation_timeout: Duration::from_secs(60), ..Settings::default() };
    let mongo = MongoDb::new(&Target::parse("workloads", &url)?)?;
    let work = Work { resource: Resource::new("workloads", mongo, settings), scale };
    work.resource.connect().await?;
    let done = match name.as_str() {
        "kline" => kline::run(&work).await,
        "minutes" => minutes::run(&work).await,
        "snapshot" => snapshot::run(&work).await,
        "range" => range::run(&work).await,
        "accounts" => accounts::run(&work).await,
        other => Err(format!("there is no workload `{other}`").into()),
    };
    println!("{}", work.resource.close(Duration::from_secs(10)).await);
    done
}
