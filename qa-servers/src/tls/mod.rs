//! TLS for tests: certificates of one's own, servers that speak TLS with them, and a TLS end in
//! front of one that does not. Behind the feature `tls`.
//!
//! ```no_run
//! # async fn example() -> Result<(), qa_servers::Error> {
//! use qa_servers::tls::Authority;
//! use qa_servers::{Server, System};
//!
//! let authority = Authority::new();
//! let redis = Server::start_tls(System::Redis, &authority).await?;
//! println!("connect to {}", redis.url()); // rediss://
//! println!("and trust {}", authority.path("ca.pem").display());
//!
//! let plain = Server::start(System::Redis).await?;
//! let proxy = authority.proxy("localhost", plain.port()).await;
//! println!("or connect to rediss://localhost:{}", proxy.port());
//! # Ok(())
//! # }
//! ```

mod authority;
mod credentials;
mod proxy;
mod server;

pub use authority::Authority;
pub(crate) use credentials::Credentials;
pub use proxy::Proxy;
