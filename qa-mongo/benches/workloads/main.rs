//! What QUANTAXIS does with MongoDB all day, side by side: through us, through the bare driver, and with
//! pymongo, against the same server, in rounds that take turns so that a busy machine slows all alike.
//!
//! On standard output a table, a row as soon as its workload is done; on standard error each round as it
//! ends. A rate is the median of the rounds, in documents a second; a ratio is the median of the rounds' own
//! ratios, with its quartiles: what slows a round slows all. Ours is to be at least 0.97 of the bare driver.
//!
//! ```sh
//! cargo bench -p qa-mongo --bench workloads                        # all, in full: about a quarter of an hour
//! cargo bench -p qa-mongo --bench workloads -- kline accounts      # some of them
//! cargo bench -p qa-mongo --bench workloads -- rounds=5            # fewer rounds than 21
//! cargo bench -p qa-mongo --bench workloads -- json=rates.jsonl    # every round's rates to a file, too
//! cargo bench -p qa-mongo --bench workloads --profile dev -- short # whether it works; its figures mean nothing
//! ```
//!
//! The server is started as those of the tests are: in a container where there is a Docker engine, or with
//! `QA_TEST_PROVIDER=process` as a process. pymongo comes from `PyPI`, into a venv under the target
//! directory; where it can't, the others are measured without it. No other file is written.

#[path = "../../examples/workloads/account.rs"]
mod account;
mod bare;
#[path = "../../examples/workloads/bars.rs"]
mod bars;
mod data;
mod ours;
mod peer;
mod report;

use data::{Data, LIMIT, Workload};
use mongodb::options::ClientOptions;
use mongodb::{Client, Database};
use peer::Peer;
use qa_mongo::{MongoDb, Resource, Settings, Target, mongodb};
use qa_servers::{Server, System};
use report::Rates;
use std::path::PathBuf;
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
    /// Where every round's rates go as well.
    json: Option<PathBuf>,
}

impl Plan {
    /// Cargo says `--bench` as well.
    fn from_arguments() -> Result<Self, Failure> {
        let mut plan = Self { workloads: Vec::new(), rounds: ROUNDS, scale: 1.0, json: None };
        for word in std::env::args().skip(1).filter(|word| !word.starts_with("--")) {
            match word.split_once('=') {
                None if word == "short" => (plan.rounds, plan.scale) = (ROUNDS_IN_SHORT, SHORT),
                None => plan.workloads.push(Workload::named(&word)?),
                Some(("rounds", count)) => plan.rounds = count.parse::<usize>()?.max(1),
                Some(("json", path)) => plan.json = Some(path.into()),
                Some((key, _)) => return Err(format!("there is no `{key}=`").into()),
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
    let began = Instant::now();
    let server = Server::start(System::MongoDb).await?;
    let mut peer = Peer::start(&server.url(), plan.scale).await;
    if let Err(why) = &peer {
        eprintln!("pymongo is left out: {why}");
    }
    let mut lines = String::new();
    report::print_head(plan.rounds, plan.scale);
    for workload in plan.workloads.iter().copied() {
        let sides = Sides::connect(&server.url(), workload).await?;
        let data = Data::new(workload, plan.scale);
        let rates = sides.take_turns(workload, &data, plan.rounds, peer.as_mut().ok()).await?;
        println!("{}", rates.row(workload, &data));
        lines += &rates.json(workload);
        sides.close().await?;
        // After each, so that a run that is broken off leaves what it has.
        if let Some(path) = &plan.json {
            std::fs::write(path, &lines)?;
        }
    }
    eprintln!("done in {:.0?}", began.elapsed());
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
        let settings = Settings { operation_timeout: LIMIT, ..Settings::default() };
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
            report::tell(workload, round, rounds, pace);
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
