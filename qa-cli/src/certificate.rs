//! What is read in a server's certificate.

use std::time::Duration;
use x509_parser::prelude::{FromDer, X509Certificate};

/// A server's certificate, as far as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Certificate {
    /// When it is no longer good, as the time since the beginning of 1970.
    pub(crate) expires: Duration,
}

impl Certificate {
    pub(crate) fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let expires = u64::try_from(certificate.validity().not_after.timestamp()).ok()?;
        Some(Self { expires: Duration::from_secs(expires) })
    }
}
