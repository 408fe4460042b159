//! Makes a topology true on a broker.

use crate::error::name;
use crate::{Binding, Destination, Error, Exchange, Queue, Topology};
use lapin::Channel;
use lapin::options::{
    ExchangeBindOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};

/// Declares everything, in order, and stops at the first refusal: it closes the channel.
pub(crate) async fn declare(channel: &Channel, topology: &Topology) -> Result<(), Error> {
    for exchange in &topology.exchanges {
        declare_exchange(channel, exchange).await?;
    }
    for queue in &topology.queues {
        declare_queue(channel, queue).await?;
    }
    for binding in &topology.bindings {
        bind(channel, binding).await?;
    }
    Ok(())
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
    declared.map_err(|source| refused(format!("exchange `{}`", exchange.name), source))
}

async fn declare_queue(channel: &Channel, queue: &Queue) -> Result<(), Error> {
    let options = QueueDeclareOptions {
        durable: queue.durable,
        exclusive: queue.exclusive,
        auto_delete: queue.auto_delete,
        ..QueueDeclareOptions::default()
    };
    let short = name("queue's name", &queue.name)?;
    let declared = channel.queue_declare(short, options, queue.arguments.clone()).await;
    declared.map(drop).map_err(|source| refused(format!("queue `{}`", queue.name), source))
}

async fn bind(channel: &Channel, binding: &Binding) -> Result<(), Error> {
    let from = name("exchange's name", &binding.exchange)?;
    let key = name("routing key", &binding.routing_key)?;
    let arguments = binding.arguments.clone();
    let (bound, to) = match &binding.to {
        Destination::Queue(queue) => {
            let to = name("queue's name", queue)?;
            let options = QueueBindOptions::default();
            (channel.queue_bind(to, from, key, options, arguments).await, queue)
        }
        Destination::Exchange(exchange) => {
            let to = name("exchange's name", exchange)?;
            let options = ExchangeBindOptions::default();
            (channel.exchange_bind(to, from, key, options, arguments).await, exchange)
        }
    };
    bound.map_err(|source| refused(format!("binding of `{to}` to `{}`", binding.exchange), source))
}

fn refused(entity: String, source: lapin::Error) -> Error {
    Error::Declare { entity, source }
}
