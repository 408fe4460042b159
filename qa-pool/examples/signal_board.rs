//! What a hundred strategies do with one Redis: signals that fade, quotes by the thousand in one round
//! trip, the last bars of a code, and a position that only one of them changes at a time.
//!
//! `cargo run -p qa-pool --features redis --example signal_board -- redis://localhost`

use futures_util::future::try_join_all;
use qa_pool::core::{Resource, Target};
use qa_pool::redis::redis::{AsyncCommands, pipe};
use qa_pool::redis::{LockSettings, Locks, Redis, Signals};
use qa_pool::{Error, Settings};
use std::time::{Duration, Instant};

/// Many more than there are connections: they share one.
const STRATEGIES: u32 = 100;
const QUOTES: usize = 1_000;
const BARS: isize = 60;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "redis://localhost".to_owned());
    let target = Target::parse("board", &url)?;
    let resource = Resource::new("board", Redis::new(&target)?, Settings::default());
    resource.connect().await?;

    let began = Instant::now();
    try_join_all((0..STRATEGIES).map(|number| one_signal(&resource, number))).await?;
    println!("{STRATEGIES} signals written and read back in {:.1?}", began.elapsed());

    let took = quotes(&resource).await?;
    println!("{QUOTES} quotes written in one round trip of {took:.1?}");

    println!("{} bars of 600000 kept, the last closed at {}", BARS, bars(&resource).await?);

    let began = Instant::now();
    let locks = Locks::new(resource.clone(), LockSettings::default());
    let each = (0..STRATEGIES).map(|_| buy_one_lot(&resource, &locks));
    let highest = try_join_all(each).await?.into_iter().max().unwrap_or_default();
    let lots: u32 = resource.run(async |lease| lease.clone().get("position:600000").await).await?;
    println!(
        "{lots} lots bought, one after the other, in {:.1?}; the last token is {highest}",
        began.elapsed()
    );

    let keys = ["position:600000", "bars:600000"];
    let () = resource.run(async |lease| lease.clone().del(&keys[..]).await).await?;
    println!("{}", resource.close(Duration::from_secs(10)).await);
    Ok(())
}

/// A signal lives for 300 s, so that nobody acts on one of yesterday.
async fn one_signal(resource: &Resource<Redis>, number: u32) -> Result<(), Error> {
    let (signals, code) = (Signals::new(resource.clone()), format!("60{number:04}"));
    signals.publish(&code, &number).await?;
    let read: Option<u32> = signals.get(&code).await?;
    assert_eq!(read, Some(number), "the signal of another");
    Ok(())
}

async fn quotes(resource: &Resource<Redis>) -> Result<Duration, Error> {
    let mut quotes = pipe();
    for number in 0..QUOTES {
        quotes.set_ex(format!("quote:{number:06}"), number, 60).ignore();
    }
    let (began, quotes) = (Instant::now(), &quotes);
    let () = resource
        .run_idempotent(|lease| async move { quotes.query_async(&mut lease.clone()).await })
        .await?;
    Ok(began.elapsed())
}

/// Twice as many as are kept, each a price; gives the last that is read back.
async fn bars(resource: &Resource<Redis>) -> Result<isize, Error> {
    let mut keep = pipe();
    keep.atomic().del("bars:600000").ignore();
    keep.rpush("bars:600000", (0..2 * BARS).collect::<Vec<_>>()).ignore();
    keep.ltrim("bars:600000", -BARS, -1).ignore();
    keep.lrange("bars:600000", 0, -1);
    let keep = &keep;
    let (kept,): (Vec<isize>,) = resource
        .run_idempotent(|lease| async move { keep.query_async(&mut lease.clone()).await })
        .await?;
    assert_eq!(kept.len(), BARS.unsigned_abs());
    Ok(kept.last().copied().unwrap_or_default())
}

/// Reads the position and writes it with one lot more: two at once would buy one for two. Gives the
/// token, which a store that checks it would refuse after a greater one.
async fn buy_one_lot(
    resource: &Resource<Redis>,
    locks: &Locks,
) -> Result<u64, Box<dyn std::error::Error>> {
    let guard = locks.acquire("position:600000", Duration::from_secs(30)).await?;
    let token = guard.token();
    let held: Option<u32> =
        resource.run(async |lease| lease.clone().get("position:600000").await).await?;
    let next = held.unwrap_or_default() + 1;
    let () = resource
        .run(|lease| async move { lease.clone().set("position:600000", next).await })
        .await?;
    guard.release().await?;
    Ok(token)
}
