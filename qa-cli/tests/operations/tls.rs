//! TLS as it should be, and every way in which it is not.

use crate::command::{Said, on, resource};
use qa_servers::tls::Authority;
use qa_servers::{Server, System};
use std::fmt::Write;

/// How long a test waits for a server that says nothing.
const SHORT: &str = "connect_timeout = '3s'\n";

fn trusting(authority: &Authority) -> String {
    format!("[resource.tls]\nca_file = '{}'", authority.path("ca.pem").display())
}

/// The same, with a certificate of `whose` to show.
fn showing(authority: &Authority, whose: &Authority) -> String {
    let mut text = trusting(authority);
    for (key, file) in [("certificate_file", "client.pem"), ("key_file", "client.key")] {
        write!(text, "\n{key} = '{}'", whose.path(file).display()).unwrap();
    }
    text
}

/// A server's URL as it is with TLS, or without.
fn url(server: &Server, tls: bool) -> String {
    let url = server.url();
    let plain = |url: &str| {
        let url = url.replacen("rediss://", "redis://", 1).replacen("amqps://", "amqp://", 1);
        url.replacen("clickhouses://", "clickhouse://", 1).replace("&tls=true", "")
    };
    let url = plain(&url);
    match (server.system(), tls) {
        (_, false) => url,
        (System::MongoDb, true) => format!("{url}&tls=true"),
        (_, true) => url.replacen("://", "s://", 1),
    }
}

async fn doctor(config: &str) -> Said {
    on(config, &["doctor"]).await
}

#[tokio::test]
async fn the_certificate_s_end_is_shown_and_each_fault_of_tls_has_its_words() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let plain = Server::start(System::Redis).await.unwrap();
    let at = |port: u16, scheme: &str| {
        let url = plain.url().replacen("redis://", &format!("{scheme}://"), 1);
        url.replace(&format!(":{}", plain.port()), &format!(":{port}"))
    };
    let good = ours.proxy("127.0.0.1", plain.port()).await;
    let elsewhere = ours.proxy("cache.example.com", plain.port()).await;

    let sound = resource("cache", &at(good.port(), "rediss"), &trusting(&ours));
    on(&sound, &["check"]).await.expect(0, &["TLS until", "ready", "4096-01-01"]);
    doctor(&sound).await.expect(0, &["nothing is wrong"]);

    let case = |port: u16, authority: &Authority| {
        resource("cache", &at(port, "rediss"), &format!("{SHORT}{}", trusting(authority)))
    };
    for (config, words) in [
        (case(elsewhere.port(), &ours), "is for another name: cache.example.com"),
        (case(good.port(), &theirs), "an authority that is not trusted here"),
    ] {
        doctor(&config).await.expect(1, &[words]);
        on(&config, &["check"]).await.expect(1, &["down"]);
    }
    plain.remove().await;
}

#[tokio::test]
async fn every_system_s_certificate_is_found() {
    let authority = Authority::new();
    for system in System::ALL {
        let server = Server::start_tls(system, &authority).await.unwrap();
        let config = resource("r", &server.url(), &trusting(&authority));
        on(&config, &["check"]).await.expect(0, &["ready", "4096-01-01"]);
        server.remove().await;
    }
}

#[tokio::test]
async fn tls_is_asked_for_where_no_server_speaks_it() {
    let authority = Authority::new();
    for system in System::ALL {
        let server = Server::start(system).await.unwrap();
        let more = format!("{SHORT}{}", trusting(&authority));
        let said = doctor(&resource("r", &url(&server, true), &more)).await;
        said.expect(1, &["does not speak TLS, and the URL asks for it", "TLS port"]);
        server.remove().await;
    }
}

#[tokio::test]
async fn tls_is_not_asked_for_where_every_server_speaks_it() {
    let authority = Authority::new();
    for system in System::ALL {
        let server = Server::start_tls(system, &authority).await.unwrap();
        let said = doctor(&resource("r", &url(&server, false), SHORT)).await;
        let remedy = match system {
            System::MongoDb => "put tls=true into the URL's query",
            System::RabbitMq => "use the scheme amqps",
            System::ClickHouse => "use the scheme clickhouses",
            System::Redis => "use the scheme rediss",
        };
        said.expect(1, &["the server speaks TLS on this port", remedy]);
        server.remove().await;
    }
}

#[tokio::test]
async fn a_certificate_of_ours_is_wanted_or_refused_by_every_server() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    for system in System::ALL {
        let server = Server::start_mutual_tls(system, &authority).await.unwrap();
        let with = |tls: String| resource("r", &server.url(), &format!("{SHORT}{tls}"));
        doctor(&with(trusting(&authority)))
            .await
            .expect(1, &["wants a certificate of ours, and none is configured"]);
        doctor(&with(showing(&authority, &stranger)))
            .await
            .expect(1, &["refuses the certificate that we show"]);
        doctor(&with(showing(&authority, &authority))).await.expect(0, &["nothing is wrong"]);
        server.remove().await;
    }
}

#[tokio::test]
async fn a_server_with_tls_that_is_frozen_is_told_from_one_without() {
    let authority = Authority::new();
    let server = Server::start_tls(System::Redis, &authority).await.unwrap();
    server.freeze().await.unwrap();
    let more = format!("{SHORT}{}", trusting(&authority));
    let said = doctor(&resource("r", &server.url(), &more)).await;
    said.expect(1, &["answers nothing, with TLS or without", "frozen or overloaded", "restart it"]);
    server.thaw().await.unwrap();
    server.remove().await;
}
