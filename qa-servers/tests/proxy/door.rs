//! What becomes of connections.

use crate::rig::{LIMIT, Rig, converse, hears_a_reset};
use qa_servers::proxy::{Door, FaultProxy, Faults};
use qa_servers::testing::{Refused, eventually, within};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use tokio::net::{TcpSocket, TcpStream};

#[tokio::test]
async fn the_kernel_refuses_at_once_and_the_port_and_the_open_connections_are_kept() {
    let rig = Rig::new().await;
    let (mut client, mut served) = rig.pair().await;
    for _ in 0..50 {
        rig.proxy.set(Faults::refused());
        let error = rig.connect().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        rig.proxy.heal();
        drop(rig.connect().await.unwrap());
    }
    rig.proxy.set(Faults::refused());
    converse(&mut client, &mut served).await;
    let address = (Ipv4Addr::LOCALHOST, rig.proxy.port());
    let error = TcpListener::bind(address).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse, "no one else gets it");
    let other = TcpSocket::new_v4().unwrap();
    other.set_reuseaddr(true).unwrap();
    let error = other.bind(address.into()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse, "no one else gets it");
    rig.proxy.heal();
    // Of those before, some may have reached the server.
    let mut late = rig.connect().await.unwrap();
    let mut served_late = loop {
        let socket = rig.accept().await;
        if socket_is_open(&socket) {
            break socket;
        }
    };
    converse(&mut late, &mut served_late).await;
    converse(&mut client, &mut served).await;
}

/// Whether the other end, which says nothing first, is still there.
fn socket_is_open(socket: &TcpStream) -> bool {
    matches!(socket.try_read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
}

#[tokio::test]
async fn the_door_resets() {
    let rig = Rig::new().await;
    let (mut client, mut served) = rig.pair().await;
    rig.proxy.set(Faults { door: Door::Reset, ..Faults::default() });
    hears_a_reset(&mut rig.connect().await.unwrap()).await;
    converse(&mut client, &mut served).await;
    assert_eq!((rig.proxy.counts().accepted, rig.proxy.counts().turned_away), (2, 1));
    eventually("it is gone", LIMIT, async || rig.proxy.counts().open == 1).await;
}

#[tokio::test]
async fn a_silent_door_that_is_shut_resets_who_waited() {
    let rig = Rig::new().await;
    rig.proxy.set(Faults::silent());
    let mut client = rig.connect().await.unwrap();
    eventually("it waits", LIMIT, async || rig.proxy.counts().open == 1).await;
    rig.proxy.set(Faults::refused());
    hears_a_reset(&mut client).await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_reset() {
    let nobody = Refused::new();
    let proxy = FaultProxy::open(nobody.port()).await;
    let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port()));
    let mut client = within("the connect", LIMIT, socket).await.unwrap();
    hears_a_reset(&mut client).await;
    assert_eq!(proxy.counts().turned_away, 1);
}
