//! The end of connections, and of the proxy.

use crate::rig::{LIMIT, Rig, converse, hear_out, hears_a_reset, hears_the_end_in_order};
use qa_servers::proxy::{Faults, Way};
use qa_servers::testing::{connections, eventually, within};
use std::io::ErrorKind;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

#[tokio::test]
async fn a_cut_ends_all_open_connections_in_order_and_none_after_it() {
    let rig = Rig::new().await;
    let mut pairs = [rig.pair().await, rig.pair().await];
    rig.proxy.cut();
    for (client, served) in &mut pairs {
        hears_the_end_in_order(client).await;
        hears_the_end_in_order(served).await;
    }
    let (mut client, mut served) = rig.pair().await;
    converse(&mut client, &mut served).await;
    drop(pairs);
    eventually("the others are gone", LIMIT, async || rig.proxy.counts().open == 1).await;
}

#[tokio::test]
async fn a_cut_is_in_order_also_where_something_is_unread() {
    let rig = Rig::new().await;
    let (mut client, mut served) = rig.pair().await;
    rig.proxy.set(Faults::silent());
    client.write_all(&[7; 10_000]).await.unwrap();
    rig.proxy.cut();
    hears_the_end_in_order(&mut client).await;
    hears_the_end_in_order(&mut served).await;
}

#[tokio::test]
async fn a_reset_ends_all_open_connections_by_reset_and_none_after_it() {
    let rig = Rig::new().await;
    let mut pairs = [rig.pair().await, rig.pair().await];
    rig.proxy.reset();
    for (client, served) in &mut pairs {
        hears_a_reset(client).await;
        hears_a_reset(served).await;
    }
    eventually("they are gone", LIMIT, async || rig.proxy.counts().open == 0).await;
    let (mut client, mut served) = rig.pair().await;
    converse(&mut client, &mut served).await;
}

#[tokio::test]
async fn what_one_end_does_the_other_hears_after_the_latency() {
    let rig = Rig::new().await;
    let latency = Duration::from_millis(100);
    rig.proxy.set(Faults::both(Way { latency, ..Way::default() }));

    let (mut client, mut served) = rig.pair().await;
    client.write_all(b"last words").await.unwrap();
    client.shutdown().await.unwrap();
    let (heard, end) = hear_out(&mut served).await;
    assert!(heard == b"last words" && end.is_ok(), "{end:?}");
    served.write_all(b"farewell").await.unwrap();
    drop(served);
    let (heard, end) = hear_out(&mut client).await;
    assert!(heard == b"farewell" && end.is_ok(), "{end:?}");

    let (client, mut served) = rig.pair().await;
    client.set_zero_linger().unwrap();
    drop(client);
    hears_a_reset(&mut served).await;
}

#[tokio::test]
async fn who_writes_to_one_that_has_gone_is_reset() {
    let rig = Rig::new().await;
    let (mut client, served) = rig.pair().await;
    drop(served);
    hears_the_end_in_order(&mut client).await;
    let write = async {
        loop {
            let Err(error) = client.write_all(b"anyone there?").await else {
                tokio::task::yield_now().await;
                continue;
            };
            return error.kind();
        }
    };
    let kind = within("a write fails", LIMIT, write).await;
    assert!(matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{kind:?}");
}

#[tokio::test]
async fn nothing_is_left_of_a_proxy_that_is_dropped() {
    let rig = Rig::new().await;
    let (mut client, mut served) = rig.pair().await;
    rig.proxy.set(Faults::silent());
    let port = rig.proxy.port();
    let waiting = rig.connect().await.unwrap();
    drop(rig.proxy);
    let connect = tokio::net::TcpStream::connect(("127.0.0.1", port)).await;
    assert_eq!(connect.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    hear_out(&mut client).await.1.unwrap();
    hear_out(&mut served).await.1.unwrap();
    drop((client, waiting));
    let address = rig.server.local_addr().unwrap();
    eventually("the server is left", LIMIT, async || connections(address.port()) == 0).await;
}
