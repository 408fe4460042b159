//! Ticks of 70 contracts go out to 100 strategies, each with the keys that it wants at the moment;
//! half of them change their mind meanwhile.
//!
//! `cargo run -p qa-pool --features amqp --example tick_fan_out -- amqp://localhost 10` (seconds)

use qa_pool::amqp::{Delivery, Exchange, ExchangePublisher, RabbitMq, Subscriber};
use qa_pool::core::{Resource, Target};
use qa_pool::{Group, Settings};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{Instant, interval};

const CONTRACTS: usize = 70;
const STRATEGIES: usize = 100;
/// Contracts that a strategy listens to.
const EACH: usize = 5;
/// Bytes of a tick.
const TICK: usize = 802;

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

fn key(contract: usize) -> String {
    format!("contract-{}", contract % CONTRACTS)
}

async fn strategy(
    group: &Group<RabbitMq>,
    number: usize,
    received: &Arc<AtomicU64>,
) -> Result<Subscriber> {
    let received = Arc::clone(received);
    let count = move |_: Delivery| {
        received.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Ok::<_, std::convert::Infallible>(()))
    };
    let keys = (0..EACH).map(|nth| key(number * EACH + nth));
    let strategy = Subscriber::start(group, Exchange::direct("ticks"), keys, count).await?;
    strategy.consuming().await;
    Ok(strategy)
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "amqp://localhost".to_owned());
    let time = Duration::from_secs(arguments.next().map_or(Ok(10), |text| text.parse())?);
    let target = Target::parse("ticks", &url)?;
    let resource = Resource::new("ticks", RabbitMq::new(&target)?, Settings::default());
    resource.connect().await?;
    let group = Group::from(&resource);

    let received = Arc::new(AtomicU64::new(0));
    let mut strategies = Vec::new();
    for number in 0..STRATEGIES {
        strategies.push(strategy(&group, number, &received).await?);
    }
    println!("{STRATEGIES} strategies listen");
    let publisher = ExchangePublisher::start(&group, Exchange::direct("ticks")).await?;
    let (mut ticks, began, mut sent) = (interval(Duration::from_millis(500)), Instant::now(), 0);
    let mut changed = false;
    while began.elapsed() < time {
        ticks.tick().await;
        for contract in 0..CONTRACTS {
            // A tick is worth nothing a moment later, and one that nobody wants may vanish.
            publisher.publish_and_forget(&key(contract), &[0; TICK]).await?;
            sent += 1;
        }
        if !changed && began.elapsed() > time / 2 {
            changed = true;
            for (number, strategy) in strategies.iter().enumerate().step_by(2) {
                strategy.unbind(&key(number * EACH)).await?;
                strategy.bind(&key(number * EACH + EACH)).await?;
            }
            println!("half of them have changed a key");
        }
    }
    println!("{sent} ticks published, {} received", received.load(Ordering::Relaxed));
    println!("{}", resource.close(Duration::from_secs(10)).await);
    Ok(())
}
