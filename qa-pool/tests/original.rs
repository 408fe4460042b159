//! The nine examples of the original, each on real servers with the data that it needs.
#![cfg(all(
    feature = "mongo",
    feature = "amqp",
    feature = "clickhouse",
    feature = "redis",
    feature = "arrow"
))]

mod common;

use common::{output, server};
use qa_pool::clickhouse::ClickHouse;
use qa_pool::core::{Resource, Target};
use qa_pool::mongo::market::{self, DayBar};
use qa_pool::mongo::mongodb::bson::{Document, doc};
use qa_pool::mongo::{BulkOptions, MongoDb};
use qa_pool::{Group, Settings};
use qa_servers::System;
use std::time::Duration;
use tokio::sync::OnceCell;

/// Days of January with a bar.
const DAYS: u32 = 20;

/// MongoDB with twenty bars of 000001 and three stocks; gives its URL. Filled once: two who upsert the
/// same stock at once can both insert it.
async fn mongo() -> String {
    static FILLED: OnceCell<String> = OnceCell::const_new();
    FILLED.get_or_init(fill_mongo).await.clone()
}

async fn fill_mongo() -> String {
    let url = server(System::MongoDb).await.url();
    let backend = MongoDb::new(&Target::parse("mongo", &url).unwrap()).unwrap();
    let mongo = Resource::new("mongo", backend, Settings::default());
    let bars: Vec<_> = (0..DAYS)
        .map(|day| DayBar {
            code: "000001".to_owned(),
            date: format!("2024-01-{:02}", day + 2),
            close: 10.0 + f64::from(day) / 4.0,
            ..DayBar::default()
        })
        .collect();
    let fill = mongo.run_idempotent(async |lease| {
        market::upsert(&lease, &bars, &BulkOptions::default()).await?;
        let stocks = MongoDb::database(&lease).collection::<Document>("stock_list");
        for code in ["000001", "000002", "600000"] {
            let one = doc! { "$set": { "code": code } };
            stocks.update_one(doc! { "code": code }, one).upsert(true).await?;
        }
        Ok(())
    });
    fill.await.unwrap();
    mongo.close(Duration::from_secs(5)).await;
    url
}

/// ClickHouse with the same bars; gives its URL.
async fn clickhouse() -> String {
    static FILLED: OnceCell<String> = OnceCell::const_new();
    FILLED.get_or_init(fill_clickhouse).await.clone()
}

async fn fill_clickhouse() -> String {
    let url = server(System::ClickHouse).await.url();
    let backend = ClickHouse::new(&Target::parse("bars", &url).unwrap()).unwrap();
    let bars = Resource::new("bars", backend, Settings::default());
    let group = Group::from(&bars);
    qa_pool::clickhouse::Table::bars("stock_day").create(&group).await.unwrap();
    let fill = format!(
        "INSERT INTO stock_day SELECT '000001', toDateTime('2024-01-02 15:00:00') + 86400 * number, 10, 11, 9, 10.5, 100, 1000 FROM numbers({DAYS})"
    );
    let fill = fill.as_str();
    bars.run(|lease| async move { lease.query(fill).execute().await }).await.unwrap();
    bars.close(Duration::from_secs(5)).await;
    url
}

async fn redis() -> String {
    server(System::Redis).await.url()
}

/// A virtual host of the test's own.
async fn rabbit(test: &str) -> String {
    server(System::RabbitMq).await.vhost(test).await.unwrap()
}

#[tokio::test]
async fn example_1_finds_a_document_and_the_collections() {
    let text = output("original_01_mongo_scope", &[&mongo().await], &[]).await;
    assert!(text.contains("000001 closed at 10 on 2024-01-02"), "{text}");
    assert!(text.contains("stock_day") && text.contains("stock_list"), "{text}");
}

#[tokio::test]
async fn example_2_connects_counts_and_closes_by_hand() {
    let text = output("original_02_mongo_by_hand", &[&mongo().await], &[]).await;
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "connected: true");
    assert!(lines[1].starts_with("mongo (mongodb): closed in "), "{text}");
    assert_eq!(lines[2..], ["connected: false", "3 stocks"]);
}

#[tokio::test]
async fn example_3_asks_a_thousand_times_over_one_client() {
    let text = output("original_03_mongo_async", &[&mongo().await], &[]).await;
    assert!(text.contains("1000 of 1000 found") && text.contains("1 connect\n"), "{text}");
}

#[tokio::test]
async fn example_4_sends_and_receives_a_message() {
    let text = output("original_04_rabbitmq", &[&rabbit("example4").await], &[]).await;
    assert!(text.lines().next().unwrap().ends_with(" is confirmed"), "{text}");
    assert!(
        text.contains(r#"acknowledged: {"code":"000001","price":10.5,"volume":100}"#),
        "{text}"
    );
}

#[tokio::test]
async fn example_5_reads_the_version_and_a_data_frame() {
    let text = output("original_05_clickhouse", &[&clickhouse().await], &[]).await;
    assert!(text.starts_with("version 2"), "{text}");
    assert!(text.contains("10 rows of code, time, open, high, low, close"), "{text}");
}

#[tokio::test]
async fn example_6_does_what_people_do_with_redis() {
    let text = output("original_06_redis", &[&redis().await], &[]).await;
    for line in ["ping: Up", "test_key: test_value", "3 keys are there", "4 keys deleted"] {
        assert!(text.contains(line), "{text}");
    }
}

#[tokio::test]
async fn example_7_has_all_four_in_a_pool() {
    let urls = [
        ("QA_MONGO_URL", mongo().await),
        ("QA_AMQP_URL", rabbit("example7").await),
        ("QA_CLICKHOUSE_URL", clickhouse().await),
        ("QA_REDIS_URL", redis().await),
    ];
    let text = output("original_07_pool", &[], &urls).await;
    let counts = |what: &str| text.lines().filter(|line| line.ends_with(what)).count();
    assert_eq!((counts(") is ready"), counts(": up")), (4, 4), "{text}");
    assert!(text.contains("2 collections"), "{text}");
    assert!(
        text.contains("4 resources closed") && text.contains("nothing had to be forced"),
        "{text}"
    );
}

#[tokio::test]
async fn example_8_reaches_all_four_from_anywhere() {
    let urls = [
        ("QA_MONGO_URL", mongo().await),
        ("QA_AMQP_URL", rabbit("example8").await),
        ("QA_CLICKHOUSE_URL", clickhouse().await),
        ("QA_REDIS_URL", redis().await),
    ];
    let text = output("original_08_from_anywhere", &[], &urls).await;
    for line in [
        "MongoDB has 2 collections",
        "RabbitMQ takes messages: true",
        "ClickHouse is version 2",
        "Redis says yes",
    ] {
        assert!(text.contains(line), "{text}");
    }
}

#[tokio::test]
async fn example_9_is_a_strategy_from_bars_to_signal() {
    let urls = [("QA_MONGO_URL", mongo().await), ("QA_REDIS_URL", redis().await)];
    let text = output("original_09_strategy", &[], &urls).await;
    assert_eq!(text, "20 bars of 000001\nbuy at 14.75\n");
}
