//! The next batch, sent while the server stores the one before it.

use super::insert::How;
use super::kind::Rest;
use super::options::InsertMode;
use super::worker::Worker;
use crate::ClickHouse;
use clickhouse::error::Result;
use futures_util::future::{BoxFuture, MaybeDone, maybe_done};
use qa_resource_core::Lease;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

/// The server looks at an insert once it has as much of it, which is its `max_query_size`: of what takes less
/// nothing is sent before its turn.
const WORTH: usize = 256 << 10;

/// Sends an insert as far as it can go before its turn.
type Sending = Pin<Box<MaybeDone<BoxFuture<'static, Result<Rest>>>>>;

/// A batch on its way before its turn: the server reads its rows, but for the last, while it still stores
/// the batch before. An insert without an end is none, so that their order stays what it was.
pub(super) struct Ahead {
    pub(super) token: String,
    /// In a lock that is never taken: what shares the worker need not know that this can't be shared.
    sending: Mutex<Sending>,
    /// Held until its turn, which has a lease of its own.
    _lease: Lease<ClickHouse>,
}

impl Ahead {
    /// Its turn: what is left to do. `None` where it did not get that far, of which nothing is stored.
    pub(super) fn turn(self) -> impl Future<Output = Option<Rest>> + Send {
        let mut sending = self.sending.into_inner().unwrap_or_else(PoisonError::into_inner);
        async move {
            sending.as_mut().await;
            sending.as_mut().take_output()?.ok()
        }
    }
}

impl<T: Send + Sync + 'static> Worker<T> {
    /// Sends the next batch, once it is full, into `ahead`; goes on with one that is there. Runs until it is
    /// dropped, and loses nothing by that.
    pub(super) async fn send_ahead(&self, ahead: &mut Option<Ahead>, begins: bool) {
        if ahead.is_none() && begins {
            *ahead = self.next_ahead().await;
        }
        if let Some(ahead) = ahead {
            let sending = ahead.sending.get_mut().unwrap_or_else(PoisonError::into_inner);
            sending.as_mut().await;
        }
        std::future::pending::<()>().await;
    }

    /// Waits for a full batch behind the one under way. `None` where it has to wait for its turn.
    async fn next_ahead(&self) -> Option<Ahead> {
        let shared = &self.shared;
        // Only a table that has taken such rows; and where another server might take the batch before, it is
        // not known which one is to have this.
        let [server] = &self.group.members()[..] else { return None };
        if self.known.is_none() || !self.checked || shared.options.mode != InsertMode::Block {
            return None;
        }
        let insertion = loop {
            match shared.follow(WORTH) {
                Some(insertion) => break insertion,
                None => shared.wake.notified().await,
            }
        };
        let lease = server.try_acquire().ok()?;
        let (kind, client, table) = (shared.kind, lease.clone(), self.table.clone());
        let token = insertion.token.clone();
        let sending: BoxFuture<'static, _> = Box::pin(async move {
            let how = How {
                table: &table,
                token: &insertion.token,
                mode: InsertMode::Block,
                checked: true,
            };
            kind.begin(&client, &insertion.rows, insertion.part, how).await
        });
        Some(Ahead { token, sending: Mutex::new(Box::pin(maybe_done(sending))), _lease: lease })
    }
}
