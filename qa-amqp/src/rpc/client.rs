//! Who asks.

use super::{ERROR_HEADER, RpcError};
use crate::{
    Consumer, ConsumerSettings, Delivery, Publisher, PublisherSettings, Queue, RabbitMq, Topology,
};
use lapin::BasicProperties;
use lapin::types::{AMQPValue, ShortString};
use qa_resource_core::{Error, ErrorKind, Group, Lease};
use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

/// Longer limits count as this.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Sends requests and takes in their answers, any number side by side. Cheap to clone; make one and
/// keep it, because the queue for its answers is declared with every connect from then on, until
/// [`close`](Self::close).
///
/// ```no_run
/// # async fn example(group: qa_resource_core::Group<qa_amqp::RabbitMq>)
/// # -> Result<(), Box<dyn std::error::Error>> {
/// use qa_amqp::RpcClient;
/// use std::time::Duration;
/// let rpc = RpcClient::new(&group).await?;
/// let answer = rpc.call("", "quotes", b"cu2512", Duration::from_secs(1)).await?;
/// println!("{} bytes", answer.payload.len());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RpcClient(Arc<Shared>);

struct Shared {
    group: Group<RabbitMq>,
    publisher: Publisher,
    consumer: Consumer,
    queue: String,
    waiting: Arc<Waiting>,
}

/// Who waits for the answer to which request.
#[derive(Debug, Default)]
struct Waiting(Mutex<HashMap<ShortString, oneshot::Sender<Delivery>>>);

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, HashMap<ShortString, oneshot::Sender<Delivery>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands an answer over; nobody waits for one that is too late.
    fn answer(&self, delivery: Delivery) {
        let id = delivery.properties.correlation_id().clone();
        if let Some(asker) = id.and_then(|id| self.lock().remove(&id)) {
            let _ = asker.send(delivery);
        }
    }
}

/// One that waits; forgotten when it is dropped.
struct Asker<'a> {
    waiting: &'a Waiting,
    id: ShortString,
}

impl Drop for Asker<'_> {
    fn drop(&mut self) {
        self.waiting.lock().remove(&self.id);
    }
}

impl RpcClient {
    /// Declares the queue for the answers and begins to consume it.
    ///
    /// # Errors
    /// Those of [`Resource::run`](qa_resource_core::Resource::run).
    ///
    /// # Cancel safety
    /// The queue may be declared; it ends with its connection.
    pub async fn new(group: impl Into<Group<RabbitMq>>) -> qa_resource_core::Result<Self> {
        let group = group.into();
        let queue = format!("answers-{:016x}", fastrand::u64(..));
        let topology = Topology::new().queue(Queue::server_named(&*queue));
        group.run_idempotent(async |lease| lease.declare(topology.clone()).await).await?;
        let waiting = Arc::new(Waiting::default());
        let consumer = Consumer::start(&group, ConsumerSettings::new(&*queue), {
            let waiting = Arc::clone(&waiting);
            move |delivery| {
                waiting.answer(delivery);
                async { Ok::<_, Infallible>(()) }
            }
        });
        let settings = PublisherSettings {
            name: "requests".to_owned(),
            persistent: false,
            ..Default::default()
        };
        let publisher = Publisher::new(&group, settings);
        Ok(Self(Arc::new(Shared { group, publisher, consumer, queue, waiting })))
    }

    /// Sends a request and waits for its answer, for `limit` at the most. The request itself expires
    /// then, too: a server that comes late is not kept busy with it.
    ///
    /// # Errors
    /// [`RpcError`] says what is known of the request.
    ///
    /// # Cancel safety
    /// A request that was handed over may be carried out; its answer is dropped.
    pub async fn call(
        &self,
        exchange: &str,
        routing_key: &str,
        payload: &[u8],
        limit: Duration,
    ) -> Result<Delivery, RpcError> {
        let limit = LONGEST.min(limit);
        let deadline = Instant::now() + limit;
        let lease = self.ready(deadline).await?;
        let (sender, answer) = oneshot::channel();
        let id = ShortString::from(format!("{:032x}", fastrand::u128(..)));
        self.0.waiting.lock().insert(id.clone(), sender);
        let _asker = Asker { waiting: &self.0.waiting, id: id.clone() };
        let properties = BasicProperties::default()
            .with_correlation_id(id)
            .with_reply_to(lease.queue_name(&self.0.queue).into())
            .with_expiration(limit.as_millis().max(1).to_string().into());
        let published = self.0.publisher.publish(exchange, routing_key, payload, properties);
        let answered = async {
            let _ = published.await?;
            answer.await.map_err(|_| RpcError::Lost)
        };
        let delivery = tokio::select! {
            biased;
            answered = timeout_at(deadline, answered) => {
                answered.map_err(|_| RpcError::TimedOut(limit))??
            }
            // The queue for the answer has gone with it.
            () = lease.lost() => return Err(RpcError::Lost),
        };
        refusal(&delivery).map_or(Ok(delivery), |why| Err(RpcError::Refused(why)))
    }

    /// A lease of the connection on which the queue for the answers is consumed.
    async fn ready(&self, deadline: Instant) -> Result<Lease<RabbitMq>, RpcError> {
        let ready = async {
            let lease = self.0.group.acquire().await?;
            self.0.consumer.consuming().await;
            Ok(lease)
        };
        match timeout_at(deadline, ready).await {
            Ok(lease) => lease.map_err(RpcError::NotSent),
            Err(_) => Err(RpcError::NotSent(Error::new(
                ErrorKind::Timeout,
                self.0.group.name(),
                "the queue for the answers was not there in time",
            ))),
        }
    }

    /// Stops consuming and deletes the queue for the answers; requests that wait end as
    /// [`RpcError::TimedOut`].
    ///
    /// # Errors
    /// Those of [`Resource::run`](qa_resource_core::Resource::run); the queue then ends with its
    /// connection, and is declared again with the next.
    ///
    /// # Cancel safety
    /// As where it fails.
    pub async fn close(self) -> qa_resource_core::Result<()> {
        // Its messages are answers that nobody waits for any more.
        let _ = self.0.consumer.stop().await;
        let queue = &self.0.queue;
        self.0.group.run_idempotent(async |lease| lease.delete_queue(queue).await).await.map(drop)
    }
}

/// Why the server did not do what it was asked for, where it says so.
fn refusal(delivery: &Delivery) -> Option<String> {
    let headers = delivery.properties.headers().as_ref()?;
    match headers.inner().get(ERROR_HEADER)? {
        AMQPValue::LongString(why) => Some(String::from_utf8_lossy(why.as_bytes()).into_owned()),
        _ => None,
    }
}

impl fmt::Debug for RpcClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RpcClient")
            .field("resource", &self.0.group.name())
            .field("waiting", &self.0.waiting.lock().len())
            .finish_non_exhaustive()
    }
}
