//! Choosing among the providers.

use std::time::Duration;

use tokio::sync::Mutex;

use crate::address::Address;
use crate::container::Container;
use crate::environment::forced_provider;
use crate::process::Process;
use crate::server::Host;
use crate::{Error, Options, Provider, System, ready};

/// How long a server of the environment may take to answer: it should run already.
const EXTERNAL_LIMIT: Duration = Duration::from_secs(30);

/// Tries the providers that the options and the environment allow, in order.
pub(crate) async fn start(system: System, options: Options) -> Result<(Address, Host), Error> {
    let only = match options.provider {
        Some(provider) => Some(provider),
        None => forced_provider()?,
    };
    let mut tried = Vec::new();
    for provider in [Provider::External, Provider::Container, Provider::Process] {
        let not_wanted = only.is_some_and(|only| only != provider);
        if not_wanted || options.owned && provider == Provider::External {
            continue;
        }
        match start_by(provider, system, options).await {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => tried.push(format!("{} is not set", system.url_variable())),
            // A server that was named is the one that was meant: no other replaces it.
            Err(error) if provider == Provider::External => return Err(error),
            Err(error) => tried.push(format!("{provider}: {}", error.chain())),
        }
    }
    Err(Error::NoServer { system, tried: tried.join("; ") })
}

async fn start_by(
    provider: Provider,
    system: System,
    options: Options,
) -> Result<Option<(Address, Host)>, Error> {
    match provider {
        Provider::External => external(system).await,
        Provider::Container => {
            let (container, address) = Container::start(system, options).await?;
            Ok(Some((address, Host::Container(Mutex::new(container)))))
        }
        Provider::Process => {
            let (process, address) = Process::start(system, options).await?;
            Ok(Some((address, Host::Process(Box::new(Mutex::new(process))))))
        }
    }
}

async fn external(system: System) -> Result<Option<(Address, Host)>, Error> {
    let Some(address) = Address::from_environment(system)? else {
        return Ok(None);
    };
    ready::until_login(&address, EXTERNAL_LIMIT, &mut &Host::External).await?;
    Ok(Some((address, Host::External)))
}
