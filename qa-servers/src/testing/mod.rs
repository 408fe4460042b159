//! What a test of a network client needs beside a server: a way to wait that has an end, ports
//! behind which there is nobody, and the connections that the client has open.
//!
//! Everything here panics where it fails, with a message that says what was wanted: it is for
//! tests.
//!
//! ```
//! use qa_servers::testing::{Silent, connections, eventually, within};
//! use std::time::Duration;
//! use tokio::net::TcpStream;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let limit = Duration::from_secs(5);
//! let silent = Silent::new();
//! let socket = TcpStream::connect(("127.0.0.1", silent.port()));
//! let socket = within("the connect", limit, socket).await.unwrap();
//! assert_eq!(connections(silent.port()), 1);
//! drop(socket);
//! eventually("it is closed", limit, async || connections(silent.port()) == 0).await;
//! # }
//! ```

mod dead_ends;
mod sockets;
mod wait;

pub use dead_ends::{Refused, Silent};
pub use sockets::{connected, connections};
pub use wait::{eventually, within};
