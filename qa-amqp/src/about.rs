//! What a broker says about itself, in the first frame of a connection and before any login.

use crate::options::Options;
use crate::{Error, tls};
use futures_util::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use lapin::AsyncTcpStream;
use lapin::protocol::connection::parse_start;
use lapin::types::AMQPValue;
use qa_resource_core::{About, Host, TlsSettings};
use std::io;

/// The words with which a client begins.
const HEADER: &[u8] = b"AMQP\0\0\x09\x01";
/// A broker's first frame is some 500 bytes.
const LONGEST: u32 = 64 * 1024;

/// Asks over a connection that ends with the answer: the driver keeps what it was told to itself. The
/// broker notes in its log that a client went away.
///
/// # Cancel safety
/// The connection ends where this is dropped.
pub(crate) async fn ask(
    options: &Options,
    tls_settings: &TlsSettings,
    host: &Host,
) -> Result<About, Error> {
    let runtime = lapin::runtime::default_runtime()?;
    let addresses = runtime.to_socket_addrs((host.name.clone(), host.port_or(options.port())));
    let stream = AsyncTcpStream::connect(&runtime, addresses).await.map_err(driver)?;
    let mut stream =
        if options.tls { tls::wrap(stream, &host.name, tls_settings).await? } else { stream };
    stream.write_all(HEADER).await.map_err(driver)?;
    stream.flush().await.map_err(driver)?;
    let frame = read_frame(&mut stream).await.map_err(driver)?;
    Ok(About { version: version(&frame), clock: None })
}

fn driver(error: io::Error) -> Error {
    Error::Driver(error.into())
}

/// The payload of the next frame: its type, its channel and its length stand before it.
async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut head = [0; 7];
    stream.read_exact(&mut head).await?;
    let [_, _, _, length @ ..] = head;
    let length = u32::from_be_bytes(length);
    if length > LONGEST {
        return Err(io::Error::other("this is no AMQP"));
    }
    let mut payload = vec![0; length as usize];
    stream.read_exact(&mut payload).await?;
    Ok(payload)
}

/// The version among the broker's properties. Class and method stand before them.
fn version(payload: &[u8]) -> Option<String> {
    let (_, start) = parse_start(payload.get(4..)?).ok()?;
    match start.server_properties.inner().get("version")? {
        AMQPValue::LongString(version) => Some(version.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_among_the_properties_and_anything_else_has_none() {
        let mut payload = vec![0, 10, 0, 10, 0, 9, 0, 0, 0, 21];
        payload.extend(b"\x07versionS\0\0\0\x083.10.8.1");
        payload.extend(b"\0\0\0\x05PLAIN\0\0\0\x05en_US");
        assert_eq!(version(&payload).as_deref(), Some("3.10.8.1"));
        for other in [&payload[..12], &[], b"HTTP/1.1 400 Bad Request"] {
            assert_eq!(version(other), None);
        }
    }

    #[tokio::test]
    async fn a_frame_of_any_length_is_not_waited_for() {
        let mut http: &[u8] = b"HTTP/1.1 400 Bad Request";
        assert!(read_frame(&mut http).await.is_err());
    }
}
