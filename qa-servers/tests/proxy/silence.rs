//! Black holes.

use crate::rig::{LIMIT, Rig, converse, hear, hears, hears_nothing, hears_the_end_in_order, tell};
use qa_servers::proxy::{Door, Faults, Way};
use qa_servers::testing::{eventually, within};
use tokio::io::AsyncWriteExt;

#[tokio::test]
async fn an_open_connection_falls_silent_and_goes_on_after_it() {
    let rig = Rig::new().await;
    let (mut client, mut served) = rig.pair().await;
    rig.proxy.set(Faults::silent());
    client.write_all(b"question").await.unwrap();
    served.write_all(b"answer").await.unwrap();
    hears_nothing(&mut client).await;
    hears_nothing(&mut served).await;
    rig.proxy.heal();
    assert_eq!(hear(&mut served, 8).await, b"question");
    assert_eq!(hear(&mut client, 6).await, b"answer");
    converse(&mut client, &mut served).await;
}

#[tokio::test]
async fn one_direction_alone_falls_silent() {
    let rig = Rig::new().await;
    let (mut client, mut served) = rig.pair().await;
    rig.proxy.change(|faults| faults.to_client.silent = true);
    tell(&mut client, &mut served, b"question").await;
    served.write_all(b"answer").await.unwrap();
    hears_nothing(&mut client).await;
    rig.proxy.heal();
    assert_eq!(hear(&mut client, 6).await, b"answer");
}

#[tokio::test]
async fn it_falls_silent_in_the_middle_of_what_is_under_way() {
    let rig = Rig::new().await;
    let (mut client, mut served) = rig.pair().await;
    rig.proxy.change(|faults| faults.to_server.bandwidth = Some(1000));
    client.write_all(&[7; 1000]).await.unwrap();
    hear(&mut served, 100).await;
    rig.proxy.change(|faults| faults.to_server.silent = true);
    let passed = rig.proxy.counts().bytes_to_server;
    let hear_out = async { while hears(&mut served).await {} };
    within("silence", LIMIT, hear_out).await;
    assert!(rig.proxy.counts().bytes_to_server <= passed + 20, "one piece more at most");
    rig.proxy.heal();
    let rest = 1000 + "question".len() as u64;
    let all = async || rig.proxy.counts().bytes_to_server == rest;
    eventually("the rest passes", LIMIT, all).await;
}

#[tokio::test]
async fn the_end_of_a_connection_is_heard_only_after_the_silence() {
    let rig = Rig::new().await;
    let (client, mut served) = rig.pair().await;
    rig.proxy.set(Faults::silent());
    drop(client);
    hears_nothing(&mut served).await;
    assert_eq!(rig.proxy.counts().open, 1);
    rig.proxy.heal();
    hears_the_end_in_order(&mut served).await;
}

#[tokio::test]
async fn a_connection_that_both_ends_left_in_silence_is_forgotten() {
    let rig = Rig::new().await;
    let (client, served) = rig.pair().await;
    rig.proxy.set(Faults::both(Way { silent: true, ..Way::default() }));
    drop((client, served));
    eventually("it is forgotten", LIMIT, async || rig.proxy.counts().open == 0).await;
}

#[tokio::test]
async fn the_door_accepts_in_silence_and_lets_them_in_after_it() {
    let rig = Rig::new().await;
    rig.proxy.set(Faults { door: Door::Silent, ..Faults::default() });
    let (mut client, left) = (rig.connect().await.unwrap(), rig.connect().await.unwrap());
    client.write_all(b"question").await.unwrap();
    hears_nothing(&mut client).await;
    assert_eq!((rig.proxy.counts().accepted, rig.proxy.counts().open), (2, 2));
    drop(left);
    eventually("who left is forgotten", LIMIT, async || rig.proxy.counts().open == 1).await;
    rig.proxy.heal();
    let mut served = rig.accept().await;
    assert_eq!(hear(&mut served, 8).await, b"question");
    converse(&mut client, &mut served).await;
}
