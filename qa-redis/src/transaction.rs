//! Transactions that are tried again where somebody else was faster.

use crate::client::Client;
use crate::dedicated::Dedicated;
use qa_resource_core::Backoff;
use redis::{ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult, ServerErrorKind};
use std::time::Duration;
use tokio::time::sleep;

/// So often it is tried, with pauses that grow: within some seconds it ends either way.
const ATTEMPTS: u32 = 32;

const PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

impl Client {
    /// Reads, decides and writes as one step: what `body` writes is applied only if none of the `keys`
    /// has changed since before `body` read them. Otherwise `body` runs again, 32 times at the most.
    ///
    /// `body` reads over the connection that it is given, and returns the commands to apply, or `None`
    /// to apply nothing. It may run more than once: what it does elsewhere should bear that. On a
    /// cluster, all keys have to be in one slot.
    ///
    /// This is `WATCH`, `MULTI` and `EXEC` on a [dedicated](Client::dedicated) connection; see
    /// <https://redis.io/docs/latest/develop/using-commands/transactions/>.
    ///
    /// ```no_run
    /// # use qa_redis::Client;
    /// # async fn example(client: Client) -> Result<(), qa_redis::redis::RedisError> {
    /// use qa_redis::redis::{AsyncCommands, pipe};
    /// // Takes 100 from the account if they are there.
    /// let left: Option<(i64,)> = client
    ///     .transaction(&["cash"], async |redis| {
    ///         let cash: i64 = redis.get("cash").await?;
    ///         Ok((cash >= 100).then(|| pipe().decr("cash", 100).clone()))
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// What `body` returned, which applies nothing; those of [`dedicated`](Client::dedicated); what the
    /// server refused (`MOVED` where a cluster's keys have just moved); `TRYAGAIN` where the keys changed
    /// under each of the attempts. Where the answer to `EXEC` did not come, the outcome is unknown.
    ///
    /// # Cancel safety
    /// When the future is dropped, all of it is applied or nothing.
    pub async fn transaction<T: FromRedisValue>(
        &self,
        keys: &[&str],
        mut body: impl AsyncFnMut(&mut Dedicated) -> RedisResult<Option<Pipeline>>,
    ) -> RedisResult<Option<T>> {
        let mut connection = match keys.first() {
            Some(key) => self.dedicated_for(key).await?,
            None => self.dedicated().await?,
        };
        let result = tried(&mut connection, keys, &mut body).await;
        if result.is_err() {
            // The keys may have moved to another node of a cluster.
            self.look_again();
        }
        result
    }
}

/// Tries it until nobody was faster.
async fn tried<T: FromRedisValue>(
    connection: &mut Dedicated,
    keys: &[&str],
    body: &mut impl AsyncFnMut(&mut Dedicated) -> RedisResult<Option<Pipeline>>,
) -> RedisResult<Option<T>> {
    let backoff = Backoff::new(PAUSE, LONGEST_PAUSE);
    let mut pause = None;
    for _ in 0..ATTEMPTS {
        if !keys.is_empty() {
            redis::cmd("WATCH").arg(keys).exec_async(connection).await?;
        }
        let Some(mut commands) = body(connection).await? else { return Ok(None) };
        let applied: Option<T> = commands.atomic().query_async(connection).await?;
        if applied.is_some() {
            return Ok(applied);
        }
        let next = backoff.next(pause, fastrand::f64());
        sleep(*pause.insert(next)).await;
    }
    Err(contended())
}

fn contended() -> RedisError {
    let kind = ErrorKind::Server(ServerErrorKind::TryAgain);
    (kind, "the watched keys changed under each of the attempts; nothing was applied").into()
}
