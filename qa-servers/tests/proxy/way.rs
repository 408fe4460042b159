//! What becomes of bytes.

use crate::rig::{
    LIMIT, Rig, converse, hear, hear_out, hears_nothing, hears_the_end_in_order, tell,
};
use qa_servers::proxy::{Counts, Direction, Ending, Faults, Way};
use qa_servers::testing::{eventually, within};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn bytes(length: u32) -> Vec<u8> {
    (0..length).map(|number| (number % 251) as u8).collect()
}

#[tokio::test]
async fn without_faults_every_byte_passes_and_is_counted() {
    let rig = Rig::new().await;
    let opened = Instant::now();
    let (mut client, mut served) = rig.pair().await;
    let many = bytes(5_000_000);
    let (sent, heard) = tokio::join!(client.write_all(&many), hear(&mut served, many.len()));
    sent.unwrap();
    assert!(heard == many);
    let counts = rig.proxy.counts();
    let (to_server, to_client) = (5_000_000 + "question".len(), "answer".len());
    assert_eq!((counts.accepted, counts.turned_away, counts.open), (1, 0, 1));
    assert_eq!(counts.bytes_to_server, to_server as u64);
    assert_eq!(counts.bytes_to_client, to_client as u64);
    assert_eq!(counts.round_trips, 2, "a question with its answer, and what was said after it");
    assert!(rig.proxy.first_accepted().is_some_and(|at| at >= opened));
    rig.proxy.heal();
    assert_eq!(rig.proxy.first_accepted(), None, "the faults were changed since");
    drop((client, served));
    let open = async || rig.proxy.counts() == Counts { open: 0, ..counts };
    eventually("none is open", LIMIT, open).await;
}

#[tokio::test]
async fn latency_delays_each_byte_and_not_the_stream() {
    let rig = Rig::new().await;
    let (mut client, mut served) = rig.pair().await;
    let latency = Duration::from_millis(300);
    rig.proxy.change(|faults| faults.to_server = Way { latency, ..Way::default() });
    let began = Instant::now();
    let many = bytes(2_000_000);
    let say = async {
        for part in many.chunks(20_000) {
            client.write_all(part).await.unwrap();
        }
    };
    let hear = async {
        let first = hear(&mut served, 1).await;
        (began.elapsed(), [first, hear(&mut served, many.len() - 1).await].concat())
    };
    let ((), (first, heard)) = tokio::join!(say, hear);
    assert!(heard == many, "the order is kept");
    assert!(first >= latency, "{first:?}");
    // A hundred parts one after the other would take 30 seconds.
    assert!(began.elapsed() < latency * 10, "{:?}", began.elapsed());
    let began = Instant::now();
    tell(&mut served, &mut client, b"answer").await;
    assert!(began.elapsed() < latency, "the way back is none of it: {:?}", began.elapsed());
}

#[tokio::test]
async fn jitter_varies_the_latency_and_keeps_the_order() {
    let rig = Rig::new().await;
    let (mut client, mut served) = rig.pair().await;
    let [latency, jitter] = [100, 100].map(Duration::from_millis);
    rig.proxy.set(Faults::both(Way { latency, jitter, ..Way::default() }));
    let mut delays = Vec::new();
    for number in 0..20 {
        let began = Instant::now();
        tell(&mut client, &mut served, &[number; 3]).await;
        delays.push(began.elapsed());
    }
    let (least, most) = (delays.iter().min().unwrap(), delays.iter().max().unwrap());
    assert!(*most > *least + jitter / 2, "{delays:?}");
    let many = bytes(1000);
    for part in many.chunks(10) {
        client.write_all(part).await.unwrap();
    }
    assert_eq!(hear(&mut served, many.len()).await, many);
}

#[tokio::test]
async fn a_latency_that_is_taken_back_holds_nothing_any_longer() {
    let rig = Rig::new().await;
    let (mut client, mut served) = rig.pair().await;
    let latency = Duration::from_secs(3600);
    rig.proxy.set(Faults::both(Way { latency, ..Way::default() }));
    client.write_all(b"question").await.unwrap();
    hears_nothing(&mut served).await;
    rig.proxy.heal();
    assert_eq!(hear(&mut served, 8).await, b"question");
}

#[tokio::test]
async fn bandwidth_is_a_pace_and_no_waiting_for_the_whole() {
    let rig = Rig::new().await;
    let (mut client, mut served) = rig.pair().await;
    rig.proxy.change(|faults| faults.to_server.bandwidth = Some(20_000));
    let many = bytes(20_000);
    let began = Instant::now();
    client.write_all(&many).await.unwrap();
    hear(&mut served, 2000).await;
    let tenth = began.elapsed();
    hear(&mut served, 18_000).await;
    let whole = began.elapsed();
    assert!(tenth < whole / 2, "{tenth:?} of {whole:?}");
    assert!(whole > Duration::from_millis(900), "{whole:?}");
    assert!(whole < Duration::from_secs(4), "{whole:?}");
}

#[tokio::test]
async fn slices_come_one_by_one_and_make_the_same_whole() {
    let rig = Rig::new().await;
    let (mut client, mut served) = rig.pair().await;
    rig.proxy.change(|faults| faults.to_client.slice = Some(1..=16));
    let many = bytes(4000);
    served.write_all(&many).await.unwrap();
    let (mut heard, mut reads) = (Vec::new(), 0);
    while heard.len() < many.len() {
        let read = client.read_buf(&mut heard);
        within("a slice", LIMIT, read).await.unwrap();
        reads += 1;
    }
    assert!(heard == many);
    // On average 8.5 bytes each; the kernel may give two at a time.
    assert!(reads > 4000 / 16, "{reads} reads");
}

#[tokio::test]
async fn it_ends_in_order_after_so_many_bytes() {
    let rig = Rig::new().await;
    let cut = Way { cut_after: Some((1000, Ending::Close)), ..Way::default() };
    rig.proxy.change(|faults| faults.to_client = cut);
    let (mut client, mut served) = rig.pair().await;
    served.write_all(&bytes(5000)).await.unwrap();
    let (heard, end) = hear_out(&mut client).await;
    assert!(end.is_ok() && heard == bytes(5000)[..1000 - "answer".len()], "{end:?}");
    let (_, end) = hear_out(&mut served).await;
    assert!(end.is_ok(), "{end:?}");
    assert_eq!(rig.proxy.counts().bytes_to_client, 1000);
    // And so does each later one.
    let (_client, mut served) = rig.pair().await;
    served.write_all(&bytes(5000)).await.unwrap();
    eventually("the next is cut", LIMIT, async || rig.proxy.counts().bytes_to_client == 2000).await;
}

#[tokio::test]
async fn it_ends_by_reset_after_so_many_bytes() {
    let rig = Rig::new().await;
    let (mut client, mut served) = rig.pair().await;
    let cut = Way { cut_after: Some((100, Ending::Reset)), ..Way::default() };
    rig.proxy.change(|faults| faults.to_server = cut);
    client.write_all(&bytes(5000)).await.unwrap();
    for socket in [&mut client, &mut served] {
        let (_, end) = hear_out(socket).await;
        assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    }
    assert_eq!(rig.proxy.counts().bytes_to_server, 100);
}

#[tokio::test]
async fn it_goes_silent_after_so_many_bytes_until_it_is_healed() {
    let rig = Rig::new().await;
    let (mut client, mut served) = rig.pair().await;
    let cut = Way { cut_after: Some((18, Ending::Silence)), ..Way::default() };
    rig.proxy.change(|faults| faults.to_server = cut);
    client.write_all(b"half of a message").await.unwrap();
    assert_eq!(hear(&mut served, 10).await, b"half of a ");
    hears_nothing(&mut served).await;
    tell(&mut served, &mut client, b"the way back").await;
    rig.proxy.heal();
    assert_eq!(hear(&mut served, 7).await, b"message");
    converse(&mut client, &mut served).await;
}

#[tokio::test]
async fn one_byte_in_so_many_is_corrupt() {
    let rig = Rig::new().await;
    let (mut client, mut served) = rig.pair().await;
    rig.proxy.change(|faults| faults.to_client.corrupt_every = Some(100));
    served.write_all(&bytes(10_000)).await.unwrap();
    let heard = hear(&mut client, 10_000).await;
    let pairs = bytes(10_000).into_iter().zip(heard);
    let wrong = pairs.enumerate().filter(|(_, (sent, heard))| sent != heard);
    let at: Vec<_> = wrong.map(|(index, _)| index + 1 + "answer".len()).collect();
    assert_eq!(at, (100..=10_000).step_by(100).collect::<Vec<_>>());
    rig.proxy.heal();
    converse(&mut client, &mut served).await;
}

#[tokio::test]
async fn one_direction_is_closed_and_the_other_goes_on() {
    let rig = Rig::new().await;
    let (mut client, mut served) = rig.pair().await;
    rig.proxy.half_close(Direction::ToServer);
    hears_the_end_in_order(&mut served).await;
    tell(&mut served, &mut client, b"the way back").await;
    let before = rig.proxy.counts();
    client.write_all(b"into nothing").await.unwrap();
    hears_nothing(&mut client).await;
    assert_eq!(rig.proxy.counts(), before);

    let (mut client, mut served) = rig.pair().await;
    rig.proxy.half_close(Direction::ToClient);
    hears_the_end_in_order(&mut client).await;
    tell(&mut client, &mut served, b"the way there").await;
}
