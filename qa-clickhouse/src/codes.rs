//! What the server's error codes mean.

use qa_resource_core::{Class, Codes, ErrorKind};

/// Too many parts, and also too many partitions in one block.
pub(crate) const TOO_MANY_PARTS: u32 = 252;

/// The server refused it before it began.
const fn refused(kind: ErrorKind) -> Class {
    Class::not_applied(kind)
}

/// The server may have begun: an insert of several blocks, or into several partitions, is not
/// undone as a whole.
const fn broken_off(kind: ErrorKind) -> Class {
    Class::unknown(kind)
}

/// Codes by number, with the server's own names for them. Every one is refused by nature unless the
/// work may have begun.
pub(crate) const CODES: Codes = Codes::new(&[
    (6, "CANNOT_PARSE_TEXT", broken_off(ErrorKind::Operation)),
    (16, "NO_SUCH_COLUMN_IN_TABLE", refused(ErrorKind::Operation)),
    (27, "CANNOT_PARSE_INPUT_ASSERTION_FAILED", broken_off(ErrorKind::Operation)),
    (33, "CANNOT_READ_ALL_DATA", broken_off(ErrorKind::Operation)),
    (36, "BAD_ARGUMENTS", refused(ErrorKind::Operation)),
    (44, "ILLEGAL_COLUMN", refused(ErrorKind::Operation)),
    (46, "UNKNOWN_FUNCTION", refused(ErrorKind::Operation)),
    (47, "UNKNOWN_IDENTIFIER", refused(ErrorKind::Operation)),
    (53, "TYPE_MISMATCH", refused(ErrorKind::Operation)),
    (57, "TABLE_ALREADY_EXISTS", refused(ErrorKind::Operation)),
    (60, "UNKNOWN_TABLE", refused(ErrorKind::Operation)),
    (62, "SYNTAX_ERROR", refused(ErrorKind::Operation)),
    (73, "UNKNOWN_FORMAT", refused(ErrorKind::Operation)),
    (81, "UNKNOWN_DATABASE", refused(ErrorKind::Operation)),
    (82, "DATABASE_ALREADY_EXISTS", refused(ErrorKind::Operation)),
    (115, "UNKNOWN_SETTING", refused(ErrorKind::Operation)),
    (117, "INCORRECT_DATA", broken_off(ErrorKind::Operation)),
    (158, "TOO_MANY_ROWS", broken_off(ErrorKind::Operation)),
    (159, "TIMEOUT_EXCEEDED", broken_off(ErrorKind::Timeout)),
    (160, "TOO_SLOW", broken_off(ErrorKind::Operation)),
    (164, "READONLY", refused(ErrorKind::Auth)),
    (192, "UNKNOWN_USER", refused(ErrorKind::Auth)),
    (193, "WRONG_PASSWORD", refused(ErrorKind::Auth)),
    (194, "REQUIRED_PASSWORD", refused(ErrorKind::Auth)),
    (195, "IP_ADDRESS_NOT_ALLOWED", refused(ErrorKind::Auth)),
    (198, "DNS_ERROR", broken_off(ErrorKind::Connect)),
    (201, "QUOTA_EXCEEDED", broken_off(ErrorKind::Overloaded)),
    (202, "TOO_MANY_SIMULTANEOUS_QUERIES", refused(ErrorKind::Overloaded)),
    (203, "NO_FREE_CONNECTION", broken_off(ErrorKind::Overloaded)),
    (209, "SOCKET_TIMEOUT", broken_off(ErrorKind::Timeout)),
    (210, "NETWORK_ERROR", broken_off(ErrorKind::Connect)),
    (225, "NO_ZOOKEEPER", broken_off(ErrorKind::Connect)),
    (236, "ABORTED", broken_off(ErrorKind::Connect)),
    (241, "MEMORY_LIMIT_EXCEEDED", broken_off(ErrorKind::Overloaded)),
    (242, "TABLE_IS_READ_ONLY", broken_off(ErrorKind::Connect)),
    (243, "NOT_ENOUGH_SPACE", broken_off(ErrorKind::Overloaded)),
    (TOO_MANY_PARTS as i64, "TOO_MANY_PARTS", broken_off(ErrorKind::Overloaded)),
    (279, "ALL_CONNECTION_TRIES_FAILED", broken_off(ErrorKind::Connect)),
    (285, "TOO_FEW_LIVE_REPLICAS", broken_off(ErrorKind::Connect)),
    (319, "UNKNOWN_STATUS_OF_INSERT", broken_off(ErrorKind::Connect)),
    (349, "CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN", broken_off(ErrorKind::Operation)),
    (372, "SESSION_NOT_FOUND", refused(ErrorKind::Operation)),
    (373, "SESSION_IS_LOCKED", refused(ErrorKind::Overloaded)),
    (394, "QUERY_WAS_CANCELLED", broken_off(ErrorKind::Operation)),
    (473, "DEADLOCK_AVOIDED", broken_off(ErrorKind::Timeout)),
    (497, "ACCESS_DENIED", refused(ErrorKind::Auth)),
    (516, "AUTHENTICATION_FAILED", refused(ErrorKind::Auth)),
    (745, "SERVER_OVERLOADED", refused(ErrorKind::Overloaded)),
    (999, "KEEPER_EXCEPTION", broken_off(ErrorKind::Connect)),
]);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ClickHouse;
    use clickhouse::Client;
    use qa_resource_core::{Backend, Target};
    use qa_servers::{Server, System};

    #[tokio::test]
    async fn the_server_calls_every_code_by_the_same_name() {
        let server = Server::start(System::ClickHouse).await.unwrap();
        let clickhouse = ClickHouse::new(&Target::parse("codes", &server.url()).unwrap()).unwrap();
        let client: Client = clickhouse.connect().await.unwrap();
        for (code, name) in CODES.names() {
            let query = client.query("SELECT errorCodeToName(?)").bind(code);
            let theirs: String = query.fetch_one().await.unwrap();
            assert_eq!(theirs, name, "{code}");
        }
    }
}
