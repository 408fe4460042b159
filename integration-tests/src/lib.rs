//! What the tests on real servers share: the subjects, the servers, and how to wait.
//!
//! A [`Subject`] is one backend as the behaviour suite sees it; a [`Rig`] is a pool with one
//! resource of a subject in it. [`servers`] has a server per system that tests share, and one that
//! they may break, one test at a time. The tests are in `tests/`, see the README.

mod dead_ends;
mod rig;
pub mod servers;
mod sockets;
mod subject;
mod wait;

pub use dead_ends::{Refused, Silent};
pub use rig::Rig;
pub use sockets::connections;
pub use subject::{ClickHouse, MongoDb, RabbitMq, Redis, Subject};
pub use wait::{eventually, holds_for, reaches, within};
