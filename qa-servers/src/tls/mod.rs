//! TLS for tests: certificates of one's own, and a TLS end in front of a server that has none.
//! Behind the feature `tls`.
//!
//! ```no_run
//! # async fn example() -> Result<(), qa_servers::Error> {
//! use qa_servers::tls::Authority;
//! use qa_servers::{Server, System};
//!
//! let redis = Server::start(System::Redis).await?;
//! let authority = Authority::new();
//! let proxy = authority.proxy("localhost", redis.port()).await;
//! println!("connect to rediss://localhost:{}", proxy.port());
//! println!("and trust {}", authority.path("ca.pem").display());
//! # Ok(())
//! # }
//! ```

mod authority;
mod proxy;

pub use authority::Authority;
pub use proxy::Proxy;
