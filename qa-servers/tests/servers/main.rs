//! Real servers of the provider that is found, or that `QA_TEST_PROVIDER` forces.

mod choice;
mod clients;
mod leftovers;
mod lifecycle;
mod traces;
