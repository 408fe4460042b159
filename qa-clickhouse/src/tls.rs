//! HTTPS with the certificates of this library's settings.

use crate::http;
use crate::url::Url;
use clickhouse::Client;
use clickhouse::error::{Error, Result};
use hyper_rustls::HttpsConnectorBuilder;
use qa_resource_core::tls::{TlsError, client_config};
use qa_resource_core::{Target, TlsSettings};

/// Refuses TLS settings that the URL does not ask for: they would have no effect.
pub(crate) fn check(target: &Target, tls: bool) -> qa_resource_core::Result<()> {
    if !tls && target.tls != TlsSettings::default() {
        return Err(target.config_error(
            "TLS is configured but the URL does not ask for it; write it as clickhouses://",
        ));
    }
    match (&target.tls.certificate_file, &target.tls.key_file) {
        (Some(_), None) | (None, Some(_)) => Err(target.config_error(TlsError::Pair.to_string())),
        _ => Ok(()),
    }
}

pub(crate) fn client(url: &Url, settings: &TlsSettings) -> Result<Client> {
    let mut plain = http::connector();
    if !url.tls {
        return Ok(http::client(plain, url));
    }
    plain.enforce_http(false);
    let config = client_config(settings).map_err(|error| Error::InvalidParams(Box::new(error)))?;
    let builder = HttpsConnectorBuilder::new().with_tls_config(config).https_only();
    Ok(http::client(builder.enable_http1().wrap_connector(plain), url))
}
