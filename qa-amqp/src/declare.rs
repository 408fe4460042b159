//! Makes a topology true on a broker.

use crate::entities::Entities;
use crate::error::name;
use crate::{Binding, Destination, Error, Exchange, Queue, Topology};
use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use lapin::Channel;
use lapin::options::{
    ExchangeBindOptions, ExchangeDeclareOptions, ExchangeDeleteOptions, ExchangeUnbindOptions,
    QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::FieldTable;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How many questions are under way at once: a broker answers those of a channel in order, and a round
/// trip for each of a thousand bindings would take longer than an attempt to connect may.
const AHEAD: usize = 256;

/// What takes longer is told: all of it is done again with the next connect, in an attempt's time, which is five
/// seconds by default.
const LONG: Duration = Duration::from_secs(2);

/// Declares everything, in order, and stops at the first refusal: it closes the channel. The broker may
/// be silent for as long as `silence`.
pub(crate) async fn declare(
    channel: &Channel,
    topology: &Topology,
    entities: &Entities,
    silence: Duration,
) -> Result<(), Error> {
    let began = Instant::now();
    let mut questions = Questions::new(silence);
    for exchange in &topology.exchanges {
        questions.ask(declare_exchange(channel, exchange)).await?;
    }
    questions.end().await?;
    let mut questions = Questions::new(silence);
    for queue in &topology.queues {
        questions.ask(declare_queue(channel, queue, entities)).await?;
    }
    questions.end().await?;
    let mut questions = Questions::new(silence);
    for binding in &topology.bindings {
        questions.ask(bind(channel, binding, entities)).await?;
    }
    questions.end().await?;
    let (took, bindings) = (began.elapsed(), topology.bindings.len());
    if took > LONG {
        tracing::warn!(
            ?took,
            bindings,
            "declaring took long: every connect declares all there is, within `connect_timeout`"
        );
    }
    Ok(())
}

/// Questions that are asked in order, ahead of their answers. The first error is that of the first that
/// was refused: it closes the channel, and with it ends what comes after it.
struct Questions<F: Future> {
    open: FuturesOrdered<F>,
    silence: Duration,
}

impl<F: Future<Output = Result<(), Error>>> Questions<F> {
    fn new(silence: Duration) -> Self {
        Self { open: FuturesOrdered::new(), silence }
    }

    /// Asks one more, and has few enough open.
    async fn ask(&mut self, question: F) -> Result<(), Error> {
        self.open.push_back(question);
        if self.open.len() > AHEAD { self.hear().await } else { Ok(()) }
    }

    /// Waits for all answers.
    async fn end(mut self) -> Result<(), Error> {
        while !self.open.is_empty() {
            self.hear().await?;
        }
        Ok(())
    }

    /// Waits for the next answer.
    async fn hear(&mut self) -> Result<(), Error> {
        let limit = self.silence;
        match timeout(limit, self.open.next()).await {
            Ok(answer) => answer.unwrap_or(Ok(())),
            Err(_) => Err(Error::TimedOut { doing: "declaring the topology", limit }),
        }
    }
}

async fn declare_exchange(channel: &Channel, exchange: &Exchange) -> Result<(), Error> {
    let options = ExchangeDeclareOptions {
        durable: exchange.durable,
        auto_delete: exchange.auto_delete,
        internal: exchange.internal,
        ..ExchangeDeclareOptions::default()
    };
    let (kind, arguments) = (exchange.kind.clone(), exchange.arguments.clone());
    let short = name("exchange's name", &exchange.name)?;
    let declared = channel.exchange_declare(short, kind, options, arguments).await;
    declared.map_err(|source| refused("declaring", format!("exchange `{}`", exchange.name), source))
}

async fn declare_queue(channel: &Channel, queue: &Queue, entities: &Entities) -> Result<(), Error> {
    if queue.server_named && entities.names().contains_key(&queue.name) {
        // It is there already, and the broker lets nobody declare a name that it has given.
        return Ok(());
    }
    let options = QueueDeclareOptions {
        durable: queue.durable,
        exclusive: queue.exclusive,
        auto_delete: queue.auto_delete,
        ..QueueDeclareOptions::default()
    };
    let asked = if queue.server_named { "" } else { &queue.name };
    let short = name("queue's name", asked)?;
    let declared = channel.queue_declare(short, options, queue.arguments.clone()).await;
    let refused = |source| refused("declaring", format!("queue `{}`", queue.name), source);
    let declared = declared.map_err(refused)?;
    if queue.server_named {
        entities.names().insert(queue.name.clone(), declared.name().clone());
    }
    Ok(())
}

async fn bind(channel: &Channel, binding: &Binding, entities: &Entities) -> Result<(), Error> {
    let from = name("exchange's name", &binding.exchange)?;
    let key = name("routing key", &binding.routing_key)?;
    let arguments = binding.arguments.clone();
    let (bound, to) = match &binding.to {
        Destination::Queue(queue) => {
            let to = name("queue's name", &entities.broker_name(queue))?;
            let options = QueueBindOptions::default();
            (channel.queue_bind(to, from, key, options, arguments).await, queue)
        }
        Destination::Exchange(exchange) => {
            let to = name("exchange's name", exchange)?;
            let options = ExchangeBindOptions::default();
            (channel.exchange_bind(to, from, key, options, arguments).await, exchange)
        }
    };
    bound.map_err(|source| refused("declaring", binding_of(to, binding), source))
}

fn binding_of(to: &str, binding: &Binding) -> String {
    format!("binding of `{to}` to `{}`", binding.exchange)
}

/// Takes a binding away.
pub(crate) async fn unbind(
    channel: &Channel,
    binding: &Binding,
    entities: &Entities,
) -> Result<(), Error> {
    let from = name("exchange's name", &binding.exchange)?;
    let key = name("routing key", &binding.routing_key)?;
    let arguments = binding.arguments.clone();
    let (unbound, to) = match &binding.to {
        Destination::Queue(queue) => {
            let to = name("queue's name", &entities.broker_name(queue))?;
            (channel.queue_unbind(to, from, key, arguments).await, queue)
        }
        Destination::Exchange(exchange) => {
            let to = name("exchange's name", exchange)?;
            let options = ExchangeUnbindOptions::default();
            (channel.exchange_unbind(to, from, key, options, arguments).await, exchange)
        }
    };
    unbound.map_err(|source| refused("unbinding", binding_of(to, binding), source))
}

/// What is in a queue, and who consumes it.
pub(crate) async fn look_at(
    channel: &Channel,
    queue: &str,
    entities: &Entities,
) -> Result<lapin::Queue, Error> {
    let short = name("queue's name", &entities.broker_name(queue))?;
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let found = channel.queue_declare(short, passive, FieldTable::default()).await;
    found.map_err(|source| refused("looking at", format!("queue `{queue}`"), source))
}

/// Deletes a queue; gives how many messages were in it.
pub(crate) async fn delete_queue(
    channel: &Channel,
    queue: &str,
    entities: &Entities,
) -> Result<u32, Error> {
    let short = name("queue's name", &entities.broker_name(queue))?;
    let deleted = channel.queue_delete(short, QueueDeleteOptions::default()).await;
    deleted.map_err(|source| refused("deleting", format!("queue `{queue}`"), source))
}

/// Deletes an exchange.
pub(crate) async fn delete_exchange(channel: &Channel, exchange: &str) -> Result<(), Error> {
    let short = name("exchange's name", exchange)?;
    let deleted = channel.exchange_delete(short, ExchangeDeleteOptions::default()).await;
    deleted.map_err(|source| refused("deleting", format!("exchange `{exchange}`"), source))
}

fn refused(doing: &'static str, entity: String, source: lapin::Error) -> Error {
    Error::Declare { doing, entity, source }
}
