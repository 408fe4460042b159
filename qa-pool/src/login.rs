//! The login of a resource whose configuration may be read anew.

use crate::ResourceConfig;
use qa_resource_core::{Credentials, FileCredentials, Login, LoginPart, Secret, async_trait};
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

/// Asks whom the configuration says at the moment.
pub(crate) struct LiveLogin(Mutex<Arc<dyn Credentials>>);

impl LiveLogin {
    pub(crate) fn new(source: Arc<dyn Credentials>) -> Self {
        Self(Mutex::new(source))
    }

    /// Asks another one from now on.
    pub(crate) fn set(&self, source: Arc<dyn Credentials>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = source;
    }
}

#[async_trait]
impl Credentials for LiveLogin {
    async fn login(&self) -> Result<Login, Box<dyn Error + Send + Sync>> {
        let source = Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner));
        source.login().await
    }
}

/// Who says a resource's login, where it has one: what was given, or the URL itself.
pub(crate) fn source_of(resource: &ResourceConfig) -> Option<Arc<dyn Credentials>> {
    let target = &resource.target;
    let of_url = || {
        let text = |secret: &Secret| LoginPart::Text(secret.clone());
        let password = text(target.endpoint.password()?);
        let user = target.endpoint.user().map_or(LoginPart::None, text);
        Some(Arc::new(FileCredentials { user, password }) as Arc<dyn Credentials>)
    };
    target.credentials.clone().or_else(of_url)
}
