//! Waiting until a server lets a client log in.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::address::Address;
use crate::speak::{self, Answer};
use crate::{Error, System};

/// The limit of one attempt: a server that starts or is frozen accepts and then stays silent.
const ATTEMPT: Duration = Duration::from_secs(5);
/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(20);

/// Tries to log in once.
async fn attempt(address: &Address, limit: Duration) -> Answer<()> {
    timeout(limit, login(address))
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {limit:?}")))
        .map_err(|reason| address.redact(&reason))
}

async fn login(address: &Address) -> Answer<()> {
    if !address.is_plain() {
        return speak::connect(address).await.map(drop);
    }
    match address.system {
        System::MongoDb => speak::mongodb::login(address).await,
        System::RabbitMq => speak::amqp::login(address).await,
        System::ClickHouse => speak::http::clickhouse_login(address).await,
        System::Redis => speak::redis::login(address).await,
    }
}

/// Makes one attempt to prepare a server that has never been used. Only MongoDB needs it; one of a
/// set has to answer only, for the set is founded when all its nodes do.
async fn set_up(address: &Address) -> Answer<()> {
    if address.system != System::MongoDb {
        return Ok(());
    }
    let prepared = async {
        if address.member {
            return speak::mongodb::node_login(address).await;
        }
        speak::mongodb::set_up(address).await
    };
    timeout(ATTEMPT, prepared)
        .await
        .unwrap_or_else(|_| Err("no answer".to_owned()))
        .map_err(|reason| address.redact(&reason))
}

/// Knows whether a server has ended, so that no one waits for a login that never comes.
pub(crate) trait Alive {
    /// Why the server has ended, if it has.
    fn ended(&mut self) -> impl Future<Output = Option<String>> + Send;
}

/// Prepares a new server and waits until it lets a client log in.
pub(crate) async fn first_time(
    address: &Address,
    limit: Duration,
    alive: &mut (impl Alive + Send),
) -> Result<(), Error> {
    let deadline = Instant::now() + limit;
    while let Err(reason) = set_up(address).await {
        go_on(address, limit, deadline, reason, alive).await?;
    }
    if address.member && address.system == System::MongoDb {
        return Ok(()); // the user comes with the set
    }
    until_login(address, deadline.saturating_duration_since(Instant::now()), alive).await
}

/// Waits until a login works.
pub(crate) async fn until_login(
    address: &Address,
    limit: Duration,
    alive: &mut (impl Alive + Send),
) -> Result<(), Error> {
    let deadline = Instant::now() + limit;
    while let Err(reason) = attempt(address, ATTEMPT.min(limit)).await {
        go_on(address, limit, deadline, reason, alive).await?;
    }
    Ok(())
}

/// Decides after a failed attempt whether another one makes sense, and pauses before it.
async fn go_on(
    address: &Address,
    limit: Duration,
    deadline: Instant,
    reason: String,
    alive: &mut (impl Alive + Send),
) -> Result<(), Error> {
    let Address { system, port, .. } = *address;
    if let Some(reason) = alive.ended().await {
        return Err(Error::Start { system, reason, log: String::new() });
    }
    if Instant::now() >= deadline {
        return Err(Error::NotReady { system, port, limit, reason });
    }
    sleep(PAUSE).await;
    Ok(())
}
