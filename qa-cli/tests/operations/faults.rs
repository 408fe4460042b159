//! One fault each.

use crate::command::{Said, config, on, resource};
use qa_servers::testing::{Refused, Silent};
use qa_servers::{Server, System};

/// How long a test waits for a server that says nothing.
const SHORT: &str = "connect_timeout = '2s'";

/// What `check` and `doctor` say of it.
async fn both(config: &str) -> (Said, Said) {
    (on(config, &["check"]).await, on(config, &["doctor"]).await)
}

#[tokio::test]
async fn a_refused_port_and_an_unknown_host_are_told_apart_for_every_system() {
    let refused = Refused::new();
    let schemes = ["mongodb", "amqp", "clickhouse", "redis"];
    let at = |host: &str| -> String {
        let url = |scheme: &&str| resource(scheme, &format!("{scheme}://me:c4n4ry@{host}"), SHORT);
        schemes.iter().map(url).collect()
    };
    let (check, doctor) = both(&at(&format!("127.0.0.1:{}", refused.port()))).await;
    check.expect(1, &["down"]);
    assert_eq!(check.text.matches("down").count(), 4, "{}", check.text);
    let causes = check.text.matches("Connection refused").count();
    assert_eq!(causes, 4, "each driver's error has its cause:\n{}", check.text);
    doctor.expect(
        1,
        &["is refused: nothing listens there", "start the server", "4 things are wrong"],
    );
    let unknown = on(&at("no-such-host.invalid"), &["doctor"]).await;
    unknown.expect(1, &["the host of no-such-host.invalid:6379 is unknown", "DNS"]);
    for said in [check, doctor, unknown] {
        assert!(!format!("{said:?}").contains("c4n4ry"), "{said:?}");
    }
}

#[tokio::test]
async fn an_optional_one_that_is_away_is_shown_and_does_not_count_for_check() {
    let refused = Refused::new();
    let server = Server::start(System::Redis).await.unwrap();
    let away = format!("redis://127.0.0.1:{}", refused.port());
    let config =
        config(&[&server], "") + &resource("extra", &away, &format!("required = false\n{SHORT}"));
    let said = on(&config, &["check"]).await;
    said.expect(0, &["extra (optional): "]);
    server.remove().await;
}

#[tokio::test]
async fn each_member_of_a_group_is_knocked_at_by_itself() {
    let server = Server::start(System::Redis).await.unwrap();
    let refused = Refused::new();
    let spare =
        format!("[resource.group]\nmembers = [{{ host = '127.0.0.1:{}' }}]", refused.port());
    let (check, doctor) =
        both(&resource("quotes", &server.url(), &format!("{SHORT}\n{spare}"))).await;
    let well = format!("quotes@127.0.0.1:{}", server.port());
    check.expect(1, &["down", "ready", &well]);
    let away = format!("the connection to 127.0.0.1:{} is refused", refused.port());
    doctor.expect(1, &[&away, "well: ", "1 thing is wrong"]);
    server.remove().await;
}

#[tokio::test]
async fn a_wrong_password_is_told_for_every_system_and_shown_by_none() {
    for system in System::ALL {
        let server = Server::start(system).await.unwrap();
        let url = server.url().replace(server.password(), "c4n4ry");
        let (check, doctor) = both(&resource("r", &url, SHORT)).await;
        check.expect(1, &["down"]);
        doctor.expect(1, &["wrong: the server refuses the login", "correct user and password"]);
        for said in [check, doctor] {
            assert!(!format!("{said:?}").contains("c4n4ry"), "{said:?}");
        }
        server.remove().await;
    }
}

#[tokio::test]
async fn a_server_that_accepts_and_is_silent_is_frozen_or_overloaded() {
    let server = Server::start_owned(System::Redis).await.unwrap();
    server.freeze().await.unwrap();
    let (check, doctor) = both(&config(&[&server], SHORT)).await;
    check.expect(1, &["down", "no answer"]);
    doctor.expect(1, &["frozen or overloaded", "restart it"]);
    server.thaw().await.unwrap();
    server.remove().await;
    // The other drivers say it in words of their own.
    let silent = Silent::new();
    for scheme in ["mongodb", "amqp", "clickhouse"] {
        let url = format!("{scheme}://127.0.0.1:{}", silent.port());
        let said = on(&resource("r", &url, SHORT), &["doctor"]).await;
        said.expect(1, &["frozen or overloaded"]);
    }
}

#[tokio::test]
async fn an_alarm_on_the_broker_is_told_although_nobody_has_published() {
    let server = Server::start_owned(System::RabbitMq).await.unwrap();
    server.raise_alarm().await.unwrap();
    let (check, doctor) = both(&config(&[&server], "")).await;
    check.expect(1, &["degraded", "the broker takes no messages"]);
    doctor.expect(1, &["wrong: an alarm on the broker", "free memory or disk"]);
    server.clear_alarm().await.unwrap();
    on(&config(&[&server], ""), &["doctor"]).await.expect(0, &["nothing is wrong"]);
    server.remove().await;
}

#[tokio::test]
async fn a_full_server_says_that_it_is_full() {
    let server = Server::start_owned(System::Redis).await.unwrap();
    let target = qa_pool::core::Target::parse("filler", &server.url()).unwrap();
    let backend = qa_pool::redis::Redis::new(&target).unwrap();
    let filler = qa_pool::Resource::new("filler", backend, qa_pool::Settings::default());
    let set = async |most: u32| {
        let words = filler.run(async |lease| {
            let mut command = qa_pool::redis::redis::cmd("CONFIG");
            command.arg("SET").arg("maxclients").arg(most);
            command.query_async::<()>(&mut lease.clone()).await
        });
        words.await.unwrap();
    };
    set(1).await;
    let said = on(&config(&[&server], SHORT), &["doctor"]).await;
    said.expect(1, &["wrong: the server is full", "raise its limit"]);
    set(1000).await;
    filler.close(std::time::Duration::from_secs(5)).await;
    server.remove().await;
}
