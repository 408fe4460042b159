//! ClickHouse: a number is selected.

use crate::Outcome;
use clickhouse::Client;

pub(crate) async fn once(url: String) -> Outcome {
    Client::default().with_url(url).query("SELECT 1").fetch_one::<u8>().await?;
    Ok(())
}
