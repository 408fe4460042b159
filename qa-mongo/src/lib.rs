//! qa-mongo
