//! E32: a lock under kills and freezes of its server and pauses of its holders.

use super::PATIENCE;
use crate::passing::until;
use crate::run::Run;
use integration_tests::experiment::Figure;
use integration_tests::within;
use qa_servers::{Server, System};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::Instant;

/// How long a lock outlives a holder that says nothing; shorter than the pauses.
const TTL: Duration = Duration::from_secs(1);

/// Processes, and tasks in each of them.
const PROCESSES: usize = 10;
const TASKS: usize = 5;

/// One time that the lock was held.
#[derive(Clone, Copy, Debug)]
struct Held {
    token: u64,
    asked: i64,
    taken: i64,
    over: i64,
    /// Its holder was sure of it until then.
    sure: bool,
    /// Its release found it lost.
    lost: bool,
}

/// Holders in many processes, faults all the time, and a look at what they wrote down.
pub(crate) async fn locks(run: Run) -> Vec<Figure> {
    let wanted = run.pick(500, 10_000);
    let server = Server::start_owned(System::Redis).await.unwrap();
    let written = Arc::new(Mutex::new(Vec::new()));
    let holders: Vec<_> = (0..PROCESSES).map(|_| Holder::start(&server, &written)).collect();
    let count = || written.lock().unwrap_or_else(PoisonError::into_inner).len();
    let (mut faults, mut told) = (BTreeMap::<&str, usize>::new(), Instant::now());
    while count() < wanted || faults.len() < 3 {
        until(Instant::now() + Duration::from_millis(fastrand::u64(500..1_500))).await;
        let fault = match faults.values().sum::<usize>() % 3 {
            0 => pause(&holders[fastrand::usize(..PROCESSES)]).await,
            1 => freeze(&server).await,
            _ => kill(&server).await,
        };
        *faults.entry(fault).or_default() += 1;
        if told.elapsed() > Duration::from_secs(10) {
            told = Instant::now();
            run.progress(&format!("held {} of {wanted} times", count()));
        }
    }
    for holder in holders {
        holder.end().await;
    }
    server.remove().await;
    let written = written.lock().unwrap_or_else(PoisonError::into_inner);
    judge(&written, &faults)
}

/// Its holders go on when their time is long over.
async fn pause(holder: &Holder) -> &'static str {
    holder.signal(Signal::STOP);
    until(Instant::now() + TTL + TTL.mul_f64(fastrand::f64())).await;
    holder.signal(Signal::CONT);
    "pauses of holders"
}

async fn freeze(server: &Server) -> &'static str {
    server.freeze().await.unwrap();
    until(Instant::now() + TTL.mul_f64(0.5 + fastrand::f64())).await;
    server.thaw().await.unwrap();
    "freezes of the server"
}

/// It forgets all that it knew.
async fn kill(server: &Server) -> &'static str {
    server.kill().await.unwrap();
    until(Instant::now() + TTL.mul_f64(fastrand::f64())).await;
    server.start_again().await.unwrap();
    "kills of the server"
}

fn judge(written: &[Held], faults: &BTreeMap<&str, usize>) -> Vec<Figure> {
    let mut by_token = written.to_vec();
    by_token.sort_by_key(|held| held.token);
    let twice = by_token.windows(2).filter(|two| two[0].token == two[1].token).count();
    let sure: Vec<_> = written.iter().filter(|held| held.sure).copied().collect();
    let waits: Vec<_> = written
        .iter()
        .map(|held| Duration::from_nanos(u64::try_from(held.taken - held.asked).unwrap_or(0)))
        .collect();
    let mut figures = vec![
        Figure::count("tokens that two had", twice).of(written.len()).is(0.0),
        Figure::count("tokens out of their order", out_of_order(&by_token))
            .of(written.len())
            .is(0.0)
            .note("held before another was asked for, with a greater token than that one"),
        Figure::count("two who were sure of it at once", overlaps(&sure)).of(sure.len()).note(
            "a server that is killed forgets who holds its locks, and no Redis lock can help that: \
             this is what tokens are for",
        ),
        Figure::count(
            "found lost by their holders",
            written.iter().filter(|held| held.lost).count(),
        )
        .of(written.len()),
        Figure::seconds("wait for the lock", &waits),
    ];
    figures.extend(faults.iter().map(|(what, count)| Figure::count(what, *count).at_least(1.0)));
    figures
}

/// In the order of tokens: how many were asked for after one with a greater token was over.
fn out_of_order(by_token: &[Held]) -> usize {
    let mut first_over = i64::MAX;
    let mut wrong = 0;
    for held in by_token.iter().rev() {
        wrong += usize::from(held.asked > first_over);
        first_over = first_over.min(held.over);
    }
    wrong
}

/// How many began while another was still held.
fn overlaps(sure: &[Held]) -> usize {
    let mut by_time = sure.to_vec();
    by_time.sort_by_key(|held| held.taken);
    let (mut until, mut overlaps) = (i64::MIN, 0);
    for held in by_time {
        overlaps += usize::from(held.taken < until);
        until = until.max(held.over);
    }
    overlaps
}

/// A process of holders. Dropped, it is killed.
struct Holder {
    child: Child,
    reader: tokio::task::JoinHandle<()>,
}

impl Holder {
    fn start(server: &Server, written: &Arc<Mutex<Vec<Held>>>) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["hold", "--tasks", &TASKS.to_string()]);
        command.args(["--ttl", &humantime::format_duration(TTL).to_string()]);
        // In the environment, where no list of processes shows it.
        command.env("QA_HOLDER_URL", server.url());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let written = Arc::clone(written);
        let reader = tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let held = Held::read(&line);
                written.lock().unwrap_or_else(PoisonError::into_inner).push(held);
            }
        });
        Self { child, reader }
    }

    fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed())).expect("it runs");
        kill_process(pid, signal).unwrap();
    }

    async fn end(mut self) {
        within("its end", PATIENCE, self.child.kill()).await.unwrap();
        within("the end of its lines", PATIENCE, self.reader).await.unwrap();
    }
}

impl Held {
    fn read(line: &str) -> Self {
        let mut words = line.split(' ').map(|word| word.parse::<i64>().unwrap());
        let mut next = || words.next().unwrap();
        Self {
            token: next().cast_unsigned(),
            asked: next(),
            taken: next(),
            over: next(),
            sure: next() == 1,
            lost: next() == 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(token: u64, asked: i64, over: i64) -> Held {
        Held { token, asked, taken: asked + 1, over, sure: true, lost: false }
    }

    #[test]
    fn who_is_later_needs_a_greater_token_and_who_is_beside_does_not() {
        assert_eq!(out_of_order(&[held(1, 0, 10), held(2, 11, 20)]), 0);
        assert_eq!(out_of_order(&[held(1, 11, 20), held(2, 0, 10)]), 1);
        assert_eq!(out_of_order(&[held(1, 5, 20), held(2, 0, 10)]), 0);
    }

    #[test]
    fn two_at_once_are_seen() {
        assert_eq!(overlaps(&[held(1, 0, 10), held(2, 10, 20)]), 0);
        assert_eq!(overlaps(&[held(2, 5, 20), held(1, 0, 10)]), 1);
    }
}
