//! The backend, its publisher and its consumer on a real broker.

mod connect;
mod consume;
mod faults;
mod management;
mod publish;
mod support;
