//! HTTP/1.1 with one request a connection: ClickHouse, and RabbitMQ's management plugin.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Answer, broken, connect_to};
use crate::address::Address;

/// Sends one request to `port` as the address's user and returns the body of a 2xx answer.
pub(crate) async fn request(
    address: &Address,
    port: u16,
    method: &str,
    path: &str,
    body: &str,
) -> Answer<String> {
    let login = BASE64_STANDARD.encode(format!("{}:{}", address.user, address.password));
    let host = &address.host;
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Basic {login}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    let mut stream = connect_to(address, port).await?;
    stream.write_all((head + body).as_bytes()).await.map_err(broken)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.map_err(broken)?;
    split(&String::from_utf8_lossy(&answer))
}

/// The body is given as it came: the answers looked at are short, a chunked one only with its
/// length lines around it.
fn split(answer: &str) -> Answer<String> {
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("the answer was cut off")?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    if status.starts_with('2') {
        return Ok(body.to_owned());
    }
    let body: String = body.trim().chars().take(200).collect();
    Err(format!("http status {status}: {body}"))
}

/// Runs one ClickHouse query that answers little.
pub(crate) async fn clickhouse_login(address: &Address) -> Answer<()> {
    request(address, address.port, "POST", "/", "SELECT 1").await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn a_2xx_answer_gives_its_body_and_any_other_its_status() {
        assert_eq!(split("HTTP/1.1 201 Created\r\na: b\r\n\r\nbody").unwrap(), "body");
        let refused = split("HTTP/1.1 403 Forbidden\r\n\r\nCode: 516\n").unwrap_err();
        assert_eq!(refused, "http status 403: Code: 516");
        assert!(split("HTTP/1.1 200").is_err());
    }
}
