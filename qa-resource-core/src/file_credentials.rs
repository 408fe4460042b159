//! Logins from files.

use crate::{Credentials, Endpoint, Login, Secret, SecretFile};
use async_trait::async_trait;
use std::error::Error;

/// A login of which a part, or all, is in files that are read anew at each connect.
///
/// ```
/// use qa_resource_core::{FileCredentials, LoginPart, Secret, SecretFile, Target};
/// use std::sync::Arc;
///
/// # fn main() -> qa_resource_core::Result<()> {
/// let credentials = FileCredentials {
///     user: LoginPart::Text(Secret::from("app")),
///     password: LoginPart::File(SecretFile::new("/run/secrets/redis-password")),
/// };
/// let target = Target::parse("cache", "redis://cache/0")?.with_credentials(Arc::new(credentials));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct FileCredentials {
    /// The user.
    pub user: LoginPart,
    /// The password.
    pub password: LoginPart,
}

/// Where one half of a login is.
#[derive(Clone, Debug, PartialEq)]
pub enum LoginPart {
    /// Nowhere: it is empty, and the server does without.
    None,
    /// Here.
    Text(Secret),
    /// In a file of its own.
    File(SecretFile),
    /// In a file that holds a whole URL, of which the rest is not used.
    UrlFile(SecretFile),
}

impl FileCredentials {
    /// The login as the files have it at this moment. Blocks.
    ///
    /// # Errors
    /// A file that can't be read, or that does not hold a URL where it should; with the file's path
    /// and never with what is in it.
    pub fn read(&self) -> Result<Login, Box<dyn Error + Send + Sync>> {
        let user = self.user.read(Endpoint::user)?;
        let password = self.password.read(Endpoint::password)?;
        Ok(Login { user, password })
    }
}

impl LoginPart {
    fn read(
        &self,
        of_url: impl Fn(&Endpoint) -> Option<&Secret>,
    ) -> Result<Secret, Box<dyn Error + Send + Sync>> {
        match self {
            Self::None => Ok(Secret::from("")),
            Self::Text(text) => Ok(text.clone()),
            Self::File(file) => Ok(file.read()?),
            Self::UrlFile(file) => {
                let endpoint = Endpoint::from_secret(&file.read()?)
                    .map_err(|error| format!("secret file {}: {error}", file.path().display()))?;
                Ok(of_url(&endpoint).cloned().unwrap_or_else(|| Secret::from("")))
            }
        }
    }
}

#[async_trait]
impl Credentials for FileCredentials {
    async fn login(&self) -> Result<Login, Box<dyn Error + Send + Sync>> {
        // A file system that hangs holds up this connect and nothing else.
        let credentials = self.clone();
        tokio::task::spawn_blocking(move || credentials.read()).await?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[tokio::test]
    async fn each_login_is_what_the_files_have_then() {
        let folder = tempfile::tempdir().unwrap();
        let (password, url) = (folder.path().join("password"), folder.path().join("url"));
        fs::write(&password, "first\n").unwrap();
        fs::write(&url, "redis://me:other@h\n").unwrap();
        let credentials = FileCredentials {
            user: LoginPart::UrlFile(SecretFile::new(&url)),
            password: LoginPart::File(SecretFile::new(&password)),
        };
        let login = credentials.login().await.unwrap();
        assert_eq!((login.user.expose(), login.password.expose()), ("me", "first"));
        fs::write(&password, "second\n").unwrap();
        assert_eq!(credentials.login().await.unwrap().password.expose(), "second");
        fs::write(&url, "hunter2").unwrap();
        let error = credentials.login().await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains("url: the URL has no scheme") && !text.contains("hunter2"), "{text}");
    }
}
