//! Several servers behind one name.

mod common;

use common::{PATIENCE, target};
use qa_clickhouse::clickhouse::Row;
use qa_clickhouse::{
    BatchOptions, Batcher, ClickHouse, Group, GroupSettings, Policy, Queries, QueryOptions,
    Settings,
};
use qa_resource_core::State;
use qa_servers::cluster::ClickHousePair;
use qa_servers::testing::{eventually, within};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Which of the two answered: they are told apart by their ports.
const WHO: &str = "SELECT toUInt16(getServerPort('http_port'))";

fn url(pair: &ClickHousePair) -> String {
    let [one, two] = pair.nodes();
    let host = format!("127.0.0.1:{}", one.port());
    one.url().replace(&host, &format!("{host},127.0.0.1:{}", two.port()))
}

async fn group(pair: &ClickHousePair, policy: Policy) -> Group<ClickHouse> {
    let target = target("pair", &url(pair));
    let settings = Settings { acquire_timeout: Duration::from_millis(500), ..Settings::default() };
    let failback_after = Duration::from_millis(500);
    let how = GroupSettings { policy, failback_after, ..GroupSettings::default() };
    let group = ClickHouse::group(&target, &settings, how).unwrap();
    group.connect().await.unwrap();
    eventually("both to connect", PATIENCE, async || {
        group.members().iter().all(|member| member.state() == State::Ready)
    })
    .await;
    group
}

async fn answers(queries: &Queries, count: usize) -> BTreeMap<u16, usize> {
    let mut answers = BTreeMap::new();
    for _ in 0..count {
        let who: u16 = queries.query(WHO).fetch_one().await.unwrap();
        *answers.entry(who).or_default() += 1;
    }
    answers
}

#[tokio::test]
async fn queries_go_round_and_where_one_is_gone_to_the_other_without_an_error() {
    let pair = ClickHousePair::start().await.unwrap();
    let [one, two] = pair.nodes();
    let round = group(&pair, Policy::RoundRobin).await;
    let queries = Queries::new(&round, QueryOptions::default());
    let both = answers(&queries, 20).await;
    assert_eq!(both, BTreeMap::from([(one.port(), 10), (two.port(), 10)]));

    one.kill().await.unwrap();
    // What reads goes to the other where a connection is refused, or breaks.
    let rest = within("the rest", PATIENCE, answers(&queries, 20)).await;
    assert_eq!(rest, BTreeMap::from([(two.port(), 20)]));
    one.start_again().await.unwrap();
    eventually("both to answer again", PATIENCE, async || answers(&queries, 4).await.len() == 2)
        .await;
    assert!(round.standing().iter().all(|member| !member.ejected));
    let report = round.close(PATIENCE).await;
    assert!(report.is_clean(), "{report}");
}

#[tokio::test]
async fn failover_stays_with_the_first_and_comes_back_to_it() {
    let pair = ClickHousePair::start().await.unwrap();
    let [one, two] = pair.nodes();
    let group = group(&pair, Policy::Failover).await;
    let queries = Queries::new(&group, QueryOptions::default());
    assert_eq!(answers(&queries, 5).await, BTreeMap::from([(one.port(), 5)]));
    one.kill().await.unwrap();
    assert_eq!(answers(&queries, 5).await, BTreeMap::from([(two.port(), 5)]));
    one.start_again().await.unwrap();
    eventually("the first again", PATIENCE, async || {
        answers(&queries, 1).await.contains_key(&one.port())
    })
    .await;
    group.close(PATIENCE).await;
}

#[tokio::test]
async fn a_frozen_server_is_left_out_and_a_session_stays_where_it_began() {
    let pair = ClickHousePair::start().await.unwrap();
    let [one, _] = pair.nodes();
    let group = group(&pair, Policy::LeastLoaded).await;
    let short = QueryOptions { limit: Duration::from_millis(300), ..QueryOptions::default() };
    let queries = Queries::new(&group, short);
    let sessions: Vec<_> = (0..2).map(|_| queries.session(Duration::from_secs(60))).collect();
    for session in &sessions {
        let create = "CREATE TEMPORARY TABLE mine (n UInt64) ENGINE = Memory";
        session.query(create).limit(PATIENCE).execute().await.unwrap();
        for _ in 0..4 {
            let sql = "SELECT count() FROM mine";
            assert_eq!(session.query(sql).limit(PATIENCE).fetch_one::<u64>().await.unwrap(), 0);
        }
    }
    one.freeze().await.unwrap();
    // It costs a few queries their limit, and then none.
    let mut failed = 0;
    for _ in 0..40 {
        failed += usize::from(queries.query(WHO).fetch_one::<u16>().await.is_err());
    }
    assert!((1..=8).contains(&failed), "{failed} of 40 failed");
    one.thaw().await.unwrap();
    eventually("both to answer again", PATIENCE, async || {
        let mut seen = BTreeMap::new();
        for _ in 0..4 {
            if let Ok(who) = queries.query(WHO).limit(PATIENCE).fetch_one::<u16>().await {
                *seen.entry(who).or_insert(0) += 1;
            }
        }
        seen.len() == 2
    })
    .await;
    group.close(PATIENCE).await;
}

#[derive(Row, Serialize)]
struct Tick {
    n: u64,
}

/// What each of the servers has.
async fn stored(group: &Group<ClickHouse>) -> Vec<Vec<u64>> {
    let mut stored = Vec::new();
    for server in group.members() {
        let rows = server.run_idempotent(|lease| async move {
            lease.query("SELECT n FROM ticks").fetch_all::<u64>().await
        });
        stored.push(rows.await.unwrap());
    }
    stored
}

/// The servers know nothing of each other: a batch that may be on one must not go to the other.
#[tokio::test]
async fn a_batcher_on_two_servers_stores_every_row_once_although_each_is_killed() {
    const ROWS: u64 = 40_000;
    const BATCH: usize = 200;
    let pair = ClickHousePair::start().await.unwrap();
    let group = group(&pair, Policy::RoundRobin).await;
    let create = "CREATE TABLE ticks (n UInt64) ENGINE = MergeTree ORDER BY n \
                  SETTINGS non_replicated_deduplication_window = 1000";
    for server in group.members() {
        server.run(|lease| async move { lease.query(create).execute().await }).await.unwrap();
    }
    // Pushes wait, so that there are rows to come whenever a server is killed.
    let capacity = 4 * BATCH * size_of::<Tick>();
    let options = BatchOptions { max_rows: BATCH, capacity, ..BatchOptions::default() };
    let batcher = Batcher::new(&group, "ticks", options);
    let pusher = async {
        for n in 0..ROWS {
            batcher.push(Tick { n }).await.unwrap();
        }
    };
    let killer = async {
        for (node, after) in pair.nodes().iter().zip([10_000, 25_000]) {
            eventually("the middle", 3 * PATIENCE, async || batcher.stored() >= after).await;
            node.kill().await.unwrap();
            let before = batcher.stored();
            node.start_again().await.unwrap();
            assert!(before < ROWS, "it was killed in the middle");
        }
    };
    within("both to end", 6 * PATIENCE, async { tokio::join!(pusher, killer) }).await;
    let report = batcher.close(3 * PATIENCE).await;
    assert!(report.is_clean() && report.stored == ROWS, "{report}");

    eventually("both to be there", PATIENCE, async || {
        group.members().iter().all(|member| member.state() == State::Ready)
    })
    .await;
    let stored = stored(&group).await;
    assert!(stored.iter().all(|rows| !rows.is_empty()), "both have had their share");
    let mut all = stored.concat();
    all.sort_unstable();
    assert!(all.iter().copied().eq(0..ROWS), "{} rows of {ROWS}", all.len());
    group.close(PATIENCE).await;
}
