//! The backend, its publisher and its consumer on a real broker.

mod channels;
mod connect;
mod consume;
mod failing;
mod faults;
mod login;
mod management;
mod publish;
mod rpc;
mod slow;
mod subscribe;
mod support;
mod together;
mod topology;
