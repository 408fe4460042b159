//! TLS as the driver wants it: two files at most, certificate and key in one.

use crate::limit::invalid;
use mongodb::Client;
use mongodb::error::Result;
use mongodb::options::{ClientOptions, ConnectionString, Tls};
use qa_resource_core::tls::{TlsError, install_provider, read};
use qa_resource_core::{Target, TlsSettings};
use std::io::Write;
use std::path::Path;
use tempfile::NamedTempFile;

/// Refuses TLS settings that the URL does not ask for: they would have no effect.
pub(crate) fn check(target: &Target, url: &ConnectionString) -> qa_resource_core::Result<()> {
    if target.tls != TlsSettings::default() && !matches!(url.tls, Some(Tls::Enabled(_))) {
        return Err(target.config_error(
            "TLS is configured but the URL does not ask for it; add tls=true to the URL",
        ));
    }
    match (&target.tls.certificate_file, &target.tls.key_file) {
        (Some(_), None) | (None, Some(_)) => Err(target.config_error(TlsError::Pair.to_string())),
        _ => Ok(()),
    }
}

/// A client of the driver, which has not spoken to anybody yet.
pub(crate) fn client(mut options: ClientOptions, settings: &TlsSettings) -> Result<Client> {
    // The driver reads the files in `with_options`; the one that was written for it goes after.
    let _file = apply(&mut options, settings)?;
    Client::with_options(options)
}

fn apply(options: &mut ClientOptions, settings: &TlsSettings) -> Result<Option<NamedTempFile>> {
    let Some(Tls::Enabled(tls)) = &mut options.tls else { return Ok(None) };
    install_provider();
    if let Some(ca) = &settings.ca_file {
        readable(ca)?;
        tls.ca_file_path = Some(ca.clone());
    }
    let (Some(certificate), Some(key)) = (&settings.certificate_file, &settings.key_file) else {
        return Ok(None);
    };
    if certificate == key {
        readable(key)?;
        tls.cert_key_file_path = Some(key.clone());
        return Ok(None);
    }
    let both = in_one_file(&readable(certificate)?, &readable(key)?)
        .map_err(|error| invalid(format!("cannot write a TLS file for the driver: {error}")))?;
    tls.cert_key_file_path = Some(both.path().to_owned());
    Ok(Some(both))
}

fn readable(path: &Path) -> Result<Vec<u8>> {
    read(path).map_err(|error| invalid(error.to_string()))
}

/// Only we can read the file, and it is removed when it is dropped.
fn in_one_file(certificate: &[u8], key: &[u8]) -> std::io::Result<NamedTempFile> {
    let mut file = NamedTempFile::new()?;
    file.write_all(certificate)?;
    file.write_all(b"\n")?;
    file.write_all(key)?;
    file.flush()?;
    Ok(file)
}
