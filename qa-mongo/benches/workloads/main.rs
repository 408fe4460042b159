//! What QUANTAXIS does with MongoDB all day, side by side: through us, through the bare driver, and with
//! pymongo, against the same server, in rounds that take turns so that a busy machine slows all alike.
//!
//! A ratio is the median of the rounds' own ratios, with its quartiles: what slows a round slows all. Ours
//! is to be at least 0.97 of the bare driver. pymongo comes from `PyPI`, into a venv under the target
//! directory; where it can't, the others are measured without it.
//!
//! ```sh
//! cargo bench -p qa-mongo --bench workloads                     # all of them, in full: many minutes
//! cargo bench -p qa-mongo --bench workloads -- kline accounts   # some of them
//! cargo bench -p qa-mongo --bench workloads -- short            # whether it works, in seconds
//! ```

#[path = "../../examples/workloads/account.rs"]
mod account;
mod bare;
#[path = "../../examples/workloads/bars.rs"]
mod bars;
mod data;
mod ours;
mod peer;
mod report;

use data::{Data, Workload};
use mongodb::options::ClientOptions;
use mongodb::{Client, Database};
use peer::Peer;
use qa_mongo::{MongoDb, Resource, Settings, Target, mongodb};
use qa_servers::{Server, System};
use report::Rates;
use std::time::{Duration, Instant};

/// Any error, from any task.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Rounds that count, after one that warms up.
const ROUNDS: usize = 21;
const ROUNDS_IN_SHORT: usize = 2;
/// The size of everything, in short.
const SHORT: f64 = 0.02;
/// The connections of every client's pool.
const POOL: u32 = 100;

/// What is measured, and how long.
struct Plan {
    workloads: Vec<Workload>,
    rounds: usize,
    scale: f64,
}

impl Plan {
    /// Cargo says `--bench` as well.
    fn from_arguments() -> Result<Self, Failure> {
        let mut plan = Self { workloads: Vec::new(), rounds: ROUNDS, scale: 1.0 };
        for word in std::env::args().skip(1).filter(|word| !word.starts_with("--")) {
            if word == "short" {
                (plan.rounds, plan.scale) = (ROUNDS_IN_SHORT, SHORT);
            } else {
                plan.workloads.push(Workload::named(&word)?);
            }
        }
        if plan.workloads.is_empty() {
            plan.workloads = Workload::ALL.to_vec();
        }
        Ok(plan)
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let plan = Plan::from_arguments()?;
    // In a task, where services work: what `main` awaits itself is polled by a thread that does
    // nothing else, and must be woken for each answer.
    tokio::spawn(all(plan)).await?
}

async fn all(plan: Plan) -> Result<(), Failure> {
    let server = Server::start(System::MongoDb).await?;
    let mut peer = Peer::start(&server.url(), plan.scale).await;
    if let Err(why) = &peer {
        println!("pymongo is left out: {why}");
    }
    for workload in plan.workloads.iter().copied() {
        let sides = Sides::connect(&server.url(), workload).await?;
        let data = Data::new(workload, plan.scale);
        let rates = sides.take_turns(workload, &data, plan.rounds, peer.as_mut().ok()).await?;
        rates.print(workload, &data, plan.rounds);
        sides.close().await?;
    }
    drop(peer);
    server.remove().await;
    Ok(())
}

/// Ours and the bare driver, connected to a database of the workload's own.
struct Sides {
    ours: Resource<MongoDb>,
    bare: Client,
}

impl Sides {
    async fn connect(url: &str, workload: Workload) -> Result<Self, Failure> {
        let url = url.replace("/?", &format!("/{}?", workload.name()));
        let mongo = MongoDb::new(&Target::parse("bench", &url)?)?;
        let settings =
            Settings { operation_timeout: Duration::from_secs(60), ..Settings::default() };
        let ours = Resource::new("bench", mongo, settings);
        ours.connect().await?;
        let mut options = ClientOptions::parse(&url).await?;
        options.max_pool_size = Some(POOL);
        Ok(Self { ours, bare: Client::with_options(options)? })
    }

    fn database(&self) -> Database {
        MongoDb::database(&self.bare)
    }

    async fn take_turns(
        &self,
        workload: Workload,
        data: &Data,
        rounds: usize,
        mut peer: Option<&mut Peer>,
    ) -> Result<Rates, Failure> {
        let database = self.database();
        data.prepare(workload, &database).await?;
        let mut rates = Rates::default();
        for round in 0..=rounds {
            let (mut pace, mut counts) = ([None; 3], Vec::new());
            // Who is first changes from round to round.
            for turn in (0..3).map(|turn| (turn + round) % 3) {
                workload.reset(&database).await?;
                let began = Instant::now();
                let done = match (turn, &mut peer) {
                    (0, _) => (bare::round(workload, &database, data).await?, began.elapsed()),
                    (1, _) => (ours::round(workload, &self.ours, data).await?, began.elapsed()),
                    (_, Some(peer)) => peer.round(workload).await?,
                    (_, None) => continue,
                };
                pace[turn] = Some(report::pace(done));
                counts.push(done.0);
            }
            if counts.iter().any(|count| *count != counts[0]) {
                return Err(format!("they did not all do the same: {counts:?}").into());
            }
            if round > 0 {
                rates.add(pace);
            }
        }
        Ok(rates)
    }

    async fn close(self) -> Result<(), Failure> {
        self.database().drop().await?;
        self.ours.close(Duration::from_secs(10)).await;
        self.bare.shutdown().immediate(true).await;
        Ok(())
    }
}
