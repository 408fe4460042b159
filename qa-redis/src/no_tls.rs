//! What stands in for TLS where the feature is off: nothing that can be made.

use qa_resource_core::{Result, Target};
use redis::RedisResult;
use tokio::net::TcpStream;

#[derive(Clone, Debug)]
pub(crate) enum Tls {}

impl Tls {
    pub(crate) fn new(target: &Target) -> Result<Self> {
        let scheme = target.endpoint.scheme();
        Err(target.config_error(format!("`{scheme}` needs TLS; build with the feature `tls`")))
    }

    #[allow(clippy::unused_async, reason = "the same signature as with TLS")]
    pub(crate) async fn secure(&self, _stream: TcpStream, _host: &str) -> RedisResult<TcpStream> {
        match *self {}
    }
}

#[cfg(test)]
mod tests {
    use crate::{Redis, Target};

    #[test]
    fn rediss_says_what_to_build_with() {
        let target = Target::parse("cache", "rediss://:c4n4ry@h").unwrap();
        let error = Redis::new(&target).unwrap_err();
        assert_eq!(error.kind(), qa_resource_core::ErrorKind::Config);
        let text = format!("{error} {error:?}");
        assert!(text.contains("the feature `tls`") && !text.contains("c4n4ry"), "{text}");
    }
}
