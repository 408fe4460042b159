//! What the server's error codes mean.

mod table;

use qa_resource_core::Codes;

/// Too many parts, and also too many partitions in one block.
pub(crate) const TOO_MANY_PARTS: u32 = 252;

pub(crate) const CODES: Codes = Codes::new(table::TABLE);

/// The server's name for one of its error codes, such as `UNKNOWN_TABLE` for 60: those of 26.9, which
/// include those of every version before it.
#[must_use]
pub fn code_name(code: u32) -> Option<&'static str> {
    let at = table::TABLE.binary_search_by_key(&i64::from(code), |(code, ..)| *code).ok()?;
    Some(table::TABLE[at].1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ClickHouse;
    use clickhouse::Client;
    use qa_resource_core::{Backend, Target};
    use qa_servers::{Server, System};
    use std::collections::BTreeMap;

    #[tokio::test]
    async fn every_error_of_the_server_is_in_the_table_under_the_server_s_name() {
        let server = Server::start(System::ClickHouse).await.unwrap();
        let clickhouse = ClickHouse::new(&Target::parse("codes", &server.url()).unwrap()).unwrap();
        let client: Client = clickhouse.connect().await.unwrap();
        // Those that have never happened are left out unless they are asked for.
        let all = "SELECT toInt64(code), name FROM system.errors SETTINGS system_events_show_zero_values = 1";
        let by_number = "SELECT toInt64(number) AS code, errorCodeToName(code) AS name FROM numbers(10000) WHERE name != ''";
        for query in [all, by_number] {
            let theirs: Vec<(i64, String)> = client.query(query).fetch_all().await.unwrap();
            let theirs: BTreeMap<_, _> = theirs.into_iter().collect();
            let ours: BTreeMap<_, _> =
                CODES.names().map(|(code, name)| (code, name.to_owned())).collect();
            assert!(theirs.len() > 600, "{query}: {}", theirs.len());
            for (code, name) in &theirs {
                assert_eq!(ours.get(code), Some(name), "{query}: {code}");
            }
            if query == by_number {
                assert_eq!(theirs, ours, "and none that the server has not");
            }
        }
    }

    #[test]
    fn a_code_has_its_name() {
        assert_eq!(code_name(60), Some("UNKNOWN_TABLE"));
        assert_eq!(code_name(TOO_MANY_PARTS), Some("TOO_MANY_PARTS"));
        assert_eq!(code_name(5), None);
    }
}
