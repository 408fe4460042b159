//! Subscriptions that come back by themselves and tell what they may have missed.

mod event;
mod listen;
mod shared;
mod supervise;
mod topic;
mod words;

pub use event::{Event, Gap, Message};
pub use topic::Topic;

use crate::Redis;
use futures_util::Stream;
use qa_resource_core::{Attachment, Group};
use shared::Shared;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// So many events wait for whoever reads them; then the server is held up, which keeps some for a
/// while and ends the connection when it becomes too much (`client-output-buffer-limit pubsub`).
const BUFFER: usize = 1024;

/// Hears what is published, for as long as it is kept, over a connection of its own.
///
/// It subscribes anew whenever its connection or its resource's is lost, with growing pauses up to
/// 5 s. Redis keeps nothing for who is not connected, so what was published meanwhile is lost; an
/// [`Event::Gap`] tells that it may be, once everything is subscribed to again. A frozen or silent
/// server is noticed as the resource notices it, by pings.
///
/// It ends with [`stop`](Self::stop), with its resource's close, or by being dropped. It is a
/// [`Stream`] of [`Event`]s; those that had come when it ended are still given.
///
/// ```no_run
/// # async fn example(resource: qa_resource_core::Resource<qa_redis::Redis>) {
/// use qa_redis::{Event, Subscription, Topic};
/// let topics = [Topic::from("halts"), Topic::Pattern("bars.60*".into())];
/// let mut subscription = Subscription::start(resource.clone(), topics);
/// while let Some(event) = subscription.next().await {
///     match event {
///         Event::Message(message) => println!("{}: {:?}", message.channel, message.payload),
///         Event::Gap(gap) => println!("read the snapshot again: {:?} are missing", gap.lasted),
///         _ => {}
///     }
/// }
/// # }
/// ```
#[must_use = "a subscription ends when it is dropped"]
pub struct Subscription {
    shared: Arc<Shared>,
    events: mpsc::Receiver<Event>,
}

impl Subscription {
    /// Starts to subscribe. Returns at once; [`subscribed`](Self::subscribed) tells when the server has
    /// confirmed.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(group: impl Into<Group<Redis>>, topics: impl IntoIterator<Item = Topic>) -> Self {
        let (sender, events) = mpsc::channel(BUFFER);
        let shared = Arc::new(Shared::new(group.into(), topics.into_iter().collect()));
        let attachment: Arc<dyn Attachment> = Arc::clone(&shared) as _;
        shared.group.attach(&attachment);
        shared.task.spawn(supervise::supervise(Arc::clone(&shared), sender));
        shared.task.close();
        Self { shared, events }
    }

    /// Listens to one more.
    pub fn add(&self, topic: impl Into<Topic>) {
        let topic = topic.into();
        self.shared.topics.send_if_modified(|topics| topics.insert(topic));
    }

    /// No longer listens to it. What had come by then is still given.
    pub fn remove(&self, topic: &Topic) {
        self.shared.topics.send_if_modified(|topics| topics.remove(topic));
    }

    /// The next event; `None` once it has ended.
    ///
    /// # Cancel safety
    /// Nothing is lost where this is dropped.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// Whether the server has confirmed everything that is to be subscribed to.
    #[must_use]
    pub fn is_subscribed(&self) -> bool {
        self.shared.is_whole(&self.shared.confirmed.borrow())
    }

    /// Waits until the server has confirmed everything that is to be subscribed to. For ever where that
    /// never happens: bound it.
    ///
    /// # Cancel safety
    /// Nothing is lost where this is dropped.
    pub async fn subscribed(&self) {
        let mut confirmed = self.shared.confirmed.subscribe();
        // The sender lives as long as this handle.
        let _ = confirmed.wait_for(|confirmed| self.shared.is_whole(confirmed)).await;
    }

    /// Ends it, and waits until its connection is closed.
    ///
    /// # Cancel safety
    /// It ends all the same.
    pub async fn stop(self) {
        self.shared.stop.cancel();
        self.shared.task.wait().await;
    }
}

impl Stream for Subscription {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.events.poll_recv(context)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("resource", &self.shared.group.name())
            .field("topics", &self.shared.topics.borrow().len())
            .field("subscribed", &self.is_subscribed())
            .finish_non_exhaustive()
    }
}
