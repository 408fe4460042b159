//! A session of the server's: temporary tables and settings that outlive a query.

use super::{Queries, Query, QueryOptions};
use crate::ClickHouse;
use qa_resource_core::{Group, Resource};
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
        let one = self.one_server();
        let options = QueryOptions { at_once: 1, ..(*self.options).clone() }
            .setting("session_id", &id)
            .setting("session_timeout", timeout.as_secs().max(1).to_string());
        Session { queries: Self::new(one, options), id }
    }

    /// The server that would be asked now.
    fn one_server(&self) -> Group<ClickHouse> {
        let members = self.group.members();
        let next = self.group.try_acquire().ok();
        let is_next = |member: &&Resource<ClickHouse>| {
            next.as_ref().is_some_and(|lease| &**lease.resource() == member.name())
        };
        members
            .iter()
            .find(is_next)
            .or(members.first())
            .map_or_else(|| self.group.clone(), Group::from)
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
