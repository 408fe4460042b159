//! Runs the experiments, each in a process of its own and several at once, and judges them.

use crate::catalogue::{self, Experiment, Needs};
use crate::child;
use crate::cli::Cli;
use crate::host;
use crate::machine::Versions;
use crate::run::Against;
use crate::table;
use anyhow::{Result, bail};
use futures_util::{StreamExt, stream};
use integration_tests::experiment::{Row, Setting};
use integration_tests::servers;
use qa_servers::System;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::process::Command;

/// Beyond what the soak is given, no experiment may take longer.
const LIMIT: Duration = Duration::from_secs(20 * 60);

/// So many of those that do nothing but wait run at once while the soak does.
const BESIDE_THE_SOAK: usize = 2;

/// Has the allocator give back what is freed: what it keeps for later would look like a leak. The
/// RabbitMQ driver's buffers alone are 16 MiB a resource, which come and go with its connections.
const THRIFT: [(&str, &str); 3] = [
    ("MALLOC_ARENA_MAX", "1"),
    ("MALLOC_TRIM_THRESHOLD_", "131072"),
    ("MALLOC_MMAP_THRESHOLD_", "131072"),
];

/// One experiment against one thing.
#[derive(Clone, Copy)]
struct Job {
    experiment: &'static Experiment,
    against: Against,
}

impl Job {
    fn needs(self) -> Needs {
        self.experiment.needs.with(self.against)
    }
}

/// What every job of this call has in common.
struct Call<'a> {
    cli: &'a Cli,
    versions: Versions,
    date: String,
    machine: String,
    began: Instant,
    all: usize,
    done: AtomicUsize,
}

/// Runs what was asked for and writes the table; whether every criterion held.
pub(crate) async fn run(cli: &Cli) -> Result<bool> {
    let jobs = jobs(cli)?;
    eprintln!("starting the servers that the experiments share");
    let call = Call {
        cli,
        versions: Versions::ask().await,
        date: host::today()?,
        machine: host::machine()?,
        began: Instant::now(),
        all: jobs.len(),
        done: AtomicUsize::new(0),
    };
    let of = |needs| jobs.iter().copied().filter(move |job| job.needs() == needs);
    let soak = jobs.iter().any(|job| job.needs() == Needs::Calm);
    let few = if soak { cli.jobs.min(BESIDE_THE_SOAK) } else { cli.jobs };
    let (undisturbed, waiting) =
        tokio::join!(call.run_all(of(Needs::Calm), 1), call.run_all(of(Needs::Nothing), few));
    let alone = call.run_all(of(Needs::Machine), 1).await;
    let (busy, others) =
        tokio::join!(call.run_all(of(Needs::Core), 1), call.run_all(of(Needs::Little), cli.jobs));
    let mut rows = [undisturbed, waiting, alone, busy, others].concat();
    rows.sort_by_key(Row::place);
    call.end(&rows)
}

/// The jobs that were asked for: the longest first, because several run at once; of the busy ones,
/// which run one after the other, the shortest, so that the busiest has the fewest beside it.
fn jobs(cli: &Cli) -> Result<Vec<Job>> {
    for id in &cli.ids {
        if catalogue::find(id).is_none() {
            bail!("there is no experiment {id}; `experiments list` shows them");
        }
    }
    let named = |experiment: &&Experiment| {
        cli.ids.is_empty() || cli.ids.iter().any(|id| id.eq_ignore_ascii_case(experiment.id))
    };
    let wanted = |against: &Against| cli.backend.is_empty() || cli.backend.contains(against);
    let mut jobs = Vec::new();
    for experiment in catalogue::ALL.iter().filter(named) {
        let against = experiment.against.iter().copied().filter(wanted);
        jobs.extend(against.map(|against| Job { experiment, against }));
    }
    if jobs.is_empty() {
        bail!("none of them is about that backend");
    }
    jobs.sort_by_key(|job| match (job.needs(), i64::from(job.experiment.seconds)) {
        (Needs::Core, seconds) => seconds,
        (_, seconds) => -seconds,
    });
    Ok(jobs)
}

impl Call<'_> {
    /// Runs many jobs, so many at once.
    async fn run_all(&self, jobs: impl Iterator<Item = Job>, at_once: usize) -> Vec<Row> {
        let running = jobs.map(|job| self.run(job));
        stream::iter(running).buffer_unordered(at_once.max(1)).concat().await
    }

    /// Runs one job to its rows; a run that ends without any is one that failed.
    async fn run(&self, job: Job) -> Vec<Row> {
        let began = Instant::now();
        let outcome = self.child(job).await;
        let mut rows = match outcome {
            Ok(rows) => rows,
            Err(error) => vec![Row::failed(setting(job), &format!("{error:#}"))],
        };
        for row in &mut rows {
            row.date.clone_from(&self.date);
            row.machine.clone_from(&self.machine);
            row.versions = self.versions.of(job.against);
        }
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let Job { experiment, against } = job;
        let (id, against, took) = (experiment.id, against.name(), began.elapsed().as_secs_f64());
        let verdict = if rows.iter().all(|row| row.pass) { "pass" } else { "FAILED" };
        println!("{done:>3}/{} {id:<4} {against:<10} {took:>6.1} s  {verdict}", self.all);
        for row in rows.iter().filter(|row| !row.pass) {
            println!("         {}: {:?} where {}", row.figure, row.max, row.criterion);
            println!("         {}", row.note.as_deref().unwrap_or("no reason given"));
        }
        rows
    }

    /// A process of this program that runs one job.
    async fn child(&self, job: Job) -> Result<Vec<Row>> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["one", job.experiment.id, job.against.name()]).envs(THRIFT);
        if self.cli.short {
            command.arg("--short");
        }
        if let Some(soak) = self.cli.soak {
            command.args(["--soak", &humantime::format_duration(soak).to_string()]);
        }
        for system in System::ALL {
            let server = servers::shared(system).await;
            command.env(system.url_variable(), server.url());
            if let Some(port) = server.management_port() {
                command.env("QA_TEST_RABBITMQ_MANAGEMENT_PORT", port.to_string());
            }
        }
        // Its last lines are to tell why it failed, not from where it was called.
        command.env("RUST_BACKTRACE", "0");
        let limit = LIMIT + self.cli.soak.unwrap_or_default();
        child::watch(job.experiment.id, command, limit).await
    }

    /// The summary and the table.
    fn end(&self, rows: &[Row]) -> Result<bool> {
        let failed = rows.iter().filter(|row| !row.pass).count();
        let took = self.began.elapsed();
        println!("{} figures, {failed} failed, in {:.0} s", rows.len(), took.as_secs_f64());
        match (&self.cli.out, self.cli.short) {
            (Some(folder), _) => table::write(folder, rows)?,
            (None, false) => table::write(Path::new("docs"), rows)?,
            (None, true) => {}
        }
        Ok(failed == 0)
    }
}

fn setting(job: Job) -> Setting {
    Setting {
        id: job.experiment.id.to_owned(),
        title: job.experiment.title.to_owned(),
        backend: job.against.name().to_owned(),
        ..Setting::default()
    }
}
