//! One connection with its state: lost, blocked, or well.

use crate::Error;
use crate::client::ANSWER_LIMIT;
use crate::dial::Dialled;
use crate::error::{OPENING, bounded};
use crate::heard::Heard;
use crate::socket::Socket;
use futures_util::{Stream, StreamExt};
use lapin::{Channel, Connection, ConnectionState, ConnectionStatus, ErrorKind, Event};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// What the driver has said of the connection.
#[derive(Clone, Debug, Default)]
struct Said {
    blocked: Option<Arc<str>>,
    lost: Option<lapin::Error>,
}

/// One of a client's two connections.
#[derive(Debug)]
pub(crate) struct Link {
    said: watch::Receiver<Said>,
    heard: Heard,
    connection: Connection,
    // Behind the connection: its drop says goodbye before this one cuts.
    socket: Socket,
    _listener: AbortOnDropHandle<()>,
}

impl Link {
    pub(crate) fn new(dialled: Dialled) -> Self {
        let Dialled { connection, socket, heard } = dialled;
        // Called once: the driver's listeners compete for events, each is seen by one of them.
        let events = connection.events_listener();
        let status = connection.status().clone();
        let (sender, said) = watch::channel(Said::default());
        if !connection.status().connected() {
            sender.send_modify(|said| said.lost = Some(state_error(&connection)));
        }
        let listener = AbortOnDropHandle::new(tokio::spawn(listen(events, status, sender)));
        Self { said, heard, connection, socket, _listener: listener }
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Why the broker takes nothing at the moment, where it does not.
    pub(crate) fn blocked(&self) -> Option<Arc<str>> {
        self.said.borrow().blocked.clone()
    }

    pub(crate) fn is_blocked(&self) -> bool {
        self.said.borrow().blocked.is_some()
    }

    /// Resolves when the broker blocks, or when it does not, as `wanted` says.
    pub(crate) async fn until_blocked(&self, wanted: bool) {
        let mut said = self.said.clone();
        if said.wait_for(|said| said.blocked.is_some() == wanted).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Resolves with the cause when the connection is gone.
    pub(crate) async fn lost(&self) -> lapin::Error {
        let mut said = self.said.clone();
        match said.wait_for(|said| said.lost.is_some()).await {
            Ok(said) => said.lost.clone().unwrap_or_else(|| state_error(&self.connection)),
            Err(_) => state_error(&self.connection),
        }
    }

    /// Does `work` for as long as the connection is there: the driver does not always answer a question
    /// that a loss comes between. What has been answered already counts.
    pub(crate) async fn while_there<T>(
        &self,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        tokio::select! {
            biased;
            done = work => done,
            error = self.lost() => Err(Error::Driver(error)),
        }
    }

    /// Opens a channel, under a limit and for as long as the connection is there.
    pub(crate) async fn open(&self) -> Result<Channel, Error> {
        let opening = bounded(OPENING, ANSWER_LIMIT, self.connection.create_channel());
        match self.while_there(opening).await {
            Err(Error::Driver(error)) => Err(Error::Open(error)),
            opened => opened,
        }
    }

    /// Whether anything was read from it within the last `limit`.
    pub(crate) fn heard(&self, limit: Duration) -> bool {
        self.heard.within(limit)
    }

    /// Opens and closes a channel. Where the broker blocks, nothing may be written: the state and
    /// the heartbeat, which the driver watches, have to do.
    pub(crate) async fn ping(&self) -> Result<(), Error> {
        if !self.connection.status().connected() {
            return Err(Error::Driver(state_error(&self.connection)));
        }
        tokio::select! {
            biased;
            () = self.until_blocked(true) => Ok(()),
            answer = self.round_trip() => answer,
        }
    }

    async fn round_trip(&self) -> Result<(), Error> {
        let channel = self.connection.create_channel().await?;
        channel.close(200, "OK".into()).await?;
        Ok(())
    }

    /// Says goodbye where that can be heard, and ends the connection in any case, also where this is
    /// dropped: the resource bounds it, by its `close_timeout`.
    pub(crate) async fn close(&self) -> Result<(), Error> {
        let _cut = Cut(&self.socket);
        if self.blocked().is_some() || !self.connection.status().connected() {
            return Ok(());
        }
        tokio::select! {
            answer = self.connection.close(200, "OK".into()) => match answer {
                Err(error) if !is_gone(&error) => Err(Error::Driver(error)),
                _ => Ok(()),
            },
            // The driver does not always answer a close that a loss comes between.
            _ = self.lost() => Ok(()),
        }
    }
}

/// Cuts when a close ends, or is dropped.
struct Cut<'a>(&'a Socket);

impl Drop for Cut<'_> {
    fn drop(&mut self) {
        self.0.cut();
    }
}

/// A connection that ended by itself while we said goodbye is closed, which is what was wanted. One
/// of its channels that was being closed at the same time makes the driver end it so.
fn is_gone(error: &lapin::Error) -> bool {
    use ErrorKind::{IOError, InvalidChannelState, InvalidConnectionState};
    matches!(error.kind(), InvalidConnectionState(_) | InvalidChannelState(..) | IOError(_))
}

fn state_error(connection: &Connection) -> lapin::Error {
    let status = connection.status();
    let state = if status.closed() {
        ConnectionState::Closed
    } else if status.closing() {
        ConnectionState::Closing
    } else {
        ConnectionState::Error
    };
    ErrorKind::InvalidConnectionState(state).into()
}

async fn listen(
    events: impl Stream<Item = Event>,
    status: ConnectionStatus,
    sender: watch::Sender<Said>,
) {
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        match event {
            Event::ConnectionBlocked(reason) => {
                tracing::warn!(%reason, "the broker takes no messages");
                sender.send_modify(|said| said.blocked = Some(reason.into()));
            }
            Event::ConnectionUnblocked => sender.send_modify(|said| said.blocked = None),
            // An error of a channel comes here too, and leaves the connection as it is.
            Event::Error(error) if !status.connected() => {
                sender.send_modify(|said| said.lost = Some(error));
            }
            _ => {}
        }
    }
}
