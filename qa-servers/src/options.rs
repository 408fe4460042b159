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
}
