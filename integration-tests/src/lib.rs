//! What the tests on real servers share: the subjects, the servers, and how to wait.
//!
//! A [`Subject`] is one backend as the behaviour suite sees it; a [`Rig`] is a pool with one
//! resource of a subject in it. [`servers`] has a server per system that tests share, and one that
//! they may break, one test at a time; [`secrets`] lives with canaries and tells where they show.
//! The tests are in `tests/`, see the README.

mod capture;
pub mod ends;
pub mod experiment;
#[cfg(doctest)]
pub mod guide;
mod management;
mod proxied;
mod rig;
pub mod rotation;
pub mod secrets;
pub mod servers;
mod subject;
mod wait;

pub use capture::{Capture, Series, Value};
pub use management::management;
pub use proxied::{Proxied, nothing_is_left};
pub use qa_servers::testing::{Refused, Silent, connections, eventually, within};
pub use rig::Rig;
pub use subject::{
    ClickHouse, Lent, MongoDb, MongoDbReplicaSet, RabbitMq, Reach, Redis, RedisInCluster,
    RedisUnderSentinel, Subject, Tls, Twice,
};
pub use wait::{holds_for, reaches};
