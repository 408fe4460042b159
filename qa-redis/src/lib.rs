//! qa-redis
