//! A port in front of a server that does to its connections what a bad network does.
//!
//! A client connects to [`FaultProxy::port`] instead of the server's own. What happens between the
//! two is told by [`Faults`], which can be replaced at any time, for open connections and for new
//! ones, and [`FaultProxy::heal`] takes it all back:
//!
//! | fault | where |
//! |---|---|
//! | latency with jitter | [`Way::latency`], [`Way::jitter`] |
//! | bandwidth | [`Way::bandwidth`] |
//! | small pieces | [`Way::slice`] |
//! | the end after so many bytes: in order, by reset, or in silence | [`Way::cut_after`] |
//! | a black hole in the middle of a stream | [`Way::silent`], [`Faults::silent`] |
//! | wrong bytes | [`Way::corrupt_every`] |
//! | connections accepted and never answered, reset, or refused | [`Faults::door`] |
//! | the end of all open connections, now | [`FaultProxy::cut`], [`FaultProxy::reset`] |
//! | the end of one direction | [`FaultProxy::half_close`] |
//!
//! ```
//! use qa_servers::proxy::{FaultProxy, Faults, Way};
//! use qa_servers::testing::within;
//! use std::time::{Duration, Instant};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use tokio::net::{TcpListener, TcpStream};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let server = TcpListener::bind(("127.0.0.1", 0)).await?;
//! let proxy = FaultProxy::open(server.local_addr()?.port()).await;
//! let mut client = TcpStream::connect(("127.0.0.1", proxy.port())).await?;
//! let (mut served, _) = server.accept().await?;
//!
//! let latency = Duration::from_millis(100);
//! proxy.change(|faults| faults.to_server.latency = latency);
//! let began = Instant::now();
//! client.write_all(b"ping").await?;
//! within("the ping", Duration::from_secs(5), served.read_exact(&mut [0; 4])).await?;
//! assert!(began.elapsed() >= latency);
//!
//! proxy.set(Faults::silent()); // a black hole …
//! client.write_all(b"ping").await?;
//! proxy.heal(); // … that gives back what it swallowed
//! within("the ping", Duration::from_secs(5), served.read_exact(&mut [0; 4])).await?;
//! assert_eq!(proxy.counts().bytes_to_server, 8);
//! # Ok(())
//! # }
//! ```
//!
//! # What a black hole here is not
//!
//! Where a network drops packets, the kernel of the sender sees that nothing is acknowledged, and in
//! the end (15 minutes by default, `TCP_USER_TIMEOUT` where it is set) it ends the connection. This
//! proxy is a program: behind its silence the kernel still acknowledges what is sent and answers
//! keepalives. So neither keepalive nor `TCP_USER_TIMEOUT` ever notices; only a client that
//! expects an answer, a ping's for instance, does. It is what a frozen server or a stuck load
//! balancer looks like, and the harder case for a client: one that survives it survives dropped
//! packets too. In the same way a silent door accepts, where a network that drops packets would let
//! the connect itself run out of time.
//!
//! While a direction is silent, the end of a connection is not passed on either: after the silence
//! it is.

mod connection;
mod counts;
mod door;
mod fault_proxy;
mod faults;
mod line;
mod pace;
mod pump;
mod scene;
mod silence;

pub use counts::Counts;
pub use fault_proxy::FaultProxy;
pub use faults::{Direction, Door, Ending, Faults, Way};
