//! Redis: the driver's own manager, two pools over it, and another client.

use crate::redis::Key;
use ::fred::prelude::{Builder, Client, ClientLike, Config, KeysInterface, ReconnectPolicy};
use ::redis::aio::ConnectionManager;
use ::redis::{AsyncCommands, Client as Driver};
use anyhow::Result;
use bb8_redis::RedisConnectionManager;
use deadpool_redis::Runtime;

/// Connections of a pool; what bb8 has where nothing is said.
pub(crate) const POOL: usize = 10;

pub(crate) async fn manager(url: &str) -> Result<ConnectionManager> {
    Ok(Driver::open(url)?.get_connection_manager().await?)
}

impl Key for ConnectionManager {
    async fn get(&self) -> Result<Option<String>> {
        Ok(AsyncCommands::get(&mut self.clone(), "key").await?)
    }

    async fn set(&self) -> Result<()> {
        Ok(AsyncCommands::set(&mut self.clone(), "key", "value").await?)
    }
}

pub(crate) fn deadpool(url: &str) -> Result<deadpool_redis::Pool> {
    let builder = deadpool_redis::Config::from_url(url).builder()?;
    Ok(builder.max_size(POOL).runtime(Runtime::Tokio1).build()?)
}

impl Key for deadpool_redis::Pool {
    async fn get(&self) -> Result<Option<String>> {
        Ok(AsyncCommands::get(&mut deadpool_redis::Pool::get(self).await?, "key").await?)
    }

    async fn set(&self) -> Result<()> {
        Ok(AsyncCommands::set(&mut deadpool_redis::Pool::get(self).await?, "key", "value").await?)
    }
}

type Bb8 = ::bb8::Pool<RedisConnectionManager>;

pub(crate) async fn bb8(url: &str) -> Result<Bb8> {
    let size = u32::try_from(POOL)?;
    let manager = RedisConnectionManager::new(url)?;
    Ok(::bb8::Pool::builder().max_size(size).build(manager).await?)
}

impl Key for Bb8 {
    async fn get(&self) -> Result<Option<String>> {
        let mut connection = ::bb8::Pool::get(self).await?;
        Ok(AsyncCommands::get(&mut *connection, "key").await?)
    }

    async fn set(&self) -> Result<()> {
        let mut connection = ::bb8::Pool::get(self).await?;
        Ok(AsyncCommands::set(&mut *connection, "key", "value").await?)
    }
}

/// One client, which reconnects without end, at the delays of ours.
pub(crate) async fn fred(url: &str) -> Result<Client> {
    let mut builder = Builder::from_config(Config::from_url(url)?);
    builder.set_policy(ReconnectPolicy::new_exponential(0, 100, 5_000, 2));
    let client = builder.build()?;
    client.init().await?;
    Ok(client)
}

impl Key for Client {
    async fn get(&self) -> Result<Option<String>> {
        Ok(KeysInterface::get(self, "key").await?)
    }

    async fn set(&self) -> Result<()> {
        Ok(KeysInterface::set(self, "key", "value", None, None, false).await?)
    }
}
