//! The few words of the management plugin's HTTP that these tests speak.

use qa_servers::Server;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Closes every connection of a virtual host from the broker's side; says how many there were.
pub(crate) async fn close_connections(server: &Server, vhost: &str) -> usize {
    let listed = request(server, "GET", &format!("/api/vhosts/{vhost}/connections")).await;
    let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
    let names: Vec<&str> = listed.iter().filter_map(|one| one["name"].as_str()).collect();
    for name in &names {
        let name = name.replace(' ', "%20").replace('>', "%3E").replace(':', "%3A");
        request(server, "DELETE", &format!("/api/connections/{name}")).await;
    }
    names.len()
}

async fn request(server: &Server, method: &str, path: &str) -> String {
    let port = server.management_port().unwrap();
    let mut stream = TcpStream::connect((server.host(), port)).await.unwrap();
    let login = base64(format!("{}:{}", server.user(), server.password()).as_bytes());
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: {}\r\nAuthorization: Basic {login}\r\n\r\n",
        server.host()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
    // 404: a connection that was listed has gone since.
    assert!(status < 300 || status == 404, "{method} {path}: {head}");
    body.to_owned()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut three = [0; 3];
        three[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        for digit in 0..4 {
            let value = (bits >> (18 - 6 * digit)) & 63;
            let shown = digit <= chunk.len();
            text.push(if shown { char::from(DIGITS[value as usize]) } else { '=' });
        }
    }
    text
}
