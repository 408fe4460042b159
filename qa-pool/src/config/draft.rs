//! From what the sources say of a resource to the resource, with errors that name the source.

use super::origin::{Origin, Origins};
use super::{ConfigError, GroupConfig, ResourceConfig};
use qa_resource_core::{
    Credentials, Endpoint, FileCredentials, LoginPart, Secret, SecretFile, Settings, Target,
    TlsSettings,
};
use std::sync::Arc;

/// A text that a source gives, or the file that holds it.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) given: Given,
    /// The source.
    pub(super) by: Origin,
}

#[derive(Debug)]
pub(super) enum Given {
    Text(Secret),
    File(SecretFile),
}

impl Found {
    /// Of two ways to say the same one may be taken.
    pub(super) fn one_of(
        text: Option<(Secret, Origin)>,
        file: Option<(SecretFile, Origin)>,
        names: (&str, &str),
    ) -> Result<Option<Self>, ConfigError> {
        match (text, file) {
            (Some(_), Some((_, by))) => {
                let (text, file) = names;
                Err(by.error(format!("both {text} and {file} are set; set one of them")))
            }
            (Some((text, by)), None) => Ok(Some(Self { given: Given::Text(text), by })),
            (None, Some((file, by))) => Ok(Some(Self { given: Given::File(file), by })),
            (None, None) => Ok(None),
        }
    }

    fn origin(&self) -> Origin {
        match &self.given {
            Given::Text(_) => self.by.clone(),
            Given::File(file) => Origin::SecretFile {
                path: file.path().to_owned(),
                named_by: Box::new(self.by.clone()),
            },
        }
    }

    fn part(&self) -> LoginPart {
        match &self.given {
            Given::Text(text) => LoginPart::Text(text.clone()),
            Given::File(file) => LoginPart::File(file.clone()),
        }
    }
}

/// What the sources say of one resource.
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) url: Found,
    pub(super) user: Option<Found>,
    pub(super) password: Option<Found>,
    pub(super) tls: TlsSettings,
    pub(super) settings: Settings,
    pub(super) required: bool,
    pub(super) group: Option<GroupConfig>,
    /// Of everything but url, user and password.
    pub(super) origins: Origins,
}

impl Draft {
    /// Reads the files that hold secrets, so that one that is not there is told now, and takes the
    /// URL apart.
    pub(super) fn finish(mut self) -> Result<(ResourceConfig, Origins), ConfigError> {
        let name = self.name.clone();
        let wrong = |found: &Found, error: &dyn std::fmt::Display| {
            found.by.error(format!("resource `{name}`: {error}"))
        };
        let endpoint = match &self.url.given {
            Given::Text(url) => Endpoint::from_secret(url),
            Given::File(file) => {
                Endpoint::from_secret(&file.read().map_err(|error| wrong(&self.url, &error))?)
            }
        };
        let endpoint = endpoint.map_err(|error| wrong(&self.url, &error))?;
        let user = self.part(self.user.as_ref(), endpoint.user());
        let password = self.part(self.password.as_ref(), endpoint.password());
        // One after the other, so that an error has the place of the one that it is about.
        let of_user = FileCredentials { user: user.clone(), password: LoginPart::None };
        let of_user = of_user
            .read()
            .map_err(|error| wrong(self.user.as_ref().unwrap_or(&self.url), &error))?;
        let both = FileCredentials { user, password };
        let login = both
            .read()
            .map_err(|error| wrong(self.password.as_ref().unwrap_or(&self.url), &error))?;
        let said = |text: Secret| Some(text).filter(|text| !text.is_empty());
        let endpoint = endpoint.with_credentials(said(of_user.user), said(login.password));
        self.note_origins(&endpoint);
        let credentials = is_in_files(&both).then(|| Arc::new(both) as Arc<dyn Credentials>);
        let target = Target { name: self.name.into(), endpoint, tls: self.tls, credentials };
        let Self { settings, required, group, .. } = self;
        let resource = ResourceConfig { target, settings, required, group };
        Ok((resource, self.origins))
    }

    /// Where a half of the login is: where a source says so, or else in the URL.
    fn part(&self, found: Option<&Found>, of_url: Option<&Secret>) -> LoginPart {
        match (found, of_url, &self.url.given) {
            (Some(found), ..) => found.part(),
            (None, None, _) => LoginPart::None,
            (None, Some(_), Given::File(file)) => LoginPart::UrlFile(file.clone()),
            (None, Some(text), Given::Text(_)) => LoginPart::Text(text.clone()),
        }
    }

    fn note_origins(&mut self, endpoint: &Endpoint) {
        let url = self.url.origin();
        let of = |found: &Option<Found>| found.as_ref().map_or_else(|| url.clone(), Found::origin);
        let parts = [
            ("user", of(&self.user), endpoint.user().is_some()),
            ("password", of(&self.password), endpoint.password().is_some()),
            ("url", url.clone(), true),
        ];
        for (key, origin, _) in parts.into_iter().filter(|(.., is_set)| *is_set) {
            self.origins.insert(key.to_owned(), origin);
        }
    }
}

fn is_in_files(credentials: &FileCredentials) -> bool {
    let in_file = |part: &LoginPart| matches!(part, LoginPart::File(_) | LoginPart::UrlFile(_));
    in_file(&credentials.user) || in_file(&credentials.password)
}
