//! The TLS end, seen by a plain rustls client.

use std::io;
use std::net::Ipv4Addr;

use qa_servers::testing::{connections, eventually, within};
use qa_servers::tls::{Authority, Proxy};
use rustls::ClientConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::client::TlsStream;

use crate::client::{LIMIT, client, connect};

/// A server without TLS that says everything back.
async fn echo() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (mut heard, mut said) = socket.into_split();
            tokio::spawn(async move { tokio::io::copy(&mut heard, &mut said).await });
        }
    });
    port
}

/// Says something through the proxy, and hears it back.
async fn converse(proxy: &Proxy, config: ClientConfig) -> io::Result<TlsStream<TcpStream>> {
    let conversation = async {
        let mut stream = connect(proxy.port(), config).await?;
        stream.write_all(b"hello").await?;
        let mut heard = [0; 5];
        stream.read_exact(&mut heard).await?;
        assert_eq!(&heard, b"hello");
        Ok(stream)
    };
    within("a conversation", LIMIT, conversation).await
}

#[tokio::test]
async fn those_who_trust_the_authority_are_served_and_others_do_not_come_in() {
    let authority = Authority::new();
    let proxy = authority.proxy("localhost", echo().await).await;
    converse(&proxy, client(&authority, None)).await.unwrap();
    let error = converse(&proxy, client(&Authority::new(), None)).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
    let elsewhere = authority.proxy("elsewhere", echo().await).await;
    let error = converse(&elsewhere, client(&authority, None)).await.unwrap_err();
    assert!(error.to_string().contains("not valid for name"), "{error}");
}

#[tokio::test]
async fn a_mutual_proxy_wants_a_certificate_of_its_authority() {
    let authority = Authority::new();
    let proxy = authority.mutual_proxy("localhost", echo().await).await;
    converse(&proxy, client(&authority, Some(&authority))).await.unwrap();
    converse(&proxy, client(&authority, None)).await.unwrap_err();
    converse(&proxy, client(&authority, Some(&Authority::new()))).await.unwrap_err();
}

#[tokio::test]
async fn nothing_is_left_of_what_is_dropped() {
    let server = echo().await;
    let authority = Authority::new();
    let proxy = authority.proxy("localhost", server).await;
    let mut stream = converse(&proxy, client(&authority, None)).await.unwrap();
    drop(proxy);
    eventually("the server is left", LIMIT, async || connections(server) == 0).await;
    let end = within("the client is left", LIMIT, stream.read(&mut [0])).await;
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    let file = authority.path("both.pem");
    for kind in ["CERTIFICATE", "PRIVATE KEY"] {
        assert!(std::fs::read_to_string(&file).unwrap().contains(kind), "{kind}");
    }
    drop(authority);
    assert!(!file.parent().unwrap().exists());
}
