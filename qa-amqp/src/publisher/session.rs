//! One channel, mostly in confirm mode, and the task that keeps it.

use super::in_flight::{InFlight, Ticket};
use super::message::Message;
use super::news::News;
use super::sending::Sending;
use super::settle::Settling;
use super::slots::Timing;
use super::window::Place;
use crate::client::ANSWER_LIMIT;
use crate::error::bounded;
use crate::{Client, Error, RabbitMq};
use lapin::Channel;
use lapin::options::ConfirmSelectOptions;
use qa_resource_core::Lease;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use tokio_util::sync::{CancellationToken, DropGuard};

/// How a session is reached. It ends when the last of these is dropped and everything is settled,
/// or when its channel does.
#[derive(Clone)]
pub(super) struct Session {
    open: Arc<Open>,
    pub(super) client: Client,
}

/// What the clones of a session share.
struct Open {
    in_flight: Taking,
    /// Whether the broker gives its word for each message.
    confirms: bool,
    /// Fired once the broker has taken what was sent, as far as it can still be known.
    ended: CancellationToken,
}

/// Takes messages until it is dropped.
struct Taking(Arc<InFlight>);

impl Drop for Taking {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Session {
    /// See [`InFlight::submit`].
    pub(super) fn submit(
        &self,
        message: Box<Message>,
        timing: Timing,
        place: Place,
    ) -> Result<Ticket, (Box<Message>, Place)> {
        self.open.in_flight.0.submit(message, timing, place)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.open.in_flight.0.is_closed()
    }

    /// Whether the broker gives its word for each message.
    pub(super) fn confirms(&self) -> bool {
        self.open.confirms
    }

    /// Takes nothing more, and waits until the broker has all of it, or the connection is gone.
    pub(super) async fn end(&self) {
        self.open.in_flight.0.close();
        self.hurry();
        self.open.ended.cancelled().await;
    }

    /// See [`InFlight::hurry`].
    pub(super) fn hurry(&self) {
        self.open.in_flight.0.hurry();
    }
}

/// Opens a channel, in confirm mode where `confirms`, and makes the task that keeps it. `sending` makes
/// what sends through the channel, and `waiting` is how many wait for what is on its way.
pub(super) async fn open(
    lease: Lease<RabbitMq>,
    resource: &str,
    confirms: bool,
    sending: impl FnOnce(Arc<Channel>) -> Box<dyn Sending>,
    waiting: Arc<AtomicUsize>,
) -> Result<(Session, impl Future<Output = ()> + Send + 'static), Error> {
    let channel = lease.publishing_channel().await?;
    if confirms {
        let confirm = channel.confirm_select(ConfirmSelectOptions::default());
        lease.while_publishing(bounded("asking for confirms", ANSWER_LIMIT, confirm)).await?;
    }
    let channel = Arc::new(channel);
    let (news, settling) = (News::new(waiting), Settling::new(resource));
    let sending = sending(Arc::clone(&channel));
    let in_flight = Arc::new(InFlight::new(Arc::clone(&channel), news, settling, sending));
    let ended = CancellationToken::new();
    let end = ended.clone().drop_guard();
    let open = Open { in_flight: Taking(Arc::clone(&in_flight)), confirms, ended };
    let session = Session { open: Arc::new(open), client: (*lease).clone() };
    Ok((session, keep(lease, channel, Taking(in_flight), end)))
}

/// Also where this task is aborted, with its runtime, nothing more is taken: nobody would keep it.
async fn keep(lease: Lease<RabbitMq>, channel: Arc<Channel>, taking: Taking, _end: DropGuard) {
    let in_flight = &taking.0;
    let mut kept = pin!(in_flight.keep());
    tokio::select! {
        biased;
        () = &mut kept => {}
        () = lease.lost() => {
            in_flight.close();
            kept.await;
        }
    }
    let goodbye = channel.close(200, "OK".into());
    // A channel that can't hear it is gone, and the connection's close takes it along.
    let _ = bounded("closing a channel", ANSWER_LIMIT, goodbye).await;
}
