//! How queries run that say nothing else.

use std::time::Duration;

/// How the queries of a [`Queries`](crate::Queries) run, where one does not say otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryOptions {
    /// Limit for a query, from sending it until its answer is read; the server gets it as
    /// `max_execution_time`. Default: 60 s.
    pub limit: Duration,
    /// Queries that are under way at once at the most; the others wait in line, as long as a wait for
    /// a lease may take. At least 1. Default: 32.
    pub at_once: usize,
    /// The server's settings that are sent along, such as `("max_threads", "4")`. Default: none, so
    /// that the server's own apply: it knows its cores and its memory.
    pub settings: Vec<(String, String)>,
    /// Whether the server is sent the limit, and so ends the query by itself. A user with `readonly = 1`
    /// may not send it. Default: true.
    pub server_limit: bool,
}

impl Default for QueryOptions {
    fn default() -> Self {
        Self {
            limit: Duration::from_secs(60),
            at_once: 32,
            settings: Vec::new(),
            server_limit: true,
        }
    }
}

impl QueryOptions {
    /// With another setting of the server.
    #[must_use]
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }
}
