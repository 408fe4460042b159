//! TLS as it should be, and every way in which it is not.

use crate::command::{on, resource};
use qa_servers::tls::Authority;
use qa_servers::{Server, System};

fn trusting(authority: &Authority) -> String {
    format!("[resource.tls]\nca_file = '{}'", authority.path("ca.pem").display())
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
    on(&sound, &["doctor"]).await.expect(0, &["nothing is wrong"]);

    let short = "connect_timeout = '3s'\n";
    let case = |port: u16, scheme: &str, authority: &Authority| {
        resource("cache", &at(port, scheme), &format!("{short}{}", trusting(authority)))
    };
    for (config, words) in [
        (case(elsewhere.port(), "rediss", &ours), "is for another name: cache.example.com"),
        (case(good.port(), "rediss", &theirs), "an authority that is not trusted here"),
    ] {
        on(&config, &["doctor"]).await.expect(1, &[words]);
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
