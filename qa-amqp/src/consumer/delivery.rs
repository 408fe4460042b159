//! What a handler is given.

use super::failed::Failed;
use super::settings::Order;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, ShortString};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

/// A message, owned. It is acknowledged when its handler succeeds; a handler can't do it itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// The exchange that it was published to; empty for the default one.
    pub exchange: String,
    /// The key that it was published with.
    pub routing_key: String,
    /// Whether it may have been delivered before. A handler must bear that: RabbitMQ delivers at
    /// least once.
    pub redelivered: bool,
    /// Its properties and headers.
    pub properties: BasicProperties,
    /// Its content.
    pub payload: Vec<u8>,
}

impl Delivery {
    /// The message's id; the same for each copy of a message that was published more than once.
    #[must_use]
    pub fn message_id(&self) -> Option<&str> {
        self.properties.message_id().as_ref().map(ShortString::as_str)
    }

    /// Its content, read as JSON.
    ///
    /// # Errors
    /// [`Failed::reject`]: what is not JSON of this kind now will not be the next time either. The
    /// error says where, and shows nothing of the content.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failed> {
        serde_json::from_slice(&self.payload).map_err(|error| Failed::reject(not_json(&error)))
    }

    /// How often it was rejected from `queue`, as the broker counts it (`x-death`).
    pub(super) fn rejected_from(&self, queue: &str) -> u64 {
        let headers = self.properties.headers().as_ref();
        let deaths = headers.and_then(|headers| headers.inner().get("x-death"));
        let Some(AMQPValue::FieldArray(deaths)) = deaths else { return 0 };
        deaths.as_slice().iter().filter_map(|death| rejections(death, queue)).sum()
    }

    /// What its order is kept by.
    pub(super) fn order_key(&self, order: &Order) -> Option<String> {
        match order {
            Order::Any => None,
            Order::RoutingKey => Some(self.routing_key.clone()),
            Order::Header(name) => {
                let headers = self.properties.headers().as_ref();
                let value = headers.and_then(|headers| headers.inner().get(name.as_str()));
                Some(match value {
                    None => String::new(),
                    Some(AMQPValue::LongString(text)) => {
                        String::from_utf8_lossy(text.as_bytes()).into_owned()
                    }
                    Some(other) => format!("{other:?}"),
                })
            }
        }
    }
}

/// Without serde's own words, which show the value that it stumbled over.
fn not_json(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        Category::Data => "is JSON of another kind than is expected",
        Category::Eof => "ends before its JSON does",
        Category::Syntax | Category::Io => "is not JSON",
    };
    format!("the content {what}: line {}, column {}", error.line(), error.column())
}

fn rejections(death: &AMQPValue, queue: &str) -> Option<u64> {
    let AMQPValue::FieldTable(death) = death else { return None };
    let text = |key: &str| match death.inner().get(key) {
        Some(AMQPValue::LongString(text)) => Some(text.as_bytes()),
        _ => None,
    };
    let is_ours = text("queue")? == queue.as_bytes() && text("reason")? == b"rejected";
    match death.inner().get("count") {
        Some(AMQPValue::LongLongInt(count)) if is_ours => u64::try_from(*count).ok(),
        _ => None,
    }
}

impl From<lapin::message::Delivery> for Delivery {
    fn from(delivery: lapin::message::Delivery) -> Self {
        Self {
            exchange: delivery.exchange.into(),
            routing_key: delivery.routing_key.into(),
            redelivered: delivery.redelivered,
            properties: delivery.properties,
            payload: delivery.data,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lapin::types::{FieldArray, FieldTable};

    fn delivery(headers: FieldTable) -> Delivery {
        Delivery {
            exchange: String::new(),
            routing_key: "key".to_owned(),
            redelivered: false,
            properties: BasicProperties::default().with_headers(headers),
            payload: b"{\"a\": 1}".to_vec(),
        }
    }

    fn death(queue: &str, reason: &str, count: i64) -> AMQPValue {
        let mut table = FieldTable::default();
        table.insert("queue".into(), AMQPValue::LongString(queue.into()));
        table.insert("reason".into(), AMQPValue::LongString(reason.into()));
        table.insert("count".into(), AMQPValue::LongLongInt(count));
        AMQPValue::FieldTable(table)
    }

    #[test]
    fn only_rejections_from_this_queue_count() {
        let deaths =
            vec![death("q", "rejected", 2), death("q", "expired", 5), death("p", "rejected", 7)];
        let mut headers = FieldTable::default();
        assert_eq!(delivery(headers.clone()).rejected_from("q"), 0);
        headers.insert("x-death".into(), AMQPValue::FieldArray(FieldArray::from(deaths)));
        assert_eq!(delivery(headers.clone()).rejected_from("q"), 2);
        assert_eq!(delivery(headers.clone()).rejected_from("other"), 0);
        headers.insert("x-death".into(), AMQPValue::Boolean(true));
        assert_eq!(delivery(headers).rejected_from("q"), 0);
    }

    #[test]
    fn an_order_has_its_key() {
        let mut headers = FieldTable::default();
        headers.insert("code".into(), AMQPValue::LongString("cu2512".into()));
        let delivery = delivery(headers);
        assert_eq!(delivery.order_key(&Order::Any), None);
        assert_eq!(delivery.order_key(&Order::RoutingKey).as_deref(), Some("key"));
        let by = |name: &str| delivery.order_key(&Order::Header(name.to_owned())).unwrap();
        assert_eq!((by("code"), by("other")), ("cu2512".to_owned(), String::new()));
    }

    #[test]
    fn what_is_not_json_is_rejected_and_not_shown() {
        #[derive(Debug, serde::Deserialize)]
        struct Number {
            a: u32,
        }
        let mut delivery = delivery(FieldTable::default());
        assert_eq!(delivery.json::<Number>().unwrap().a, 1);
        for (payload, why) in [
            ("{\"a\": \"c4n4ry\"}", "another kind than is expected: line 1, column 14"),
            ("{\"a\": c4n4ry}", "is not JSON"),
            ("{\"a\": 1", "ends before its JSON does"),
        ] {
            delivery.payload = payload.into();
            let failed = delivery.json::<Number>().unwrap_err();
            assert_eq!(failed.then, Some(crate::OnError::Reject));
            assert!(failed.error.contains(why), "{}", failed.error);
            assert!(!failed.error.contains("c4n4ry"), "{}", failed.error);
        }
    }
}
