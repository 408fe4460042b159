//! How to trust a server and prove who we are.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// TLS for one resource. Whether TLS is used at all is the URL's business (`rediss`, `amqps`,
/// `clickhouses`, `mongodb://…?tls=true`); this says whom to trust and what to show.
///
/// The default trusts the system's certificates, verifies the server's name, and shows none.
/// Files are read at each connect, so that a renewed certificate is taken up by the next one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsSettings {
    /// A PEM file with the authorities to trust instead of the system's. Default: none.
    pub ca_file: Option<PathBuf>,
    /// A PEM file with our certificate and what is between it and the root, for servers that want
    /// one; goes with `key_file`. Default: none.
    pub certificate_file: Option<PathBuf>,
    /// A PEM file with the private key of `certificate_file`. Default: none.
    pub key_file: Option<PathBuf>,
}

#[cfg(feature = "tls")]
pub use provider::{TlsError, client_config, install_provider, read};

#[cfg(feature = "tls")]
#[path = "tls_provider.rs"]
mod provider;
