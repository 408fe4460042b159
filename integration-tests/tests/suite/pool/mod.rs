//! The pool with all four backends in it.

mod config;
mod four;
mod global;
mod names;
mod reload;
mod rotation;
mod run;
mod together;
