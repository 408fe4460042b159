//! `qa check`, `doctor`, `watch` and `serve` on real servers, in good health and with faults: the words
//! and the exit codes.

mod command;
mod each_fault;
mod faults;
mod serving;
mod sound;
mod tls;
mod watching;
