//! The first words of each protocol. A server that is well answers them before any login, so they tell
//! one that is stuck from one that speaks otherwise.

use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// Limit for an answer.
const LIMIT: Duration = Duration::from_secs(1);

/// `{hello: 1, $db: "admin"}` as a message of MongoDB's protocol.
const HELLO: &[u8] = b"\x34\0\0\0\x01\0\0\0\0\0\0\0\xdd\x07\0\0\0\0\0\0\0\
    \x1f\0\0\0\x10hello\0\x01\0\0\0\x02$db\0\x06\0\0\0admin\0\0";

/// What came back.
#[derive(Debug)]
pub(super) enum Reply {
    /// Something: it speaks this protocol, or says that it does not.
    Answered,
    /// It hung up, or an alert of TLS came.
    Broken(io::Error),
    Silent,
}

/// Greets a server whose URL has this scheme, over a connection that is good for nothing else afterwards.
pub(super) async fn greet(scheme: &str, stream: impl AsyncRead + AsyncWrite + Unpin) -> Reply {
    let Some(words) = words(scheme) else { return Reply::Silent };
    match timeout(LIMIT, exchange(words, stream)).await {
        Ok(Ok(())) => Reply::Answered,
        Ok(Err(error)) => Reply::Broken(error),
        Err(_) => Reply::Silent,
    }
}

async fn exchange(words: &[u8], mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    stream.write_all(words).await?;
    stream.flush().await?;
    stream.read_u8().await.map(drop)
}

fn words(scheme: &str) -> Option<&'static [u8]> {
    match scheme.split('+').next()? {
        "mongodb" => Some(HELLO),
        "amqp" | "amqps" => Some(b"AMQP\0\0\x09\x01"),
        "clickhouse" | "clickhouses" => {
            Some(b"GET /ping HTTP/1.1\r\nHost: qa\r\nConnection: close\r\n\r\n")
        }
        redis if redis.starts_with("redis") => Some(b"PING\r\n"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;
    use qa_servers::testing::Silent;
    use qa_servers::{Server, System};
    use tokio::net::TcpStream;

    async fn greeted(scheme: &str, port: u16) -> Reply {
        greet(scheme, TcpStream::connect(("127.0.0.1", port)).await.unwrap()).await
    }

    #[test]
    fn every_scheme_has_its_words_and_the_message_says_how_long_it_is() {
        for (scheme, _) in qa_pool::KNOWN_SCHEMES {
            assert!(words(scheme).is_some(), "{scheme}");
        }
        assert_eq!(usize::from(HELLO[0]), HELLO.len());
        assert_eq!(usize::from(HELLO[21]), HELLO.len() - 21);
    }

    #[tokio::test]
    async fn every_server_answers_its_own_greeting_and_a_silent_port_none() {
        let servers = join_all(System::ALL.into_iter().map(Server::start)).await;
        for server in servers.into_iter().map(Result::unwrap) {
            let url = server.url();
            let scheme = url.split("://").next().unwrap();
            let reply = greeted(scheme, server.port()).await;
            assert!(matches!(reply, Reply::Answered), "{scheme}: {reply:?}");
            server.remove().await;
        }
        let silent = Silent::new();
        assert!(matches!(greeted("redis", silent.port()).await, Reply::Silent));
    }
}
