//! qa-pool
