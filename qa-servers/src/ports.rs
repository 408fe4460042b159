//! Free ports.

use std::collections::HashSet;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::Error;
use crate::secret::random_hex;

/// Below the range from which the kernel takes the ports of outgoing connections: from there a
/// client could take the port of a server that is down, or even connect to itself.
const FIRST: u16 = 12_000;
const LAST: u16 = 31_999;

/// The ports that this program gave out: one is not free again while its server is down.
static GIVEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);

/// Returns a loopback port that no one listens on, never the same twice.
pub(crate) fn free_port() -> Result<u16, Error> {
    for _ in 0..200 {
        let random = u16::from_str_radix(&random_hex(2)?, 16).unwrap_or_default();
        let port = FIRST + random % (LAST - FIRST + 1);
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if free && GIVEN.lock().unwrap_or_else(PoisonError::into_inner).insert(port) {
            return Ok(port);
        }
    }
    let full = std::io::Error::from(std::io::ErrorKind::AddrInUse);
    Err(Error::io(format!("find a free port between {FIRST} and {LAST}"))(full))
}
