//! Another password for the server's user.

use std::time::Duration;

use tokio::time::timeout;

use crate::address::Address;
use crate::server::Host;
use crate::speak::{self, Answer, http};
use crate::{Error, Server, System};

/// How long a change may take, and how long the server may take to follow it.
const LIMIT: Duration = Duration::from_secs(20);

impl Server {
    /// Gives the server's user another password, as an operator does who rotates it: from then on
    /// logins need the new one, also after a stop or a kill. Connections that are open stay open,
    /// except those of ClickHouse, which is restarted: it reads its users when it starts.
    /// [`url`](Server::url) and [`password`](Server::password) give the new one.
    ///
    /// The server must be running. Waits until a login with the new password works.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] for an external server, and for a password that is not made of
    /// ASCII letters, digits and hyphens; [`Error::Refused`] when the server does not change it
    /// within 20 seconds; [`Error::NotReady`] when it does not let the new one in within as many;
    /// [`Error::Io`] and [`Error::Engine`] when the file cannot be written that has it; those of
    /// [`restart`](Server::restart).
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the server may have either password; call it again with a third
    /// one only after a login with the new one was seen to work.
    pub async fn change_password(&mut self, new: &str) -> Result<(), Error> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if new.is_empty() || !new.bytes().all(plain) {
            return Err(self.cannot("it is to be made of letters, digits and hyphens"));
        }
        let mut next = self.address.clone();
        new.clone_into(&mut next.password);
        match &self.host {
            Host::External => return Err(self.cannot("it belongs to someone else")),
            Host::Process(process) => process.lock().await.rewrite_login(&next)?,
            Host::Container(container) => container.lock().await.rewrite_login(&next).await?,
        }
        timeout(LIMIT, tell(&self.address, new))
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {LIMIT:?}")))
            .map_err(|reason| Error::Refused {
                system: self.system(),
                what: "change the password",
                reason: next.redact(&self.address.redact(&reason)),
            })?;
        self.address = next;
        match self.system() {
            System::ClickHouse => self.restart().await,
            _ => self.wait_ready(LIMIT).await,
        }
    }

    fn cannot(&self, reason: &'static str) -> Error {
        Error::Unsupported {
            system: self.system(),
            provider: self.provider(),
            what: "change the password",
            reason,
        }
    }
}

/// Has the running server change it. A file that the login comes from is read at the start only.
async fn tell(address: &Address, new: &str) -> Answer<()> {
    match address.system {
        System::MongoDb => speak::mongodb::change_password(address, new).await,
        System::Redis => speak::redis::change_password(address, new).await,
        System::ClickHouse => Ok(()),
        System::RabbitMq => {
            let port = address.management.ok_or("it has no management port")?;
            let path = format!("/api/users/{}", address.user);
            let user = format!(r#"{{"password":"{new}","tags":"administrator"}}"#);
            http::request(address, port, "PUT", &path, &user).await.map(drop)
        }
    }
}
