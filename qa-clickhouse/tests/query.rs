//! Queries on a real server: bounded, whole or an error, and gone when nobody waits for them.

mod common;

use common::{PATIENCE, backend, resource, shared, target};
use qa_clickhouse::{ClickHouse, Queries, QueryOptions};
use qa_resource_core::{ErrorKind, Outcome, Resource, Settings};
use qa_servers::testing::within;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;

/// A query that lasts for minutes, in steps, and whose answer is too large to be kept by the server until
/// its end.
const ENDLESS: &str = "SELECT number, sleepEachRow(0.02), hex(randomString(150000)) FROM numbers(10000) SETTINGS max_block_size = 1, max_threads = 1";

type Endless = (u64, u8, String);

/// Rows that come until the server throws in the middle of them.
const THROWN: &str = "SELECT number, throwIf(number = 3000000, 'thrown in the middle') FROM numbers(6000000) SETTINGS max_threads = 1";

async fn queries() -> (Resource<ClickHouse>, Queries) {
    let bars = resource(shared().await, Settings::default()).await;
    let queries = Queries::new(&bars, QueryOptions::default());
    (bars, queries)
}

/// Whether the server is at work on it.
async fn runs(queries: &Queries, id: &str) -> bool {
    let sql = "SELECT count() FROM system.processes WHERE query_id = {id:String}";
    let count: u64 = queries.query(sql).param("id", id.to_owned()).fetch_one().await.unwrap();
    count > 0
}

async fn runs_by_now(queries: &Queries, id: &str) {
    within("it to run", PATIENCE, async {
        while !runs(queries, id).await {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// It is gone from the server's list within a second.
async fn is_soon_gone(queries: &Queries, id: &str) {
    let start = Instant::now();
    while runs(queries, id).await {
        assert!(
            start.elapsed() < Duration::from_secs(1),
            "it still runs after {:?}",
            start.elapsed()
        );
    }
}

#[tokio::test]
async fn rows_scalars_and_parameters_that_the_server_binds() {
    let (_bars, queries) = queries().await;
    let sql = "SELECT {n:UInt64} + 1, {code:String}";
    let evil = "0'; DROP TABLE bars; --".to_owned();
    let query = queries.query(sql).param("n", 41u64).param("code", evil.clone());
    let row: (u64, String) = query.fetch_one().await.unwrap();
    assert_eq!(row, (42, evil));
    let all: Vec<u64> =
        queries.query("SELECT number FROM numbers(1000)").fetch_all().await.unwrap();
    assert_eq!(all, (0..1000).collect::<Vec<_>>());
    let none: Option<u64> =
        queries.query("SELECT number FROM numbers(0)").fetch_optional().await.unwrap();
    assert_eq!(none, None);
    let error =
        queries.query("SELECT number FROM numbers(0)").fetch_one::<u64>().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Operation, "{error}");
    let two =
        queries.query("SELECT toString(getSetting('max_threads'))").setting("max_threads", "2");
    assert_eq!(two.fetch_one::<String>().await.unwrap(), "2");
    let summary =
        queries.query("SELECT sum(number) FROM numbers(1000000)").execute().await.unwrap();
    assert!(summary.read_rows >= 1_000_000 && summary.elapsed > Duration::ZERO, "{summary:?}");
    let unknown = queries.query("SELECT * FROM nowhere").execute().await.unwrap_err();
    assert!(unknown.message().contains("Code: 60"), "{unknown}");
    assert_eq!(unknown.outcome(), Outcome::NotApplied);
}

#[tokio::test]
async fn a_query_that_is_dropped_is_gone_within_a_second_however_it_was_asked() {
    let (_bars, queries) = queries().await;
    let whole = {
        let queries = queries.clone();
        tokio::spawn(async move { queries.query(ENDLESS).id("dropped-whole").execute().await })
    };
    runs_by_now(&queries, "dropped-whole").await;
    whole.abort();
    is_soon_gone(&queries, "dropped-whole").await;

    let mut rows = queries.query(ENDLESS).id("dropped-rows").rows::<Endless>().await.unwrap();
    rows.next().await.unwrap().unwrap();
    assert!(runs(&queries, "dropped-rows").await);
    drop(rows);
    is_soon_gone(&queries, "dropped-rows").await;

    let mut bytes = queries.query(ENDLESS).id("dropped-bytes").bytes("CSV").await.unwrap();
    bytes.next().await.unwrap().unwrap();
    drop(bytes);
    is_soon_gone(&queries, "dropped-bytes").await;

    let killed = {
        let queries = queries.clone();
        tokio::spawn(async move { queries.query(ENDLESS).id("killed").execute().await })
    };
    runs_by_now(&queries, "killed").await;
    queries.kill("killed").await.unwrap();
    let error = within("the end", PATIENCE, killed).await.unwrap().unwrap_err();
    assert!(error.message().contains("Code: 394"), "{error}");
}

#[tokio::test]
async fn a_limit_ends_it_here_and_on_the_server_and_the_connection_is_used_again() {
    let (_bars, queries) = queries().await;
    let start = Instant::now();
    let limit = Duration::from_millis(700);
    let query = queries.query(ENDLESS).id("limited").limit(limit);
    let error = query.execute().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(start.elapsed() < limit + Duration::from_secs(1), "{:?}", start.elapsed());
    is_soon_gone(&queries, "limited").await;
    // A stream is bounded as a whole, and says so after the rows that came.
    let query = queries.query(ENDLESS).id("limited-rows").limit(limit);
    let mut rows = query.rows::<Endless>().await.unwrap();
    let (mut count, mut end) = (0, None);
    while end.is_none() {
        match rows.next().await {
            Ok(row) => count += u64::from(row.is_some()),
            Err(error) => end = Some(error),
        }
    }
    assert_eq!(end.unwrap().kind(), ErrorKind::Timeout);
    assert!(count > 0);
    is_soon_gone(&queries, "limited-rows").await;
    assert_eq!(queries.query("SELECT 1").fetch_one::<u8>().await.unwrap(), 1);
}

#[tokio::test]
async fn an_exception_in_the_middle_is_an_error_and_never_a_short_result() {
    let server = shared().await;
    for compression in ["lz4", "none"] {
        let url = format!("{}?compression={compression}", server.url());
        let backend = ClickHouse::new(&target("bars", &url)).unwrap();
        let bars = Resource::new("bars", backend, Settings::default());
        let queries = Queries::new(&bars, QueryOptions::default());
        let mut rows = queries.query(THROWN).rows::<(u64, u8)>().await.unwrap();
        let mut count = 0u64;
        let error = loop {
            match rows.next().await {
                Ok(Some(_)) => count += 1,
                Ok(None) => panic!("{compression}: it ended well after {count} rows"),
                Err(error) => break error,
            }
        };
        assert!(count > 1000, "{compression}: rows came before it: {count}");
        assert_eq!(error.kind(), ErrorKind::Operation, "{compression}: {error}");
        assert!(error.message().contains("thrown in the middle"), "{compression}: {error}");

        let all = queries.query(THROWN).fetch_all::<(u64, u8)>().await;
        assert!(all.is_err(), "{compression}");
        for format in ["CSV", "JSONEachRow", "Parquet", "RowBinary"] {
            let mut written = Vec::new();
            let result = queries.query(THROWN).write_to(format, &mut written).await;
            let error = result.unwrap_err();
            assert!(error.message().contains("thrown in the middle"), "{format}: {error}");
        }
    }
}

#[tokio::test]
async fn formats_are_written_as_they_come_and_a_writer_that_fails_ends_the_query() {
    let (_bars, queries) = queries().await;
    let sql = "SELECT number AS n, 'x' AS s FROM numbers(3)";
    for (format, expected) in [
        ("CSVWithNames", "\"n\",\"s\"\n0,\"x\"\n1,\"x\"\n2,\"x\"\n"),
        ("JSONEachRow", "{\"n\":0,\"s\":\"x\"}\n{\"n\":1,\"s\":\"x\"}\n{\"n\":2,\"s\":\"x\"}\n"),
    ] {
        let mut written = Vec::new();
        let query = queries.query(sql).setting("output_format_json_quote_64bit_integers", "0");
        query.write_to(format, &mut written).await.unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), expected, "{format}");
    }
    let mut parquet = Vec::new();
    let summary = queries.query(sql).write_to("Parquet", &mut parquet).await.unwrap();
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));
    assert!(summary.received_bytes > 0, "{summary:?}");

    // The other end takes a little and goes away.
    let (mut near, mut far) = tokio::io::duplex(64);
    let writing = queries.query(ENDLESS).id("unwritten").write_to("CSV", &mut near);
    let reading = async move {
        far.read_u8().await.unwrap();
        drop(far);
    };
    let (written, ()) =
        within("both to end", PATIENCE, async { tokio::join!(writing, reading) }).await;
    let error = written.unwrap_err();
    assert!(error.message().contains("writing the answer"), "{error}");
    is_soon_gone(&queries, "unwritten").await;
}

#[tokio::test]
async fn progress_is_told_while_it_runs_and_ends_with_it() {
    let (_bars, queries) = queries().await;
    let sql = "SELECT count(), sum(sleepEachRow(0.01)) FROM numbers(150) SETTINGS max_block_size = 1, max_threads = 1";
    let mut query = queries.query(sql);
    let mut progress = query.progress();
    let watching = async {
        let (mut read, mut seen) = (0, 0);
        while let Some(now) = progress.next().await {
            assert!(now.read_rows >= read, "{now:?} after {read}");
            (read, seen) = (now.read_rows, seen + 1);
            assert!(now.share().is_none_or(|share| share <= 1.0), "{now:?}");
        }
        (read, seen)
    };
    let both = async { tokio::join!(query.execute(), watching) };
    let (summary, (read, seen)) = within("both to end", PATIENCE, both).await;
    summary.unwrap();
    assert!(seen >= 2 && read > 0, "{seen} news, of {read} rows");
}

#[tokio::test]
async fn more_queries_than_there_are_places_wait_in_line() {
    let bars = resource(shared().await, Settings::default()).await;
    let queries = Queries::new(&bars, QueryOptions { at_once: 2, ..QueryOptions::default() });
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let queries = queries.clone();
        tasks.spawn(async move {
            let ours = "SELECT count() FROM system.processes WHERE query LIKE '%in_line%'";
            let sql = format!("SELECT assumeNotNull(({ours})) + sleepEachRow(0.1)");
            queries.query(sql).fetch_one::<u64>().await.unwrap()
        });
    }
    let most = tasks.join_all().await.into_iter().max();
    assert!(most.is_some_and(|most| most <= 4), "{most:?} at once, with those just answered");
    let short = Settings { acquire_timeout: Duration::from_millis(200), ..Settings::default() };
    let bars = Resource::new("bars", backend(shared().await), short);
    let queries = Queries::new(&bars, QueryOptions { at_once: 1, ..QueryOptions::default() });
    let _holds = queries.query(ENDLESS).rows::<Endless>().await.unwrap();
    let error = queries.query("SELECT 1").fetch_one::<u8>().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Overloaded, "{error}");
}

#[tokio::test]
async fn a_session_keeps_its_tables_and_its_queries_stand_in_line() {
    let (_bars, queries) = queries().await;
    let session = queries.session(Duration::from_secs(60));
    let create = "CREATE TEMPORARY TABLE mine (n UInt64) ENGINE = Memory";
    session.query(create).execute().await.unwrap();
    session.query("INSERT INTO mine SELECT number FROM numbers(10)").execute().await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let session = session.clone();
        tasks.spawn(async move {
            session.query("SELECT count() FROM mine").fetch_one::<u64>().await.unwrap()
        });
    }
    assert_eq!(tasks.join_all().await, [10; 10]);
    let other = queries.session(Duration::from_secs(60));
    let error = other.query("SELECT count() FROM mine").fetch_one::<u64>().await.unwrap_err();
    assert!(error.message().contains("Code: 60"), "{error}");
}
