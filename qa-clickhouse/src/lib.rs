//! qa-clickhouse
