//! When a connection was last read from, which the driver knows and does not tell.

use async_rs::Tokio;
use async_rs::traits::Reactor;
use async_rs::util::RuntimeParts;
use futures_util::Stream;
use futures_util::io::{AsyncRead, AsyncWrite};
use std::io::{self, IoSlice, Read, Write};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// A runtime whose connections are listened to: Tokio's in all else.
pub(crate) type Runtime = async_rs::Runtime<RuntimeParts<Tokio, Ears>>;

/// When something was last read from a connection.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    made: Instant,
    /// Microseconds since it was made.
    last: Arc<AtomicU64>,
}

impl Heard {
    pub(crate) fn new() -> Self {
        Self { made: Instant::now(), last: Arc::default() }
    }

    /// The current runtime, for a connection that tells us here.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub(crate) fn runtime(&self) -> Runtime {
        let ears = Ears { tokio: Tokio::current(), heard: self.clone() };
        Runtime::new(RuntimeParts::new(Tokio::current(), ears))
    }

    /// Whether something was read within the last `limit`.
    pub(crate) fn within(&self, limit: Duration) -> bool {
        let last = Duration::from_micros(self.last.load(Ordering::Relaxed));
        self.made.elapsed().saturating_sub(last) <= limit
    }

    fn now(&self) {
        let now = u64::try_from(self.made.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }
}

/// Makes streams that tell when they were read from.
#[derive(Clone, Debug)]
pub(crate) struct Ears {
    tokio: Tokio,
    heard: Heard,
}

impl Reactor for Ears {
    type TcpStream = Overheard<<Tokio as Reactor>::TcpStream>;
    type Sleep = <Tokio as Reactor>::Sleep;

    /// Not for us: the driver is given its stream.
    fn register<H: Read + Write + Send + 'static>(
        &self,
        _socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        Err::<Self::TcpStream, _>(io::ErrorKind::Unsupported.into())
    }

    fn sleep(&self, time: Duration) -> Self::Sleep {
        self.tokio.sleep(time)
    }

    fn interval(&self, time: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.tokio.interval(time)
    }

    fn tcp_connect_addr(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        let (connected, heard) = (self.tokio.tcp_connect_addr(address), self.heard.clone());
        async move { Ok(Overheard { stream: connected.await?, heard }) }
    }
}

/// A stream that tells when it was read from.
#[derive(Debug)]
pub(crate) struct Overheard<S> {
    stream: S,
    heard: Heard,
}

impl<S> Overheard<S> {
    pub(crate) fn get_ref(&self) -> &S {
        &self.stream
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Overheard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if matches!(read, Poll::Ready(Ok(1..))) {
            self.heard.now();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Overheard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, buffer)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::AsyncReadExt;
    use futures_util::io::Cursor;

    #[tokio::test]
    async fn what_is_read_is_heard_and_the_end_is_not() {
        let heard = Heard::new();
        let mut stream = Overheard { stream: Cursor::new([1, 2]), heard: heard.clone() };
        let moment = Duration::from_millis(20);
        let silent = || tokio::time::sleep(2 * moment);
        silent().await;
        assert!(!heard.within(moment), "nothing was read yet");
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 2);
        assert!(heard.within(Duration::from_secs(10)));
        silent().await;
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
        assert!(!heard.within(moment), "an end is no word");
    }
}
