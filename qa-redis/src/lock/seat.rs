//! One lock on one server.

use super::LockSettings;
use super::scripts::{KEEP, LEAVE, RAISE, TAKE};
use super::turns::{Turns, channels};
use super::votes::{Verdict, Votes};
use crate::Redis;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use qa_resource_core::{Group, Result};
use redis::{Script, ScriptInvocation};
use std::sync::Arc;
use std::time::Duration;

/// Who asks for which lock.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) name: String,
    /// The lock, the fence, the queue, the waiters.
    keys: [String; 4],
    /// Says who asks; nobody else has it.
    pub(super) owner: String,
    ttl: Duration,
    turns: Arc<Turns>,
    /// What the channels begin with on which it is told whose turn it is.
    channels: String,
}

/// What a server says to who asks for a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Yes { token: u64 },
    No { free_in: Duration, before: u32 },
}

impl Claim {
    pub(super) fn new(name: &str, settings: &LockSettings, turns: &Arc<Turns>) -> Self {
        // In a cluster all keys of a lock have to be in one slot.
        let lock = format!("{}{{{name}}}", settings.prefix);
        let keys = ["", ":fence", ":queue", ":waiters"].map(|suffix| format!("{lock}{suffix}"));
        Self {
            name: name.to_owned(),
            keys,
            owner: turns.owner(),
            ttl: settings.ttl,
            turns: Arc::clone(turns),
            channels: channels(settings),
        }
    }

    /// The same under another name, which no server knows yet.
    pub(super) fn anew(&self) -> Self {
        Self { owner: self.turns.owner(), ..self.clone() }
    }

    fn call<'a>(&self, script: &'a Script) -> ScriptInvocation<'a> {
        let mut call = script.prepare_invoke();
        for key in &self.keys {
            call.key(key);
        }
        call.arg(&self.owner);
        call
    }

    fn ttl(&self) -> u64 {
        u64::try_from(self.ttl.as_millis()).unwrap_or(u64::MAX)
    }

    /// Asks for it, and lines up where it is to count as waiting for so long.
    pub(super) async fn take(&self, on: &Group<Redis>, patience: Duration) -> Result<Answer> {
        let mut call = self.call(&TAKE);
        let patience = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        call.arg(self.ttl()).arg(patience);
        let call = &call;
        let (yes, number, before): (bool, u64, u32) = on
            .run_idempotent(|lease| async move { call.invoke_async(&mut lease.clone()).await })
            .await?;
        if yes {
            return Ok(Answer::Yes { token: number });
        }
        Ok(Answer::No { free_in: Duration::from_millis(number), before })
    }

    /// Has it live on, over a connection that only such calls use; whether it's ours.
    pub(super) async fn keep(&self, on: &Group<Redis>) -> Result<bool> {
        let mut call = self.call(&KEEP);
        call.arg(self.ttl());
        let (call, key) = (&call, &self.keys[0]);
        on.run_idempotent(|lease| async move {
            let mut connection = lease.urgent(key).await?;
            let kept = call.invoke_async(&mut connection).await;
            connection.is_as_it_was();
            if kept.is_err() {
                // The lock may have moved to another node of a cluster.
                lease.look_again();
            }
            kept
        })
        .await
    }

    /// Sets its fence to at least this token; whether it's ours.
    pub(super) async fn raise(&self, on: &Group<Redis>, token: u64) -> Result<bool> {
        let mut call = self.call(&RAISE);
        call.arg(token);
        let call = &call;
        on.run_idempotent(|lease| async move { call.invoke_async(&mut lease.clone()).await }).await
    }

    /// Gives it up everywhere; what most of them say. Those that are slow go on in the background.
    pub(super) async fn leave_all(&self, servers: &Arc<[Group<Redis>]>) -> Verdict<()> {
        let leave = |server: usize| {
            let (claim, servers) = (self.clone(), Arc::clone(servers));
            tokio::spawn(async move { claim.leave(&servers[server]).await })
        };
        let mut left: FuturesUnordered<_> = (0..servers.len()).map(leave).collect();
        let mut votes = Votes::of(servers.len());
        while let Some(vote) = left.next().await {
            // A task that was ended with its runtime says nothing.
            let Ok(vote) = vote else { break };
            if votes.count(vote.map(|was_ours| was_ours.then_some(()))) {
                break;
            }
        }
        votes.verdict()
    }

    /// Gives it up, or its place in the line; whether it was ours.
    async fn leave(&self, on: &Group<Redis>) -> Result<bool> {
        let mut call = self.call(&LEAVE);
        call.arg(&self.channels);
        let call = &call;
        let mut asked = 0;
        let (was_ours, next): (bool, String) = on
            .run_idempotent(|lease| {
                asked += 1;
                async move { call.invoke_async(&mut lease.clone()).await }
            })
            .await?;
        self.turns.wake(&next);
        // Of one whose answer did not come, the next one finds nothing left to give up.
        Ok(was_ours || asked > 1)
    }
}
