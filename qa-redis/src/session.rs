//! From a socket to a client with its session: login, database, name.

use crate::client::Client;
use crate::dial::within;
use crate::login::login;
use crate::options::Options;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Pipeline, RedisConnectionInfo, RedisResult, Value};
use tokio::io::{AsyncRead, AsyncWrite};

/// What `CLIENT LIST` shows as the library, in the form that Redis asks wrappers to use.
const LIBRARY: &str = concat!("redis-rs(qa-redis_v", env!("CARGO_PKG_VERSION"), ")");

/// Opens the session. Dropped at any time, it takes the connection with it.
pub(crate) async fn open<S>(mut stream: S, options: &Options) -> RedisResult<Client>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let limit = options.response_timeout;
    let silent = "the server accepted the connection, but did not answer the login";
    let protocol = within(options.login_timeout, silent, login(&mut stream, options)).await?;

    // To the driver the session is new and needs nothing: no login, database 0, no library name.
    let nothing = RedisConnectionInfo::default().set_skip_set_lib_name();
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(limit));
    let connection = MultiplexedConnection::new_with_config(&nothing, stream, config).await?;

    let mut client = Client::new(connection, protocol, options);
    introduce(&mut client, options).await?;
    Ok(client)
}

/// Selects the database and says who we are, in one round trip.
async fn introduce(client: &mut Client, options: &Options) -> RedisResult<()> {
    let mut pipeline = Pipeline::new();
    pipeline.cmd("SELECT").arg(options.database);
    pipeline.cmd("CLIENT").arg("SETINFO").arg("LIB-NAME").arg(LIBRARY);
    if let Some(name) = &options.name {
        pipeline.cmd("CLIENT").arg("SETNAME").arg(name);
    }
    let answers = client.req_packed_commands(&pipeline, 0, pipeline.len()).await?;
    match answers.into_iter().next() {
        // The names are for people; a server that refuses them (too old, or a user without the
        // right) serves as well.
        Some(Value::ServerError(error)) if options.database != 0 || is_about_us(&error) => {
            Err(error.into())
        }
        _ => Ok(()),
    }
}

/// Database 0 is what a session starts with, so that a server without `SELECT` (a cluster's node, a
/// proxy) is fine; but not one that lets nobody in.
fn is_about_us(error: &redis::ServerError) -> bool {
    error.code() == "NOAUTH"
}
