//! What stands in for TLS where the feature is off.

use crate::Error;
use qa_resource_core::{Result, Target, TlsSettings};

/// Refuses `amqps`.
pub(crate) fn check(target: &Target) -> Result<()> {
    if target.endpoint.scheme() == "amqps" {
        return Err(
            target.config_error("the scheme `amqps` needs TLS: build with the feature `tls`")
        );
    }
    Ok(())
}

/// Never reached: [`check`] refused the URL.
#[allow(clippy::unused_async, reason = "it stands for a handshake")]
pub(crate) async fn wrap<S>(_stream: S, _host: &str, _settings: &TlsSettings) -> Result<S, Error> {
    Err(Error::Tls("build with the feature `tls`".to_owned()))
}
