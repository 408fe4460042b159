//! From a socket to a session: login, database, name.

use crate::dial::within;
use crate::link::Link;
use crate::login::{self, login};
use crate::options::Options;
use crate::place::Place;
use crate::way::{Socket, Until};
use futures_util::future::Either;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{
    AsyncConnectionConfig, ErrorKind, Pipeline, ProtocolVersion, RedisConnectionInfo, RedisError,
    RedisResult, Value,
};
use tokio::io::{AsyncRead, AsyncWrite};

/// What `CLIENT LIST` shows as the library, in the form that Redis asks wrappers to use.
const LIBRARY: &str = concat!("redis-rs(qa-redis_v", env!("CARGO_PKG_VERSION"), ")");

/// What is added to the name of a dedicated connection, and to a subscriber's.
const DEDICATED: &str = ":dedicated";
const SUBSCRIBER: &str = ":subscriber";

pub(crate) const SILENT: &str = "the server accepted the connection, but did not answer the login";

/// A connection that is logged in. Dropped, it is closed.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) connection: MultiplexedConnection,
    pub(crate) link: Link,
    pub(crate) protocol: ProtocolVersion,
    /// Whom the sentinels named, where they were asked.
    pub(crate) master: Option<Place>,
}

/// Opens the session: a dedicated one, whose answers have no limit of their own, where it is given
/// until when it lasts. Dropped at any time, it takes the connection with it.
pub(crate) async fn open<S>(
    mut stream: S,
    options: &Options,
    until: Option<&Until>,
) -> RedisResult<Session>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let protocol = within(options.login_timeout, SILENT, login(&mut stream, options)).await?;

    // To the driver the session is new and needs nothing: no login, database 0, no library name.
    let nothing = RedisConnectionInfo::default().set_skip_set_lib_name();
    let limit = until.is_none().then_some(options.response_timeout);
    let config = AsyncConnectionConfig::new().set_response_timeout(limit);
    let (connection, driver) =
        MultiplexedConnection::new_with_config(&nothing, stream, config).await?;
    let driver = match until {
        Some(until) => Either::Left(until.drive(driver)),
        None => Either::Right(driver),
    };
    let link = Link::spawn(driver, options);
    let mut session = Session { connection, link, protocol, master: None };

    let mut pipeline = Pipeline::new();
    introduce(&mut pipeline, options, until.is_some());
    session.link.admit()?;
    let answers = session.connection.req_packed_commands(&pipeline, 0, pipeline.len());
    let answers = within(options.login_timeout, SILENT, answers).await?;
    match answers.into_iter().next() {
        // The names are for people; a server that refuses them (too old, or a user without the
        // right) serves as well.
        Some(Value::ServerError(error)) if options.database != 0 || is_about_us(&error) => {
            Err(error.into())
        }
        _ => Ok(session),
    }
}

/// Selects the database and says who we are.
fn introduce(pipeline: &mut Pipeline, options: &Options, dedicated: bool) {
    pipeline.cmd("SELECT").arg(options.database);
    pipeline.cmd("CLIENT").arg("SETINFO").arg("LIB-NAME").arg(LIBRARY);
    if let Some(name) = &options.name {
        let suffix = if dedicated { DEDICATED } else { "" };
        pipeline.cmd("CLIENT").arg("SETNAME").arg(format!("{name}{suffix}"));
    }
    // To a master it means nothing.
    if options.asks_for_readonly() && !dedicated {
        pipeline.cmd("READONLY");
    }
}

/// Says who we are on a subscriber's socket, which needs no more. A server that refuses the name serves
/// as well.
pub(crate) async fn name_listener(
    socket: &mut Box<dyn Socket>,
    options: &Options,
) -> RedisResult<()> {
    let Some(name) = &options.name else { return Ok(()) };
    let mut command = redis::cmd("CLIENT");
    command.arg("SETNAME").arg(format!("{name}{SUBSCRIBER}"));
    match login::ask(socket, &command).await? {
        Value::ServerError(error) if is_about_us(&error) => Err(error.into()),
        _ => Ok(()),
    }
}

/// Makes a dedicated session as it was when it was new, in one round trip: no transaction, nothing
/// watched, no subscription, its own database, user and name.
///
/// # Errors
/// Where the server can't (before 6.2) or does not let us.
pub(crate) async fn reset(session: &mut Session, options: &Options) -> RedisResult<()> {
    let mut pipeline = Pipeline::new();
    pipeline.cmd("RESET");
    pipeline.add_command(login::again(options, session.protocol));
    introduce(&mut pipeline, options, true);
    let answers = session.connection.req_packed_commands(&pipeline, 0, pipeline.len()).await?;
    // What was refused is not told: it may hold the password.
    let refused = answers.iter().take(3).any(|answer| matches!(answer, Value::ServerError(_)));
    if refused { Err(not_reset()) } else { Ok(()) }
}

fn not_reset() -> RedisError {
    (ErrorKind::Client, "the server did not reset the connection").into()
}

/// Database 0 is what a session starts with, so that a server without `SELECT` (a cluster's node, a
/// proxy) is fine; but not one that lets nobody in.
fn is_about_us(error: &redis::ServerError) -> bool {
    error.code() == "NOAUTH"
}
