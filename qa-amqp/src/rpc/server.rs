//! Who answers.

use super::ERROR_HEADER;
use crate::{
    Consumer, ConsumerSettings, Delivery, PublishError, Publisher, PublisherSettings, RabbitMq,
};
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use qa_resource_core::Group;
use std::convert::Infallible;
use std::fmt;

/// Serves requests from a queue: `handler` gives the content of each answer. Where it fails, the
/// asker is told why, and the request is done.
///
/// A request that is delivered again, because its server was lost, is handled again: let handlers
/// bear that, or tell copies by [`message_id`](Delivery::message_id). An answer that nobody waits for
/// any more is dropped.
///
/// # Panics
/// As [`Consumer::start`].
pub fn serve<H, F, E>(
    group: impl Into<Group<RabbitMq>>,
    settings: ConsumerSettings,
    handler: H,
) -> Consumer
where
    H: Fn(Delivery) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Vec<u8>, E>> + Send + 'static,
    E: fmt::Display + Send + 'static,
{
    let group = group.into();
    let name = format!("answers from `{}`", settings.queue);
    let answers = PublisherSettings { name, persistent: false, ..Default::default() };
    let publisher = Publisher::new(&group, answers);
    Consumer::start(group, settings, move |delivery| {
        let (publisher, properties) = (publisher.clone(), delivery.properties.clone());
        let work = handler(delivery);
        async move {
            let answer = work.await.map_err(|error| error.to_string());
            reply(&publisher, &properties, answer).await;
            Ok::<_, Infallible>(())
        }
    })
}

/// The request is done by now, and is not to be done again because of its answer.
async fn reply(publisher: &Publisher, request: &BasicProperties, answer: Result<Vec<u8>, String>) {
    let Some(to) = request.reply_to() else { return };
    let mut properties = BasicProperties::default();
    if let Some(id) = request.correlation_id() {
        properties = properties.with_correlation_id(id.clone());
    }
    let payload = answer.unwrap_or_else(|why| {
        let mut headers = FieldTable::default();
        headers.insert(ERROR_HEADER.into(), AMQPValue::LongString(why.into()));
        properties = properties.clone().with_headers(headers);
        Vec::new()
    });
    match publisher.publish("", to.as_str(), &payload, properties).await {
        Ok(_) => {}
        Err(PublishError::Returned { .. }) => {
            tracing::debug!("nobody waits for an answer any more");
        }
        Err(error) => tracing::warn!(%error, "an answer was not sent"),
    }
}
