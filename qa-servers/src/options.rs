//! What can be chosen about a start.

use crate::Provider;

/// Choices for [`Server::start_with`](crate::Server::start_with).
///
/// ```
/// use qa_servers::{Options, Provider};
/// let options = Options { provider: Some(Provider::Process), ..Options::default() };
/// assert!(!options.owned);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// The only provider to try. Default: what `QA_TEST_PROVIDER` says, else the order that the
    /// crate's front page gives.
    pub provider: Option<Provider>,
    /// Never take a server from the environment: one that the caller means to break. Default:
    /// false.
    pub owned: bool,
    /// The most that the server serves at once, where it is started for this; it refuses what comes
    /// beyond in its own way. MongoDB (`maxIncomingConnections`) and Redis (`maxclients`) count
    /// connections, ClickHouse (`max_concurrent_queries_for_all_users`) counts queries. RabbitMQ has
    /// such a limit per virtual host, which [`Server::manage`](crate::Server::manage) sets, and takes
    /// no notice of this one. Default: the server's own default.
    pub most_clients: Option<u32>,
}
