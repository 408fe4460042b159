//! Watching over a live connection: the driver's word, pings on time, and pings on suspicion.

use crate::health::Hysteresis;
use crate::shared::Shared;
use crate::{Backend, Error, ErrorKind, Health, Reading, Result};
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};

/// The shortest time between two pings: a thousand operations that fail at once are one suspicion.
const SHORTEST_GAP: Duration = Duration::from_millis(100);

/// Returns why the connection is lost, once it is.
pub(crate) async fn keep<B: Backend>(shared: &Shared<B>, client: &B::Client) -> Error {
    tokio::select! {
        biased;
        error = shared.backend.lost(client) => shared.driver_error("lost the connection to", error),
        error = pings(shared, client) => error,
    }
}

/// Pings until so many failed in a row.
async fn pings<B: Backend>(shared: &Shared<B>, client: &B::Client) -> Error {
    let mut failures = Hysteresis::new(shared.settings().health_failures);
    let mut last = Instant::now();
    let mut wait = shared.settings().health_interval;
    let mut impaired = false;
    let mut slow = None;
    loop {
        tokio::select! {
            () = sleep_until(last + wait) => {}
            () = shared.check.notified() => sleep_until(last + SHORTEST_GAP).await,
            () = shared.backend.impairment_changed(client, impaired) => {
                sleep_until(last + SHORTEST_GAP).await;
            }
        }
        impaired = shared.backend.impairment(client).is_some();
        failures.set_needed(shared.settings().health_failures);
        last = Instant::now();
        // A failed ping is followed by the next one at once: that is what makes two of them quick.
        wait = SHORTEST_GAP;
        match ping(shared, client).await {
            Ok(latency) => {
                failures.reset();
                slow = None;
                wait = shared.settings().health_interval;
                shared.read(reading(shared, client, latency));
            }
            // It answers: that it can't keep up is no reason to leave it.
            Err(error) if error.kind() == ErrorKind::Overloaded => {
                failures.reset();
                wait = shared.settings().health_interval;
                shared.read(Reading::new(Health::Degraded, None, Some(error)));
            }
            // The answer is on its way behind others: to leave the connection would do that to them, and
            // the next one would be as slow.
            Err(error) if is_slow(shared, client, &error, last, *slow.get_or_insert(last)) => {
                wait = shared.settings().health_interval;
                shared.read(Reading::new(Health::Degraded, None, Some(error)));
            }
            Err(error) if failures.count() => return error,
            Err(error) => shared.read(Reading::new(Health::Degraded, None, Some(error))),
        }
    }
}

/// Whether the server has talked since a ping was sent that it has not answered in time, and has
/// answered none for no longer than a connect may take.
fn is_slow<B: Backend>(
    shared: &Shared<B>,
    client: &B::Client,
    error: &Error,
    sent: Instant,
    since: Instant,
) -> bool {
    error.kind() == ErrorKind::Timeout
        && since.elapsed() < shared.settings().connect_deadline
        && shared.backend.heard(client, sent.elapsed())
}

/// What an answered ping says: up, unless the backend knows of an impairment or the connection
/// came back only just now.
fn reading<B: Backend>(shared: &Shared<B>, client: &B::Client, latency: Duration) -> Reading {
    let Some(why) = shared.backend.impairment(client) else {
        return shared.alive(Some(latency));
    };
    let error =
        shared.error(ErrorKind::Overloaded, format!("{} is impaired: {why}", shared.server()));
    Reading::new(Health::Degraded, Some(latency), Some(error))
}

/// One bounded ping, and how long it took.
pub(crate) async fn ping<B: Backend>(shared: &Shared<B>, client: &B::Client) -> Result<Duration> {
    let (began, limit) = (Instant::now(), shared.settings().health_timeout);
    match timeout(limit, shared.backend.ping(client)).await {
        Ok(Ok(())) => Ok(began.elapsed()),
        Ok(Err(error)) => Err(shared.driver_error("no sign of life from", error)),
        Err(_) => {
            let message = format!("no sign of life from {} within {limit:?}", shared.server());
            Err(shared.error(ErrorKind::Timeout, message))
        }
    }
}
