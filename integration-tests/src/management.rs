//! `RabbitMQ`'s management plugin: what only it can do, and what only it says.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use qa_servers::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One call of the management plugin, such as `GET` of `connections`; gives the answer's body.
///
/// # Panics
/// Where it is refused, or the server is no `RabbitMQ`.
pub async fn management(server: &Server, method: &str, what: &str, body: &str) -> String {
    let login = BASE64_STANDARD.encode(format!("{}:{}", server.user(), server.password()));
    // 1.0, so that the body comes in one piece and the connection ends with it.
    let request = format!(
        "{method} /api/{what} HTTP/1.0\r\nHost: {}\r\nAuthorization: Basic {login}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        server.host(),
        body.len()
    );
    let address = (server.host(), server.management_port().unwrap());
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 2") || head.starts_with("HTTP/1.0 2"), "{answer}");
    body.to_owned()
}
