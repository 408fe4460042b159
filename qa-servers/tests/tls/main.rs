//! Certificates of one's own, the TLS end, and servers that speak TLS themselves.

mod client;
mod proxy;
mod servers;
#[path = "../servers/traces.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod traces;
