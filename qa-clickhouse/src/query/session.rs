//! A session of the server's: temporary tables and settings that outlive a query.

use super::{Queries, Query, QueryOptions};
use crate::endpoints::Endpoints;
use std::time::Duration;

/// Queries that share temporary tables and settings, which the server keeps for them.
///
/// A session is one server's, so every query of it goes to the same one, and one after the other: the
/// server refuses two at once. The server forgets it when nobody has used it for its timeout, and when
/// it ends itself.
#[derive(Clone, Debug)]
pub struct Session {
    queries: Queries,
    id: String,
}

impl Queries {
    /// Begins a session, on one of the servers. The server keeps it for `timeout` after each query.
    #[must_use]
    pub fn session(&self, timeout: Duration) -> Session {
        let id = format!("qa-{:032x}", fastrand::u128(..));
        let one = Endpoints::from(self.endpoints.seat(&[]).group());
        let options = QueryOptions { at_once: 1, ..(*self.options).clone() }
            .setting("session_id", &id)
            .setting("session_timeout", timeout.as_secs().max(1).to_string());
        Session { queries: Self::new(one, options), id }
    }
}

impl Session {
    /// A query in the session.
    pub fn query(&self, sql: impl Into<String>) -> Query {
        self.queries.query(sql)
    }

    /// Its `session_id`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}
