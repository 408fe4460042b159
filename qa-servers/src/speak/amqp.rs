//! AMQP 0-9-1: the handshake up to an open virtual host.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Answer, Wire, broken, connect};
use crate::address::Address;

/// Methods of class 10, connection.
const START: u16 = 10;
const START_OK: u16 = 11;
const TUNE: u16 = 30;
const TUNE_OK: u16 = 31;
const OPEN: u16 = 40;
const OPEN_OK: u16 = 41;
const CLOSE: u16 = 50;
const CLOSE_OK: u16 = 51;

/// No answer of a handshake is longer; a peer that claims more does not speak AMQP.
const LONGEST: u32 = 128 * 1024;

/// Logs in, opens the virtual host `/` and closes the connection as a good client does.
pub(crate) async fn login(address: &Address) -> Answer<()> {
    let mut stream = connect(address).await?;
    stream.write_all(b"AMQP\x00\x00\x09\x01").await.map_err(broken)?;
    expect(&mut stream, START).await?;

    let mut start_ok = vec![0, 0, 0, 0]; // no client properties
    start_ok.extend(short("PLAIN"));
    start_ok.extend(long(&format!("\0{}\0{}", address.user, address.password)));
    start_ok.extend(short("en_US"));
    send(&mut stream, START_OK, &start_ok).await?;

    let limits = expect(&mut stream, TUNE).await?;
    send(&mut stream, TUNE_OK, &limits).await?;

    let mut open = short("/");
    open.extend([0, 0]); // two reserved fields
    send(&mut stream, OPEN, &open).await?;
    expect(&mut stream, OPEN_OK).await?;

    let mut close = 200_u16.to_be_bytes().to_vec();
    close.extend(short("bye"));
    close.extend([0, 0, 0, 0]); // no method is to blame
    send(&mut stream, CLOSE, &close).await?;
    expect(&mut stream, CLOSE_OK).await.map(drop)
}

fn short(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
    let mut bytes = vec![length];
    bytes.extend(text.as_bytes().iter().take(length.into()));
    bytes
}

fn long(text: &str) -> Vec<u8> {
    let mut bytes = u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes
}

async fn send(stream: &mut Wire, method: u16, arguments: &[u8]) -> Answer<()> {
    let length = u32::try_from(arguments.len() + 4).map_err(|_| "the frame is too long")?;
    let mut frame = vec![1, 0, 0]; // a method frame on channel 0
    frame.extend(length.to_be_bytes());
    frame.extend([0, 10]);
    frame.extend(method.to_be_bytes());
    frame.extend(arguments);
    frame.push(0xCE);
    stream.write_all(&frame).await.map_err(broken)
}

/// Reads frames until the wanted method comes, and returns its arguments.
async fn expect(stream: &mut Wire, wanted: u16) -> Answer<Vec<u8>> {
    loop {
        let mut head = [0; 7];
        stream.read_exact(&mut head).await.map_err(broken)?;
        if &head[..4] == b"AMQP" {
            return Err("the server speaks another version of amqp".to_owned());
        }
        let length = u32::from_be_bytes([head[3], head[4], head[5], head[6]]);
        if length > LONGEST {
            return Err("the server does not speak amqp".to_owned());
        }
        let mut payload = vec![0; length as usize + 1];
        stream.read_exact(&mut payload).await.map_err(broken)?;
        payload.pop(); // the end mark
        if head[0] != 1 || payload.len() < 4 {
            continue; // a heartbeat
        }
        let method = u16::from_be_bytes([payload[2], payload[3]]);
        let arguments = payload.split_off(4);
        match method {
            _ if method == wanted => return Ok(arguments),
            CLOSE => return Err(refusal(&arguments)),
            _ => return Err(format!("unexpected method 10.{method}")),
        }
    }
}

/// The code and the text of a `connection.close`.
fn refusal(arguments: &[u8]) -> String {
    let [high, low, length, text @ ..] = arguments else {
        return "the server closed the connection".to_owned();
    };
    let text = &text[..usize::from(*length).min(text.len())];
    let code = u16::from_be_bytes([*high, *low]);
    format!("{code} {}", String::from_utf8_lossy(text))
}
