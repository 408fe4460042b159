//! Who has gone, while nobody may hear of it.

use tokio::io::{Interest, Ready};
use tokio::net::TcpStream;
use tokio::net::tcp::ReadHalf;

/// Waits until the other end of `socket` says no more, without reading what it said before.
pub(super) async fn left(socket: &TcpStream) {
    until_left(|| socket.ready(Interest::PRIORITY)).await;
}

/// The same for both ends of a connection.
pub(super) async fn both_left(one: &ReadHalf<'_>, other: &ReadHalf<'_>) {
    until_left(|| one.ready(Interest::PRIORITY)).await;
    until_left(|| other.ready(Interest::PRIORITY)).await;
}

/// The kernel tells of urgent data and of the end without telling of all other data.
async fn until_left<F>(ready: impl Fn() -> F)
where
    F: Future<Output = std::io::Result<Ready>>,
{
    // Urgent data are none of ours; they would be told of again and again.
    while ready().await.is_ok_and(|ready| !ready.is_read_closed()) {
        tokio::task::yield_now().await;
    }
}
