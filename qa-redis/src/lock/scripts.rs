//! What a server does in one step, and what it answers.
//!
//! Keys: the lock, whose value is its owner; the fence, the last token that was given; the queue, a
//! sorted set of who waits by the order of coming; and until when each of them counts as waiting. All
//! four are in one slot. Who holds the lock is not in the queue. The first 16 letters of an owner say
//! whose it is.

use redis::Script;
use std::sync::LazyLock;

/// Takes the lock, or lines up for it.
///
/// The token is the fence's next number or the server's time in microseconds, whichever is greater:
/// so it grows even when a server lost what it knew, as long as its clock does not go back; and even
/// when its clock goes back, as long as it keeps what it knew.
///
/// Who holds it already asks again because an answer was lost: it's given the same token, and the
/// whole time anew.
///
/// Arguments: owner, time to live in ms, and for how many ms the owner counts as waiting (0: it does
/// not wait). Answers `{1, token, 0}`, or `{0, ms until it is free, how many are before}`.
pub(super) static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local lock, fence, queue, waiters = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local owner, ttl, patience = ARGV[1], ARGV[2], tonumber(ARGV[3])
local holder = redis.call('GET', lock)
if holder == owner then
  redis.call('PEXPIRE', lock, ttl)
  return {1, redis.call('GET', fence), 0}
end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local now_ms = math.floor(now / 1000)
local first = redis.call('ZRANGE', queue, 0, 0)[1]
if first then
  for _, gone in ipairs(redis.call('ZRANGEBYSCORE', waiters, '-inf', now_ms)) do
    redis.call('ZREM', queue, gone)
    redis.call('ZREM', waiters, gone)
  end
  first = redis.call('ZRANGE', queue, 0, 0)[1]
end
if not holder and (not first or first == owner) then
  local token = math.max(now, (tonumber(redis.call('GET', fence)) or 0) + 1)
  token = string.format('%.0f', token)
  redis.call('SET', lock, owner, 'PX', ttl)
  redis.call('SET', fence, token)
  if first then
    redis.call('ZREM', queue, owner)
    redis.call('ZREM', waiters, owner)
  end
  return {1, token, 0}
end
if patience > 0 then
  if not redis.call('ZSCORE', queue, owner) then
    local last = redis.call('ZRANGE', queue, -1, -1, 'WITHSCORES')[2]
    redis.call('ZADD', queue, (tonumber(last) or 0) + 1, owner)
  end
  redis.call('ZADD', waiters, now_ms + patience, owner)
  redis.call('PEXPIRE', queue, 10 * patience)
  redis.call('PEXPIRE', waiters, 10 * patience)
end
return {0, math.max(redis.call('PTTL', lock), 0), redis.call('ZRANK', queue, owner) or 0}
",
    )
});

/// Begins the time to live anew. Arguments: owner, time to live in ms. Answers whether it is its.
pub(super) static KEEP: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
",
    )
});

/// Sets the fence to at least a token. Arguments: owner, token. Answers whether the lock is its.
pub(super) static RAISE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local fence = tonumber(redis.call('GET', KEYS[2])) or 0
if tonumber(ARGV[2]) > fence then redis.call('SET', KEYS[2], ARGV[2]) end
return 1
",
    )
});

/// Gives the lock up, or the place in the line, and says who is next: to other processes on a channel
/// of theirs, where that is allowed.
///
/// Arguments: owner, what the channels begin with. Answers `{whether the lock was its, who is next or
/// nothing}`.
pub(super) static LEAVE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local lock, queue, waiters, owner = KEYS[1], KEYS[3], KEYS[4], ARGV[1]
local holder = redis.call('GET', lock)
local ours = holder == owner
if ours then
  redis.call('DEL', lock)
else
  redis.call('ZREM', queue, owner)
  redis.call('ZREM', waiters, owner)
  if holder then return {0, ''} end
end
local first = redis.call('ZRANGE', queue, 0, 0)[1] or ''
local whose = string.sub(first, 1, 16)
if first ~= '' and whose ~= string.sub(owner, 1, 16) then
  redis.pcall('PUBLISH', ARGV[2] .. whose, first)
end
return {ours and 1 or 0, first}
",
    )
});
