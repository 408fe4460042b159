//! The house rules, as ordinary tests that read the repository. They need no server.

#[path = "tidy/architecture.rs"]
mod architecture;
#[path = "tidy/dependencies.rs"]
mod dependencies;
#[path = "tidy/manifests.rs"]
mod manifests;
#[path = "tidy/repository.rs"]
mod repository;
#[path = "tidy/sources.rs"]
mod sources;
