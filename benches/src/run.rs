//! Runs what was asked for, and judges it.

use crate::bench::{Bench, Plan};
use crate::catalogue::{self, Benchmark};
use crate::cli::Cli;
use crate::table;
use anyhow::{Result, bail};
use std::path::Path;
use std::time::Instant;

const ROUNDS: u32 = 21;
const ROUNDS_IN_SHORT: u32 = 2;
/// A machine has moods, of the host that it shares and of how it was started, which last longer than a contest.
const LAPS: u32 = 3;

/// Runs `work` in a task, where services work: what a thread outside of the runtime awaits itself must be
/// woken for each answer.
pub(crate) fn in_a_task<T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async { tokio::spawn(work).await? })
}

/// Runs the benchmarks that were asked for, in laps, and writes the table after each, so that what breaks off
/// later, or is interrupted, costs that one alone; whether every budget held.
pub(crate) async fn run(cli: Cli) -> Result<bool> {
    let wanted = wanted(&cli.ids)?;
    let docs = (!cli.short && cli.only.is_none()).then_some(Path::new("docs"));
    let folder = cli.out.as_deref().or(docs);
    let rounds = cli.rounds.unwrap_or(if cli.short { ROUNDS_IN_SHORT } else { ROUNDS });
    // A lap without a round would start servers for nothing.
    let laps = cli.laps.unwrap_or(if cli.short { 1 } else { LAPS }).min(rounds);
    let mut bench = Bench::new(cli.short, Plan { rounds, laps, lap: 0 }, cli.only)?;
    let (began, mut broken) = (Instant::now(), Vec::new());
    for lap in 1..=laps {
        eprintln!("lap {lap} of {laps}");
        for benchmark in &wanted {
            if !broken.contains(&benchmark.id) && !one(&mut bench, benchmark, folder).await? {
                broken.push(benchmark.id);
            }
        }
        bench.end_lap().await;
    }
    let rows = bench.samples.rows();
    let missed = rows.iter().filter(|row| !row.pass).count();
    let took = began.elapsed().as_secs_f64();
    println!("{} ratios, {missed} budgets missed, in {took:.0} s", rows.len());
    if !broken.is_empty() {
        bail!("{} could not be run; the reasons are above", broken.join(", "));
    }
    Ok(missed == 0)
}

/// Runs one of them for a lap; whether it came to its end.
async fn one(bench: &mut Bench, benchmark: &Benchmark, folder: Option<&Path>) -> Result<bool> {
    let id = benchmark.id;
    eprintln!("{id:<4} {}", benchmark.title);
    bench.turn_to(benchmark);
    let (before, start) = (bench.samples.clone(), Instant::now());
    let held = (benchmark.hold)(bench).await;
    if let Err(error) = &held {
        eprintln!("{id:<4} broke off: {error:#}");
        // Half of a benchmark would replace all of it.
        bench.samples = before;
    } else if let Some(folder) = folder {
        table::write(folder, &bench.samples.rows_of(id))?;
    }
    eprintln!("{id:<4} took {:.0} s", start.elapsed().as_secs_f64());
    Ok(held.is_ok())
}

/// The benchmarks with these ids; all, where none is named.
fn wanted(ids: &[String]) -> Result<Vec<&'static Benchmark>> {
    for id in ids {
        if !catalogue::ALL.iter().any(|benchmark| id.eq_ignore_ascii_case(benchmark.id)) {
            bail!("there is no benchmark {id}; `benches list` shows them");
        }
    }
    let named = |benchmark: &&Benchmark| {
        ids.is_empty() || ids.iter().any(|id| id.eq_ignore_ascii_case(benchmark.id))
    };
    Ok(catalogue::ALL.iter().filter(named).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_in_any_case_and_an_unknown_one_is_an_error() {
        assert_eq!(wanted(&[]).unwrap().len(), catalogue::ALL.len());
        let found = wanted(&["b2".to_owned()]).unwrap();
        assert_eq!(found.iter().map(|one| one.id).collect::<Vec<_>>(), ["B2"]);
        assert!(wanted(&["B99".to_owned()]).is_err());
    }
}
