//! Connecting: who we are, which database, and every way in which it fails.

mod support;

use qa_redis::redis::{self, AsyncCommands, RedisError};
use qa_redis::{Redis, Target};
use qa_resource_core::{Backend, Class, ErrorKind};
use qa_servers::testing::{Refused, Silent};
use std::time::{Duration, Instant};
use support::{backend, connect, owned, shared};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const CANARY: &str = "c4n4ry";

async fn refusal(url: &str) -> (Class, String) {
    let error: RedisError = backend("refused", url).connect().await.unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(!text.contains(CANARY), "{text}");
    (Redis::classify(&error), text)
}

#[tokio::test]
async fn a_session_has_its_protocol_database_and_name() {
    let url = shared().await.url();
    for (query, resp3) in [("", true), ("?protocol=resp2", false)] {
        let base = url.trim_end_matches("/0");
        let mut client = connect("named session", &format!("{base}/7{query}")).await;
        assert_eq!(client.protocol().supports_resp3(), resp3);
        assert_eq!(redis::aio::ConnectionLike::get_db(&client), 7);
        let info: String = redis::cmd("CLIENT").arg("INFO").query_async(&mut client).await.unwrap();
        assert!(info.contains(" name=named-session ") && info.contains(" db=7 "), "{info}");
        assert_eq!(info.contains(" resp=3"), resp3, "{info}");
    }
}

#[tokio::test]
async fn a_user_and_a_password_with_special_characters_log_in() {
    let server = shared().await;
    let mut client = connect("admin", &server.url()).await;
    let rights = [">p:w/@?%", "on", "~*", "+@all"];
    redis::cmd("ACL")
        .arg("SETUSER")
        .arg("us@er")
        .arg(&rights)
        .exec_async(&mut client)
        .await
        .unwrap();
    let (host, port) = (server.host(), server.port());
    for query in ["", "?protocol=resp2"] {
        let url = format!("redis://us%40er:p%3Aw%2F%40%3F%25@{host}:{port}/0{query}");
        let mut client = connect("special", &url).await;
        let who: String = redis::cmd("ACL").arg("WHOAMI").query_async(&mut client).await.unwrap();
        assert_eq!(who, "us@er");
    }
}

#[tokio::test]
async fn a_wrong_password_and_none_are_refused_and_not_shown() {
    let server = shared().await;
    let (host, port) = (server.host(), server.port());
    for login in [":c4n4ry@", "c4n4ry:c4n4ry@", ""] {
        for query in ["", "?protocol=resp2"] {
            let (class, text) = refusal(&format!("redis://{login}{host}:{port}/0{query}")).await;
            assert_eq!(class, Class::not_applied(ErrorKind::Auth), "{login}{query}: {text}");
        }
    }
}

#[tokio::test]
async fn a_database_that_is_not_there_is_an_error_of_the_configuration() {
    let url = shared().await.url();
    let (class, text) = refusal(&format!("{}/9999", url.trim_end_matches("/0"))).await;
    assert_eq!(class, Class::not_applied(ErrorKind::Config), "{text}");
}

#[tokio::test]
async fn a_refused_port_and_an_unknown_host_are_not_applied() {
    let refused = Refused::new();
    for host in [format!("127.0.0.1:{}", refused.port()), "no-such-host.invalid".to_owned()] {
        let (class, text) = refusal(&format!("redis://c4n4ry:c4n4ry@{host}")).await;
        assert_eq!(class, Class::not_applied(ErrorKind::Connect), "{host}: {text}");
    }
}

#[tokio::test]
async fn a_server_that_accepts_and_stays_silent_is_left_in_time() {
    let silent = Silent::new();
    let port = silent.port();
    let began = Instant::now();
    let (class, text) =
        refusal(&format!("redis://:c4n4ry@127.0.0.1:{port}?response_timeout=300ms")).await;
    assert_eq!(class.kind, ErrorKind::Timeout, "{text}");
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test]
async fn a_connect_that_is_dropped_leaves_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let backend = backend("dropped", &format!("redis://127.0.0.1:{port}"));
    let connecting = tokio::spawn(async move { backend.connect().await });
    let (socket, _) = listener.accept().await.unwrap();
    connecting.abort();
    let mut greeting = Vec::new();
    let closed = async {
        loop {
            socket.readable().await.unwrap();
            match socket.try_read_buf(&mut greeting) {
                Ok(0) => return,
                Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return,
                _ => {}
            }
        }
    };
    tokio::time::timeout(support::AT_ONCE, closed).await.unwrap();
}

#[tokio::test]
async fn a_server_with_too_many_clients_says_so() {
    let server = owned().await;
    let mut client = connect("only", &server.url()).await;
    let set = redis::cmd("CONFIG").arg("SET").arg("maxclients").arg(1).to_owned();
    set.exec_async(&mut client).await.unwrap();
    for query in ["", "?protocol=resp2"] {
        let (class, text) = refusal(&format!("{}{query}", server.url())).await;
        assert_eq!(class, Class::not_applied(ErrorKind::Overloaded), "{text}");
    }
}

/// The real server's own words on a command that it does not know: they hold the password.
#[tokio::test]
async fn a_server_that_does_not_know_hello_is_spoken_to_in_resp2() {
    let server = shared().await;
    let port = old_server(server.port()).await;
    let (user, password) = (server.user(), server.password());
    let mut client = connect("old", &format!("redis://{user}:{password}@127.0.0.1:{port}/3")).await;
    assert!(!client.protocol().supports_resp3());
    let () = client.set("key", "value").await.unwrap();
    assert_eq!(client.get::<_, String>("key").await.unwrap(), "value");
    let (class, text) = refusal(&format!("redis://c4n4ry:c4n4ry@127.0.0.1:{port}")).await;
    assert_eq!(class, Class::not_applied(ErrorKind::Auth), "{text}");
}

/// The real server, made older than `HELLO` by a wire that misspells it.
async fn old_server(port: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut far = TcpStream::connect(("127.0.0.1", port)).await?;
                let mut greeting = vec![0; 4096];
                let length = near.read(&mut greeting).await?;
                let greeting =
                    String::from_utf8_lossy(&greeting[..length]).replace("HELLO", "HOLLA");
                far.write_all(greeting.as_bytes()).await?;
                tokio::io::copy_bidirectional(&mut near, &mut far).await
            });
        }
    });
    address.port()
}

#[tokio::test]
async fn nothing_secret_prints() {
    let url = shared().await.url();
    let target = Target::parse("r", "redis://c4n4ry:c4n4ry@127.0.0.1:1/0").unwrap();
    let redis = Redis::new(&target).unwrap();
    let client = connect("printed", &url).await;
    let password = shared().await.password();
    let text = format!("{redis:?} {} {client:?}", redis.address());
    assert!(!text.contains(CANARY) && !text.contains(password), "{text}");
}
