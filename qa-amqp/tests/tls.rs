//! `amqps://` on a real broker that speaks TLS: verified on both sides, and how it must fail.
#![cfg(feature = "tls")]

use qa_amqp::{Client, Error, RabbitMq};
use qa_resource_core::{Backend, ErrorKind, Target, TlsSettings};
use qa_servers::tls::Authority;
use qa_servers::{Server, System};

fn trusting(authority: &Authority) -> TlsSettings {
    TlsSettings { ca_file: Some(authority.path("ca.pem")), ..TlsSettings::default() }
}

async fn open(server: &Server, tls: TlsSettings) -> Result<(RabbitMq, Client), Error> {
    let target = Target { tls, ..Target::parse("secured", &server.url()).unwrap() };
    let rabbit = RabbitMq::new(&target).unwrap();
    let client = rabbit.connect().await?;
    Ok((rabbit, client))
}

async fn works(server: &Server, tls: TlsSettings) {
    let (rabbit, client) = open(server, tls).await.unwrap();
    rabbit.ping(&client).await.unwrap();
    rabbit.close(client).await.unwrap();
}

async fn failure(server: &Server, tls: TlsSettings) -> (ErrorKind, String) {
    let Err(error) = open(server, tls).await else { panic!("it connected") };
    (RabbitMq::classify(&error).kind, format!("{error} {error:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verified_broker_serves_and_others_are_not_trusted() {
    let authority = Authority::new();
    let server = Server::start_tls(System::RabbitMq, &authority).await.unwrap();
    works(&server, trusting(&authority)).await;
    let (kind, text) = failure(&server, trusting(&Authority::new())).await;
    assert!(kind == ErrorKind::Connect && text.contains("ertificate"), "{kind} {text}");
    let missing = TlsSettings { ca_file: Some(authority.path("gone.pem")), ..Default::default() };
    let (kind, text) = failure(&server, missing).await;
    assert!(kind == ErrorKind::Config && text.contains("gone.pem"), "{kind} {text}");
    server.kill().await.unwrap();
    let (kind, text) = failure(&server, trusting(&authority)).await;
    assert!(kind == ErrorKind::Connect, "{kind} {text}");
    server.start_again().await.unwrap();
    works(&server, trusting(&authority)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_is_shown_where_one_is_wanted() {
    let authority = Authority::new();
    let server = Server::start_mutual_tls(System::RabbitMq, &authority).await.unwrap();
    let showing = TlsSettings {
        certificate_file: Some(authority.path("client.pem")),
        key_file: Some(authority.path("client.key")),
        ..trusting(&authority)
    };
    works(&server, showing).await;
    // It is refused after its own handshake has ended. Where the refusal's reset overtakes the alert
    // that says why, all that is left to be seen is the reset.
    let (kind, text) = failure(&server, trusting(&authority)).await;
    let told = text.contains("ertificate") || text.contains("reset");
    assert!(kind == ErrorKind::Connect && told, "{kind} {text}");
}
