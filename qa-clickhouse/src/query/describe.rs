//! The columns of an answer, asked for before it.

use super::Query;
use clickhouse::Row;
use qa_resource_core::{Group, Result};
use serde::Deserialize;
use std::time::Instant;

/// A column of an answer, and the server's name of its type.
#[derive(Row, Deserialize)]
pub(crate) struct Described {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
}

impl Query {
    /// The columns that the answer will have.
    pub(crate) async fn describe(&self) -> Result<Vec<Described>> {
        let Self { queries, sql, limit, settings, params, .. } = self;
        let sql = sql.trim_end().trim_end_matches(';');
        // A comment at the end goes as far as the line.
        let mut about = Self::new(queries.clone(), format!("DESCRIBE TABLE (\n{sql}\n)"));
        about.limit = *limit;
        about.settings.clone_from(settings);
        about.params.clone_from(params);
        about.setting("describe_compact_output", "1").fetch_all().await
    }

    /// The same with what is left of its limit, since it was begun.
    pub(crate) fn since(mut self, began: Instant) -> Self {
        self.limit = self.limit.saturating_sub(began.elapsed());
        self
    }

    pub(crate) fn group(&self) -> &Group<crate::ClickHouse> {
        self.queries.group()
    }
}
