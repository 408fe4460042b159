//! The one rustls provider, and the configuration that the drivers are given.

use super::TlsSettings;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::sync::Once;

/// Why TLS can't be set up. Names files, never what is in them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file can't be read.
    #[error("cannot read the TLS file {0}: {1}")]
    Read(PathBuf, #[source] std::io::Error),
    /// A file holds nothing of what it should.
    #[error("the TLS file {0} holds no usable {1} in PEM form")]
    Pem(PathBuf, &'static str),
    /// Only one of certificate and key is set.
    #[error("certificate_file and key_file go together: set both or neither")]
    Pair,
    /// The system has no certificates to trust.
    #[error("the system has no trusted certificates; install them or set ca_file")]
    NoRoots,
    /// rustls refuses what it was given.
    #[error("the TLS certificate or key can't be used: {0}")]
    Refused(#[from] rustls::Error),
}

/// Makes aws-lc-rs the process's rustls provider, unless one is installed already.
///
/// Drivers that ask rustls for its default panic where a build holds two providers and none is
/// installed; every backend calls this before its first TLS connect.
pub fn install_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error means that the application has installed one: then that is what it wants.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    });
}

/// Reads a TLS file.
///
/// # Errors
/// [`TlsError::Read`], naming the file.
pub fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| TlsError::Read(path.to_owned(), error))
}

/// The client configuration that `settings` ask for, reading its files now.
///
/// # Errors
/// A file that can't be read or used, half a pair, or a system without trusted certificates.
pub fn client_config(settings: &TlsSettings) -> Result<ClientConfig, TlsError> {
    install_provider();
    let builder = ClientConfig::builder().with_root_certificates(roots(settings)?);
    match (&settings.certificate_file, &settings.key_file) {
        (None, None) => Ok(builder.with_no_client_auth()),
        (Some(certificate), Some(key)) => {
            Ok(builder.with_client_auth_cert(certificates(certificate)?, private_key(key)?)?)
        }
        _ => Err(TlsError::Pair),
    }
}

fn roots(settings: &TlsSettings) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let Some(file) = &settings.ca_file else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return if roots.is_empty() { Err(TlsError::NoRoots) } else { Ok(roots) };
    };
    for certificate in certificates(file)? {
        roots.add(certificate)?;
    }
    Ok(roots)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unusable = || TlsError::Pem(file.to_owned(), "certificate");
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(file)?).collect();
    parsed.ok().filter(|list| !list.is_empty()).ok_or_else(unusable)
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let unusable = |_| TlsError::Pem(file.to_owned(), "private key");
    PrivateKeyDer::from_pem_slice(&read(file)?).map_err(unusable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_files_are_named_and_never_shown() {
        let path = std::env::temp_dir().join(format!("qa-tls-{}.pem", std::process::id()));
        std::fs::write(&path, "c4n4ry").unwrap();
        let ca = TlsSettings { ca_file: Some(path.clone()), ..TlsSettings::default() };
        let error = client_config(&ca).unwrap_err().to_string();
        assert!(
            error.contains("holds no usable certificate") && !error.contains("c4n4ry"),
            "{error}"
        );
        let half = TlsSettings { key_file: Some(path.clone()), ..ca.clone() };
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(client_config(&half).unwrap_err(), TlsError::Read(..)));
    }

    #[test]
    fn half_a_pair_is_refused() {
        let half = TlsSettings { key_file: Some("key.pem".into()), ..TlsSettings::default() };
        let error = client_config(&half).unwrap_err();
        assert!(matches!(error, TlsError::Pair | TlsError::NoRoots), "{error}");
    }
}
