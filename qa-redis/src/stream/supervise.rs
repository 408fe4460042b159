//! Keeps a consumer reading.

use super::ask;
use super::entry::StreamEntry;
use super::handle;
use super::shared::Shared;
use crate::Dedicated;
use qa_resource_core::{Backoff, ErrorKind};
use redis::RedisResult;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// Reads, and anew whenever that ends, until it is told to stop or its resource is closed for good.
pub(super) async fn supervise(shared: Arc<Shared>) {
    let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    let mut delay = None;
    let life = async {
        while let Some(cause) = consume(&shared, &mut delay).await {
            let pause = *delay.insert(backoff.next(delay, fastrand::f64()));
            let stream = &shared.settings.stream;
            tracing::warn!(%stream, %cause, ?pause, "reading a stream ended, begins anew");
            sleep(pause).await;
        }
    };
    shared.stop.run_until_cancelled(life).await;
    shared.reading.send_replace(false);
    shared.handlers.close();
    if timeout(shared.settings.drain_limit, shared.handlers.wait()).await.is_err() {
        shared.abort.cancel();
    }
    // Aborted ones end at their next await.
    shared.handlers.wait().await;
}

/// Reads until it ends: the cause where it has to begin anew, `None` where it is over.
async fn consume(shared: &Arc<Shared>, delay: &mut Option<Duration>) -> Option<String> {
    let lease = match shared.group.acquire().await {
        Ok(lease) => lease.long_lived(),
        Err(error) if error.kind() == ErrorKind::Closed => return None,
        Err(error) => return Some(error.to_string()),
    };
    let cause = tokio::select! {
        biased;
        () = lease.lost() => "its resource's connection was lost".to_owned(),
        ended = async {
            let mut connection = lease.dedicated_for(&shared.settings.stream).await?;
            ask::create(&mut connection, &shared.settings).await?;
            *delay = None;
            shared.reading.send_replace(true);
            let mut reading = Reading { shared, connection };
            tokio::try_join!(reading.read(), hold(shared, lease.clone()))
        } => match ended {
            Ok((never, _)) => match never {},
            Err(error) => { let error: redis::RedisError = error; error.to_string() }
        },
    };
    shared.reading.send_replace(false);
    // The stream may have moved to another node of a cluster.
    lease.look_again();
    Some(cause)
}

/// Tells the group of long handlers that they still run.
async fn hold(shared: &Shared, mut client: crate::Client) -> RedisResult<Infallible> {
    loop {
        sleep(shared.settings.idle / 3).await;
        let ids: Vec<_> = shared.under_way().iter().cloned().collect();
        if !ids.is_empty() {
            ask::hold(&mut client, &shared.settings, &ids).await?;
        }
    }
}

struct Reading<'a> {
    shared: &'a Arc<Shared>,
    connection: Dedicated,
}

impl Reading<'_> {
    /// First what was given to us before, then in turns what comes and what others left behind.
    async fn read(&mut self) -> RedisResult<Infallible> {
        let settings = &self.shared.settings;
        let mut after = "0".to_owned();
        loop {
            let room = self.room().await;
            let ours = ask::ours(&mut self.connection, settings, room, &after).await?;
            let Some(last) = ours.last() else { break };
            after.clone_from(&last.id);
            self.hand_out(ours).await;
        }
        let (mut from, mut looked) = ("0-0".to_owned(), None::<Instant>);
        loop {
            if from != "0-0" || looked.is_none_or(|looked| looked.elapsed() > settings.idle / 4) {
                let room = self.room().await;
                let (next, abandoned) =
                    ask::abandoned(&mut self.connection, settings, room, &from).await?;
                from = next;
                looked = Some(Instant::now());
                self.hand_out(abandoned).await;
            }
            let room = self.room().await;
            let entries = ask::next(&mut self.connection, settings, room).await?;
            self.hand_out(entries).await;
        }
    }

    /// How many handlers may begin, once one may: so much is asked for, so that nothing is given to us
    /// that would wait here while another could have it.
    async fn room(&self) -> usize {
        // The slots are never closed; the permit is back before it is counted.
        drop(self.shared.slots.acquire().await);
        self.shared.slots.available_permits().clamp(1, 1_000)
    }

    async fn hand_out(&self, entries: Vec<StreamEntry>) {
        for entry in entries {
            let Ok(slot) = Arc::clone(&self.shared.slots).acquire_owned().await else { return };
            handle::spawn(self.shared, entry, slot);
        }
    }
}
