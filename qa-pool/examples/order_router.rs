//! Orders go through a durable queue to a router that books each once: whatever is confirmed is
//! booked, also if the broker is killed in between, and copies are told by their ids.
//!
//! `cargo run -p qa-pool --features amqp --example order_router -- amqp://localhost 1000` (orders)

use qa_pool::Settings;
use qa_pool::amqp::lapin::BasicProperties;
use qa_pool::amqp::{
    Consumer, ConsumerSettings, Delivery, OnError, Publisher, PublisherSettings, Queue, RabbitMq,
    Topology,
};
use qa_pool::core::{Resource, Target};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;

/// How long an order is tried to be handed over.
const LIMIT: Duration = Duration::from_secs(60);

#[derive(Debug, Serialize, Deserialize)]
struct Order {
    number: u32,
    code: String,
    volume: u32,
}

/// The orders that were booked, by the ids of their messages.
type Books = Arc<Mutex<HashMap<String, u32>>>;

/// Books an order, once: a message that is delivered again has the same id.
fn book(books: &Books, order: &Order, delivery: &Delivery) -> Result<(), &'static str> {
    let id = delivery.message_id().ok_or("an order without an id")?;
    books.lock().unwrap().entry(id.to_owned()).or_insert(order.number);
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "amqp://localhost".to_owned());
    let orders: u32 = arguments.next().map_or(Ok(1_000), |text| text.parse())?;
    let queue = Queue::classic("orders");
    let topology = Topology::new().retried(queue, Duration::from_secs(1));
    let backend = RabbitMq::new(&Target::parse("orders", &url)?)?.with_topology(topology);
    let resource = Resource::new("orders", backend, Settings::default());
    resource.connect().await?;

    let books = Books::default();
    let settings = ConsumerSettings {
        on_error: OnError::Retry { times: 5 },
        ..ConsumerSettings::new("orders")
    };
    let router = Consumer::start_json(&resource, settings, {
        let books = Arc::clone(&books);
        move |order: Order, delivery| std::future::ready(book(&books, &order, &delivery))
    });
    let publisher = Publisher::new(&resource, PublisherSettings::default());
    let mut sending = JoinSet::new();
    for number in 0..orders {
        let publisher = publisher.clone();
        sending.spawn(async move {
            let order = Order { number, code: "cu2512".to_owned(), volume: 1 };
            let payload = serde_json::to_vec(&order).expect("an order is JSON");
            let none = BasicProperties::default();
            publisher.publish_until_confirmed("", "orders", &payload, none, LIMIT).await
        });
    }
    let mut confirmed = 0;
    while let Some(sent) = sending.join_next().await {
        match sent? {
            Ok(_) => {
                confirmed += 1;
                if confirmed == orders / 2 {
                    println!("{confirmed} of {orders} orders are confirmed");
                }
            }
            Err(error) => eprintln!("an order was not confirmed: {error}"),
        }
    }
    // The router finishes what is in the queue.
    while resource.run_idempotent(async |lease| lease.messages("orders").await).await? > 0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    router.stop().await?;
    let booked = u32::try_from(books.lock().unwrap().len())?;
    println!("{confirmed} confirmed, {booked} booked, {:?}", router.stats());
    println!("{}", resource.close(Duration::from_secs(10)).await);
    if booked < confirmed {
        return Err("orders were confirmed and not booked".into());
    }
    Ok(())
}
