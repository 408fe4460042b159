//! Random text for passwords and names.

use std::fs::File;
use std::io::Read;

use crate::Error;

/// Returns `bytes` random bytes of the system as hexadecimal text.
pub(crate) fn random_hex(bytes: usize) -> Result<String, Error> {
    let mut raw = vec![0; bytes];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut raw))
        .map_err(Error::io("read /dev/urandom"))?;
    Ok(hex(&raw))
}

/// Writes bytes as hexadecimal text.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
