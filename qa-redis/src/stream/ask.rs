//! What a member of a group asks of the server.

use super::entry::StreamEntry;
use super::settings::StreamSettings;
use redis::aio::ConnectionLike;
use redis::streams::{StreamAutoClaimReply, StreamPendingCountReply, StreamReadReply};
use redis::{Cmd, Pipeline, RedisError, RedisResult};
use std::collections::HashMap;
use std::time::Duration;

/// How long the server waits for an entry before it answers that there is none: then we look for what
/// others left behind.
const BLOCK: Duration = Duration::from_secs(1);

/// Makes the group, and the stream, where they are not there.
pub(super) async fn create(
    on: &mut impl ConnectionLike,
    settings: &StreamSettings,
) -> RedisResult<()> {
    let StreamSettings { stream, group, start, .. } = settings;
    let mut create = redis::cmd("XGROUP");
    create.arg("CREATE").arg(stream).arg(group).arg(start).arg("MKSTREAM");
    match create.exec_async(on).await {
        Err(error) if error.code() == Some("BUSYGROUP") => Ok(()),
        other => other,
    }
}

/// What comes next; waits a while for it.
pub(super) async fn next(
    on: &mut impl ConnectionLike,
    settings: &StreamSettings,
    count: usize,
) -> RedisResult<Vec<StreamEntry>> {
    read(on, settings, count, Some(BLOCK.min(settings.idle / 4)), ">").await
}

/// What was given to us and not acknowledged, after this id.
pub(super) async fn ours(
    on: &mut impl ConnectionLike,
    settings: &StreamSettings,
    count: usize,
    after: &str,
) -> RedisResult<Vec<StreamEntry>> {
    let mut entries = read(on, settings, count, None, after).await?;
    count_deliveries(on, settings, &mut entries).await?;
    Ok(entries)
}

async fn read(
    on: &mut impl ConnectionLike,
    settings: &StreamSettings,
    count: usize,
    block: Option<Duration>,
    after: &str,
) -> RedisResult<Vec<StreamEntry>> {
    let StreamSettings { stream, group, consumer, .. } = settings;
    let mut read = redis::cmd("XREADGROUP");
    read.arg("GROUP").arg(group).arg(consumer).arg("COUNT").arg(count);
    if let Some(block) = block {
        read.arg("BLOCK").arg(milliseconds(block));
    }
    read.arg("STREAMS").arg(stream).arg(after);
    let reply: Option<StreamReadReply> = read.query_async(on).await?;
    let keys = reply.map(|reply| reply.keys).unwrap_or_default();
    Ok(keys.into_iter().flat_map(|key| key.ids).map(StreamEntry::new).collect())
}

/// What was given to somebody long ago and not acknowledged, from this id on, is ours now; and where
/// to go on.
pub(super) async fn abandoned(
    on: &mut impl ConnectionLike,
    settings: &StreamSettings,
    count: usize,
    from: &str,
) -> RedisResult<(String, Vec<StreamEntry>)> {
    let StreamSettings { stream, group, consumer, idle, .. } = settings;
    let mut claim = redis::cmd("XAUTOCLAIM");
    claim.arg(stream).arg(group).arg(consumer).arg(milliseconds(*idle)).arg(from);
    claim.arg("COUNT").arg(count);
    let reply: StreamAutoClaimReply = claim.query_async(on).await?;
    let mut entries: Vec<_> = reply.claimed.into_iter().map(StreamEntry::new).collect();
    count_deliveries(on, settings, &mut entries).await?;
    Ok((reply.next_stream_id, entries))
}

/// Asks how often they were given to somebody.
async fn count_deliveries(
    on: &mut impl ConnectionLike,
    settings: &StreamSettings,
    entries: &mut [StreamEntry],
) -> RedisResult<()> {
    let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Ok(()) };
    let StreamSettings { stream, group, consumer, .. } = settings;
    let mut pending = redis::cmd("XPENDING");
    pending.arg(stream).arg(group).arg(&first.id).arg(&last.id);
    // Others of ours may lie between them.
    pending.arg(10_000).arg(consumer);
    let pending: StreamPendingCountReply = pending.query_async(on).await?;
    let counts: HashMap<_, _> =
        pending.ids.into_iter().map(|one| (one.id, one.times_delivered)).collect();
    for entry in entries {
        entry.deliveries = counts.get(&entry.id).map_or(1, |count| *count as u64);
    }
    Ok(())
}

/// Tells the group that we still have them.
pub(super) async fn hold(
    on: &mut impl ConnectionLike,
    settings: &StreamSettings,
    ids: &[String],
) -> RedisResult<()> {
    let StreamSettings { stream, group, consumer, .. } = settings;
    let mut hold = redis::cmd("XCLAIM");
    // Without the entries themselves, and without counting as a delivery.
    hold.arg(stream).arg(group).arg(consumer).arg(0).arg(ids).arg("JUSTID");
    hold.exec_async(on).await
}

/// That it was handled. Twice does no harm.
pub(super) fn acknowledge(settings: &StreamSettings, id: &str) -> Cmd {
    let mut ack = redis::cmd("XACK");
    ack.arg(&settings.stream).arg(&settings.group).arg(id);
    ack
}

/// Puts it to the dead, with where it was, and acknowledges it, in one step.
pub(super) fn bury(settings: &StreamSettings, entry: &StreamEntry) -> Result<Pipeline, RedisError> {
    let mut bury = redis::pipe();
    bury.atomic();
    let add = bury.cmd("XADD").arg(settings.dead()).arg("*").arg("id").arg(&entry.id);
    for (field, value) in &entry.fields {
        let bytes: Vec<u8> = redis::from_redis_value(value.clone())?;
        add.arg(field).arg(bytes);
    }
    bury.ignore();
    bury.add_command(acknowledge(settings, &entry.id)).ignore();
    Ok(bury)
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
}
