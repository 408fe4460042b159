//! One connection's life: subscribe, hear, ping, until it ends.

use super::event::{Event, Gap};
use super::shared::Shared;
use super::topic::{Topic, commands};
use super::words::Word;
use crate::fate::{self, timed_out};
use crate::way::{Socket, Way};
use redis::{ErrorKind, RedisError, RedisResult, Value};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// A connection that subscriptions had, and what became of it.
pub(super) struct Lost {
    /// Its last sign of life.
    pub(super) heard: Instant,
    pub(super) cause: String,
}

/// How long a server may say nothing, and how often it's asked.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    pub(super) ping: Duration,
    pub(super) silence: Duration,
}

/// Subscribes and hears until the connection ends, which is the error. What was `lost` before is told
/// as a gap once everything is subscribed to again; then it is the new connection's sign of life
/// that is kept there.
pub(super) async fn listen(
    way: &Way,
    shared: &Shared,
    events: &Sender<Event>,
    pace: Pace,
    lost: &mut Option<Lost>,
) -> RedisError {
    let socket = match way.listener().await {
        Ok(socket) => socket,
        Err(error) => return error,
    };
    let (read, write) = split(socket);
    let mut hearing = Hearing { shared, events, lost, whole: false };
    let ended = tokio::select! {
        ended = hear(read, &mut hearing, pace.silence) => ended,
        ended = say(write, shared, pace) => ended,
    };
    match ended {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

/// What one connection has heard so far.
struct Hearing<'a> {
    shared: &'a Shared,
    events: &'a Sender<Event>,
    lost: &'a mut Option<Lost>,
    /// Everything was subscribed to once.
    whole: bool,
}

/// Reads what comes and hands it on; who is slow to take it holds up the reading, not the silence.
async fn hear(
    mut read: ReadHalf<Box<dyn Socket>>,
    hearing: &mut Hearing<'_>,
    silence: Duration,
) -> RedisResult<Infallible> {
    #[expect(clippy::default_trait_access, reason = "its type is of a crate that only redis uses")]
    let mut decoder = Default::default();
    loop {
        let next = redis::parse_redis_value_async(&mut decoder, &mut read);
        let Ok(value) = timeout(silence, next).await else {
            return Err(timed_out(format!("the server said nothing for {silence:?}")));
        };
        hearing.heard(value.map_err(harmless)?).await?;
    }
}

impl Hearing<'_> {
    async fn heard(&mut self, value: Value) -> RedisResult<()> {
        if let (true, Some(lost)) = (self.whole, self.lost.as_mut()) {
            lost.heard = Instant::now();
        }
        match Word::of(value).map_err(harmless)? {
            Word::Message(message) => {
                self.shared.meter.message();
                self.give(Event::Message(message)).await
            }
            Word::Subscribed(topic) => {
                self.shared.confirmed.send_modify(|confirmed| _ = confirmed.insert(topic));
                self.confirm().await
            }
            // Not because we said so: its slot went to another node of the cluster.
            Word::Unsubscribed(topic @ Topic::Sharded(_))
                if self.shared.topics.borrow().contains(&topic) =>
            {
                Err((ErrorKind::Client, "a sharded channel has moved to another node").into())
            }
            Word::Unsubscribed(topic) => {
                self.shared.confirmed.send_modify(|confirmed| _ = confirmed.remove(&topic));
                self.confirm().await
            }
            Word::Refused(error) => Err(error.into()),
            Word::Other => Ok(()),
        }
    }

    /// Once all of it is subscribed to, tells of the gap.
    async fn confirm(&mut self) -> RedisResult<()> {
        if self.whole || !self.shared.is_whole(&self.shared.confirmed.borrow()) {
            return Ok(());
        }
        self.whole = true;
        let (heard, cause) = (Instant::now(), String::new());
        match self.lost.replace(Lost { heard, cause }) {
            Some(before) => {
                let lasted = before.heard.elapsed();
                tracing::info!(resource = %self.shared.group.name(), ?lasted, "subscribed again");
                self.shared.meter.gap();
                self.give(Event::Gap(Gap { lasted, cause: before.cause })).await
            }
            None => Ok(()),
        }
    }

    async fn give(&self, event: Event) -> RedisResult<()> {
        self.events.send(event).await.map_err(|_| fate::gone())
    }
}

/// Says what is to be subscribed to, whenever that changes, and asks for signs of life.
async fn say(
    mut write: WriteHalf<Box<dyn Socket>>,
    shared: &Shared,
    pace: Pace,
) -> RedisResult<Infallible> {
    let mut topics = shared.topics.subscribe();
    let mut said = BTreeSet::new();
    let mut ping = interval(pace.ping);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let wanted = topics.borrow_and_update().clone();
        for command in commands(&said, &wanted) {
            send(&mut write, &command.get_packed_command(), pace.silence).await?;
        }
        said = wanted;
        tokio::select! {
            changed = topics.changed() => changed.map_err(|_| fate::gone())?,
            _ = ping.tick() => {
                send(&mut write, &redis::cmd("PING").get_packed_command(), pace.silence).await?;
            }
        }
    }
}

async fn send<S: AsyncRead + AsyncWrite>(
    write: &mut WriteHalf<S>,
    packed: &[u8],
    limit: Duration,
) -> RedisResult<()> {
    let sent = async {
        write.write_all(packed).await?;
        write.flush().await
    };
    let Ok(sent) = timeout(limit, sent).await else {
        return Err(timed_out(format!("the server took nothing in for {limit:?}")));
    };
    Ok(sent?)
}

/// A parser's text shows what it read: a message, maybe.
fn harmless(error: impl Into<RedisError>) -> RedisError {
    let error = error.into();
    if error.is_io_error() {
        return error;
    }
    (ErrorKind::Parse, "the server does not speak redis' protocol").into()
}
