//! One connection to one host.

use crate::heard::Heard;
use crate::options::Options;
use crate::socket::Socket;
use crate::{Error, tls};
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{AsyncTcpStream, Connection, ConnectionProperties};
use qa_resource_core::{Host, Login, TlsSettings};
use std::io;
use std::sync::{Mutex, PoisonError};

/// A connection, its socket, and when it was last read from.
pub(crate) struct Dialled {
    pub(crate) connection: Connection,
    pub(crate) socket: Socket,
    pub(crate) heard: Heard,
}

/// Dials, makes the TLS handshake where it is asked for, and logs in.
///
/// # Cancel safety
/// Where this is dropped the socket is shut down, and with it ends the thread that the driver has
/// started for it.
pub(crate) async fn dial(
    options: &Options,
    login: &Login,
    tls_settings: &TlsSettings,
    properties: ConnectionProperties,
    host: &Host,
) -> Result<Dialled, Error> {
    let heard = Heard::new();
    let runtime = heard.runtime();
    let port = host.port_or(options.port());
    let addresses = runtime.to_socket_addrs((host.name.clone(), port));
    let stream = AsyncTcpStream::connect(&runtime, addresses).await.map_err(driver)?;
    let AsyncTcpStream::Plain(plain) = &stream else {
        return Err(driver(io::Error::other("the driver's stream is not plain")));
    };
    let socket = Socket::of(plain.get_ref().get_ref()).map_err(driver)?;
    let stream =
        if options.tls { tls::wrap(stream, &host.name, tls_settings).await? } else { stream };
    // The driver asks for a stream, and would ask again if it reconnected: it gets the one.
    let stream = Mutex::new(Some(stream));
    let take = async move |_, _| {
        let stream = stream.lock().unwrap_or_else(PoisonError::into_inner).take();
        stream.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionAborted).into())
    };
    let uri = uri(options, login, host, port);
    let connection = Connection::connector(uri, runtime, take, properties).await?;
    Ok(Dialled { connection, socket, heard })
}

/// The bytes of a frame at the most, as RabbitMQ has it unless it is told otherwise. The driver has room for 32
/// of them each way. Asked for from the start, that is memory of which the system gives the pages as they
/// are used; left to the broker, the driver makes the room when it is logged in, by writing zeros to all of
/// it: 8 MiB for each connection, and the time for that. A longer message has more frames, as ever.
const FRAME: u32 = 128 * 1024;

fn driver(error: io::Error) -> Error {
    Error::Driver(error.into())
}

fn uri(options: &Options, login: &Login, host: &Host, port: u16) -> AMQPUri {
    AMQPUri {
        scheme: if options.tls { AMQPScheme::AMQPS } else { AMQPScheme::AMQP },
        authority: AMQPAuthority {
            userinfo: AMQPUserInfo {
                username: login.user.expose().to_owned(),
                password: login.password.expose().to_owned(),
            },
            host: host.name.clone(),
            port,
        },
        vhost: options.vhost.clone(),
        query: AMQPQueryString {
            heartbeat: Some(options.heartbeat),
            frame_max: Some(FRAME),
            ..AMQPQueryString::default()
        },
    }
}
