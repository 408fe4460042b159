//! Each fault of the fault proxy, between two plain sockets, and with a real server.

mod door;
mod ends;
mod real;
mod rig;
mod silence;
mod way;
