//! What a build without TLS says to a URL that asks for it.

use mongodb::Client;
use mongodb::error::Result;
use mongodb::options::{ClientOptions, ConnectionString, Tls};
use qa_resource_core::{Target, TlsSettings};

pub(crate) fn check(target: &Target, url: &ConnectionString) -> qa_resource_core::Result<()> {
    if matches!(url.tls, Some(Tls::Enabled(_))) {
        return Err(target.config_error("the URL asks for TLS; build with the feature `tls`"));
    }
    if target.tls != TlsSettings::default() {
        return Err(target.config_error("TLS is configured; build with the feature `tls`"));
    }
    Ok(())
}

/// A client of the driver, which has not spoken to anybody yet.
pub(crate) fn client(options: ClientOptions, _: &TlsSettings) -> Result<Client> {
    Client::with_options(options)
}

#[cfg(test)]
mod tests {
    use crate::MongoDb;
    use qa_resource_core::Target;

    #[test]
    fn tls_without_the_feature_says_what_to_build() {
        for url in ["mongodb://h/?tls=true", "mongodb+srv://h/", "mongodb://h/?tlsCAFile=x"] {
            let error = MongoDb::new(&Target::parse("quotes", url).unwrap()).unwrap_err();
            assert!(error.message().contains("build with the feature `tls`"), "{url}: {error}");
        }
        assert!(MongoDb::new(&Target::parse("q", "mongodb+srv://h/?tls=false").unwrap()).is_ok());
    }
}
