//! ClickHouse.

use crate::count::cost;
use crate::{hold, quiet};
use integration_tests::ClickHouse;
use qa_pool::clickhouse::clickhouse::{self, Client, Row};
use qa_pool::clickhouse::{BatchOptions, Batcher, Queries, QueryOptions};
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Row, Serialize, Deserialize)]
struct Line {
    number: u64,
}

#[tokio::test]
async fn clickhouse_costs_what_its_budget_says() {
    let proxied = quiet::<ClickHouse>("budgets").await;
    let (group, proxy) = (&proxied.rig.group, &proxied.proxy);
    let bare: Client = group.acquire().await.unwrap().clone();
    let table = "CREATE TABLE budget_lines (number UInt64) ENGINE = MergeTree ORDER BY number";
    bare.query("DROP TABLE IF EXISTS budget_lines").execute().await.unwrap();
    bare.query(table).execute().await.unwrap();
    let queries = Queries::new(group, QueryOptions::default());
    // It is flushed when it is told to, and by nothing else.
    let options = BatchOptions { max_age: Duration::from_secs(3600), ..BatchOptions::default() };
    let batcher = Batcher::<Line>::builder(group, "budget_lines").options(options);
    let batcher = batcher.start().await.unwrap();

    let leased = async || ask(&group.acquire().await.unwrap()).await;
    let leased = cost(proxy, leased, async || ask(&bare).await).await;
    let asked = async || {
        let _: u8 = queries.query("SELECT 1").fetch_one().await.unwrap();
    };
    let asked = cost(proxy, asked, async || ask(&bare).await).await;
    let batch = async || {
        batcher.push_all((0..100).map(|number| Line { number })).await.unwrap();
        batcher.flush().await.unwrap();
    };
    let batch = cost(proxy, batch, async || insert(&bare).await).await;
    hold(
        "clickhouse",
        &[
            ("a query with a lease", leased),
            ("a query of Queries", asked),
            ("a batch of 100 rows", batch),
        ],
    );
    assert!(batcher.close(Duration::from_secs(10)).await.is_clean());
    proxied.rig.close().await;
}

async fn ask(client: &Client) {
    let _: u8 = client.query("SELECT 1").fetch_one().await.unwrap();
}

async fn insert(client: &Client) {
    let mut insert = client.insert::<Line>("budget_lines").await.unwrap();
    for number in 0..100 {
        insert.write(&Line { number }).await.unwrap();
    }
    insert.end().await.unwrap();
}
