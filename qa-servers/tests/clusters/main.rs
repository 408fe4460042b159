//! Clusters of processes: each loses its leader, gets another, and takes the old one back.

mod leftovers;
mod mongo_replica_set;
#[path = "../servers/traces.rs"]
#[allow(dead_code, reason = "the tests of single servers use the rest")]
mod traces;
