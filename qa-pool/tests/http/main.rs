//! Health, status and metrics over HTTP, with real servers in good health and with faults.

mod browser;
mod client;
mod endpoints;
mod port;
