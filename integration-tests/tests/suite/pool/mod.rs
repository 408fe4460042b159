//! The pool with several members.
