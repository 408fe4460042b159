//! E7: whether a write that a majority acknowledged is ever lost while the primary changes.

use crate::passing::until;
use crate::run::Run;
use crate::steady::Steady;
use integration_tests::experiment::Figure;
use integration_tests::{MongoDb, Rig, within};
use qa_pool::core::Outcome;
use qa_pool::mongo::mongodb::bson::{Document, doc};
use qa_pool::mongo::mongodb::options::{ReadConcern, WriteConcern};
use qa_pool::mongo::mongodb::{Collection, error};
use qa_pool::{Group, Lease, Settings, mongo};
use qa_servers::Server;
use qa_servers::cluster::MongoReplicaSet;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

/// Until something is there that is promised within seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two changes of the primary, with all members in their places.
const BETWEEN: Duration = Duration::from_secs(2);

/// How a write ended.
#[derive(Clone, Copy, Debug)]
enum End {
    /// A majority has it.
    Acknowledged(Instant),
    /// It failed, and must not be found.
    NotApplied,
    Unknown,
    /// It did not end.
    Hangs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    SteppedDown,
    Killed,
}

/// One change of the primary: when it began, and when another said that it is primary.
struct Changed {
    change: Change,
    struck: Instant,
    elected: Instant,
}

/// Writes all the time while the primary changes, and compares what is stored with what was said.
pub(crate) async fn no_loss(run: Run) -> Vec<Figure> {
    let (least, changes) = (run.pick(1_000, 20_000), run.pick(2, 10));
    let set = MongoReplicaSet::start().await.unwrap();
    let rig = Rig::<MongoDb>::connected("ledger", &set.url(), Settings::default()).await;
    run.progress(&format!("{least} writes, {changes} changes of the primary"));
    let (done, over) = tokio::sync::watch::channel(false);
    let changing = async {
        let mut all = Vec::new();
        for number in 0..changes {
            until(Instant::now() + BETWEEN).await;
            let change = [Change::SteppedDown, Change::Killed][number % 2];
            run.progress(&format!("change {} of {changes}: {change:?}", number + 1));
            all.push(change.strike(&set).await);
            set.wait_ready(PATIENCE).await.unwrap();
        }
        until(Instant::now() + BETWEEN).await;
        done.send_replace(true);
        all
    };
    let (strikes, ends) = tokio::join!(changing, write(&rig.group, least, over));
    let found = find(&rig.group).await;
    rig.close().await;
    set.remove().await;
    judge(&ends, &found, &strikes)
}

impl Change {
    async fn strike(self, set: &MongoReplicaSet) -> Changed {
        let old = set.leader().await.unwrap();
        let struck = Instant::now();
        match self {
            Self::SteppedDown => {
                set.hand_over().await.unwrap();
            }
            Self::Killed => {
                old.kill().await.unwrap();
                within("another primary", PATIENCE, another(set, old)).await;
            }
        }
        let elected = Instant::now();
        if self == Self::Killed {
            old.start_again().await.unwrap();
        }
        Changed { change: self, struck, elected }
    }
}

async fn another(set: &MongoReplicaSet, old: &Server) {
    while set.leader().await.unwrap().port() == old.port() {}
}

fn ledger(lease: &Lease<mongo::MongoDb>) -> Collection<Document> {
    mongo::MongoDb::database(lease).collection("ledger")
}

/// Inserts each number once, for as long as there are changes.
async fn write(
    group: &Group<mongo::MongoDb>,
    least: usize,
    over: tokio::sync::watch::Receiver<bool>,
) -> Vec<End> {
    let steady = Steady { at_once: 2, least, patience: PATIENCE };
    let begin = |number| {
        let group = group.clone();
        async move { once(&group, number).await }
    };
    steady.run(over, End::Hangs, begin).await
}

async fn once(group: &Group<mongo::MongoDb>, number: usize) -> End {
    let id = i64::try_from(number).unwrap_or(i64::MAX);
    let insert = async |lease: Lease<mongo::MongoDb>| {
        let ledger = ledger(&lease);
        let one = ledger.insert_one(doc! { "_id": id });
        one.write_concern(WriteConcern::majority()).await
    };
    match group.run(insert).await {
        Ok(_) => End::Acknowledged(Instant::now()),
        Err(error) => {
            eprintln!("{error}");
            if error.outcome() == Outcome::NotApplied { End::NotApplied } else { End::Unknown }
        }
    }
}

/// Which numbers a majority has.
async fn find(group: &Group<mongo::MongoDb>) -> BTreeSet<usize> {
    let find = async |lease: Lease<mongo::MongoDb>| {
        let ledger = ledger(&lease);
        let all = ledger.find(doc! {}).read_concern(ReadConcern::majority());
        let (mut cursor, mut found) = (all.batch_size(10_000).await?, BTreeSet::new());
        while cursor.advance().await? {
            let number = cursor.current().get_i64("_id").map_err(error::Error::custom)?;
            found.extend(usize::try_from(number));
        }
        Ok(found)
    };
    group.run_idempotent(find).await.unwrap()
}

fn judge(ends: &[End], found: &BTreeSet<usize>, changed: &[Changed]) -> Vec<Figure> {
    let count = |is: fn(&End) -> bool| ends.iter().filter(|end| is(end)).count();
    let numbers = |is: fn(&End) -> bool| {
        ends.iter().enumerate().filter(move |(_, end)| is(end)).map(|(number, _)| number)
    };
    let is_acknowledged: fn(&End) -> bool = |end| matches!(end, End::Acknowledged(_));
    let is_refused: fn(&End) -> bool = |end| matches!(end, End::NotApplied);
    let lost = numbers(is_acknowledged).filter(|number| !found.contains(number)).count();
    let ghosts = numbers(is_refused).filter(|number| found.contains(number)).count();
    let acknowledged = count(is_acknowledged);
    let hang = count(|end| matches!(end, End::Hangs));
    let mut figures = vec![
        Figure::count("acknowledged and lost", lost).of(acknowledged).is(0.0),
        Figure::count("found that must not be", ghosts)
            .of(count(is_refused))
            .is(0.0)
            .note("writes of which it was said that they are not applied"),
        Figure::count("errors that a caller saw", ends.len() - acknowledged - hang)
            .of(ends.len())
            .is(0.0)
            .note("the driver tries a write once more; what was certainly not applied, we do"),
        Figure::count("writes that hang", hang).of(ends.len()).is(0.0),
    ];
    let mut times: Vec<_> = ends.iter().filter_map(acknowledged_at).collect();
    times.sort_unstable();
    for change in [Change::SteppedDown, Change::Killed] {
        figures.extend(spread(change, changed, &times));
    }
    figures
}

fn acknowledged_at(end: &End) -> Option<Instant> {
    match end {
        End::Acknowledged(at) => Some(*at),
        _ => None,
    }
}

/// How long no write was acknowledged, and how much of that came after the election.
fn spread(change: Change, changed: &[Changed], times: &[Instant]) -> [Figure; 3] {
    let (mut without, mut election, mut after) = (Vec::new(), Vec::new(), Vec::new());
    for one in changed.iter().filter(|one| one.change == change) {
        // One that begins later is of the next change.
        let (last, first) = longest_silence(times, one.struck, one.elected);
        without.push(first.saturating_duration_since(last));
        election.push(one.elected - one.struck);
        after.push(first.saturating_duration_since(one.elected));
    }
    let what = match change {
        Change::SteppedDown => "primary stepped down",
        Change::Killed => "primary killed",
    };
    [
        Figure::seconds(&format!("{what}: without a write"), &without)
            .note("the longest time between two acknowledgements, one after the other"),
        Figure::seconds(&format!("{what}: election"), &election)
            .note("from the fault until another member says that it is primary"),
        Figure::seconds(&format!("{what}: of it after the election"), &after)
            .p99_at_most(1.0)
            .note("until the first acknowledgement"),
    ]
}

/// The two neighbours that are farthest from each other, of which the later one comes after that time
/// has begun and the earlier one before it is over.
fn longest_silence(times: &[Instant], from: Instant, to: Instant) -> (Instant, Instant) {
    let pairs = times.windows(2).map(|pair| (pair[0], pair[1]));
    let of_then = pairs.filter(|(last, first)| *first >= from && *last <= to);
    of_then.max_by_key(|(last, first)| *first - *last).unwrap_or((from, to))
}
