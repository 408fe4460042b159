//! Redis: a key is read.

use crate::Outcome;
use redis::{AsyncTypedCommands, Client};

pub(crate) async fn once(url: String) -> Outcome {
    let client = Client::open(url)?;
    client.get_multiplexed_async_connection().await?.get("programs").await?;
    Ok(())
}
