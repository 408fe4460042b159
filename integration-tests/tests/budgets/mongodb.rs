//! MongoDB.

use crate::count::cost;
use crate::{hold, quiet};
use integration_tests::MongoDb;
use qa_pool::Lease;
use qa_pool::mongo::market::{self, DayBar};
use qa_pool::mongo::mongodb::bson::{Document, doc};
use qa_pool::mongo::mongodb::{Client, Collection};
use qa_pool::mongo::{BulkOptions, MongoDb as Backend};

#[tokio::test]
async fn mongodb_costs_what_its_budget_says() {
    let proxied = quiet::<MongoDb>("budgets").await;
    let (group, proxy) = (&proxied.rig.group, &proxied.proxy);
    let bare: Client = group.acquire().await.unwrap().clone();
    bars(&bare).insert_one(doc! { "code": "000001" }).await.unwrap();
    let bar = |number| DayBar { code: format!("{number:06}"), ..DayBar::default() };
    let days: Vec<_> = (0..100).map(bar).collect();

    let leased = async || find(&group.acquire().await.unwrap()).await;
    let leased = cost(proxy, leased, async || find(&bare).await).await;
    let run = async || {
        let ask = |lease: Lease<Backend>| async move {
            bars(&lease).find_one(doc! { "code": "000001" }).await
        };
        assert!(group.run(ask).await.unwrap().is_some());
    };
    let run = cost(proxy, run, async || find(&bare).await).await;
    let upsert = async || {
        let options = BulkOptions::default();
        market::upsert(&group.acquire().await.unwrap(), &days, &options).await.unwrap();
    };
    // There is nothing in the driver to compare with: all that it allocates is counted.
    let upsert = cost(proxy, upsert, async || {}).await;
    hold(
        "mongodb",
        &[
            ("find one with a lease", leased),
            ("find one through run", run),
            ("a bulk upsert of 100", upsert),
        ],
    );
    proxied.rig.close().await;
}

fn bars(client: &Client) -> Collection<Document> {
    Backend::database(client).collection("budget")
}

async fn find(client: &Client) {
    assert!(bars(client).find_one(doc! { "code": "000001" }).await.unwrap().is_some());
}
