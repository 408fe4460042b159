//! What a build without TLS says to a URL that asks for it.

use crate::http;
use crate::url::Url;
use clickhouse::Client;
use clickhouse::error::Result;
use qa_resource_core::{Target, TlsSettings};

pub(crate) fn check(target: &Target, tls: bool) -> qa_resource_core::Result<()> {
    if tls || target.tls != TlsSettings::default() {
        return Err(target.config_error("TLS is asked for; build with the feature `tls`"));
    }
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "the other build's signature")]
pub(crate) fn client(url: &Url, _: &TlsSettings) -> Result<Client> {
    Ok(http::client(http::connector(), url))
}

#[cfg(test)]
mod tests {
    use crate::ClickHouse;
    use qa_resource_core::Target;

    #[test]
    fn tls_without_the_feature_says_what_to_build() {
        for url in ["clickhouses://h", "https://h"] {
            let error = ClickHouse::new(&Target::parse("bars", url).unwrap()).unwrap_err();
            assert!(error.message().contains("build with the feature `tls`"), "{url}: {error}");
        }
    }
}
