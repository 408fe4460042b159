//! Runs what was asked for, and judges it.

use crate::bench::Bench;
use crate::catalogue::{self, Benchmark};
use crate::cli::Cli;
use crate::table;
use anyhow::{Result, bail};
use std::path::Path;
use std::time::Instant;

const ROUNDS: u32 = 21;
const ROUNDS_IN_SHORT: u32 = 2;

/// Runs `work` in a task, where services work: what a thread outside of the runtime awaits itself must be
/// woken for each answer.
pub(crate) fn in_a_task<T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async { tokio::spawn(work).await? })
}

/// Runs the benchmarks that were asked for and writes the table after each, so that what breaks off later, or
/// is interrupted, costs that one alone; whether every budget held.
pub(crate) async fn run(cli: Cli) -> Result<bool> {
    let wanted = wanted(&cli.ids)?;
    let docs = (!cli.short && cli.only.is_none()).then_some(Path::new("docs"));
    let folder = cli.out.as_deref().or(docs);
    let rounds = cli.rounds.unwrap_or(if cli.short { ROUNDS_IN_SHORT } else { ROUNDS });
    let mut bench = Bench::new(cli.short, rounds, cli.only)?;
    let (began, mut broken) = (Instant::now(), Vec::new());
    for benchmark in wanted {
        eprintln!("{:<4} {}", benchmark.id, benchmark.title);
        bench.turn_to(benchmark);
        let (before, start) = (bench.rows.len(), Instant::now());
        if let Err(error) = (benchmark.hold)(&mut bench).await {
            eprintln!("{:<4} broke off: {error:#}", benchmark.id);
            // Half of a benchmark would replace all of it.
            bench.rows.truncate(before);
            broken.push(benchmark.id);
        } else if let Some(folder) = folder {
            table::write(folder, &bench.rows[before..])?;
        }
        eprintln!("{:<4} took {:.0} s", benchmark.id, start.elapsed().as_secs_f64());
    }
    bench.servers.remove().await;
    let missed = bench.rows.iter().filter(|row| !row.pass).count();
    let took = began.elapsed().as_secs_f64();
    println!("{} ratios, {missed} budgets missed, in {took:.0} s", bench.rows.len());
    if !broken.is_empty() {
        bail!("{} could not be run; the reasons are above", broken.join(", "));
    }
    Ok(missed == 0)
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
