//! What is kept under a key: a value or that there is none, and how long that took to compute.

use std::sync::Arc;
use std::time::Duration;

/// Eight bytes of microseconds, one that says whether there is a value, and its JSON.
const HEAD: usize = 9;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) took: Duration,
    /// The value's JSON.
    pub(super) value: Option<Arc<[u8]>>,
}

impl Entry {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let json = self.value.as_deref().unwrap_or_default();
        let mut bytes = Vec::with_capacity(HEAD + json.len());
        let micros = u64::try_from(self.took.as_micros()).unwrap_or(u64::MAX);
        bytes.extend_from_slice(&micros.to_le_bytes());
        bytes.push(u8::from(self.value.is_some()));
        bytes.extend_from_slice(json);
        bytes
    }

    /// `None` where it was written by somebody else.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (micros, rest) = bytes.split_first_chunk::<8>()?;
        let (is_value, json) = rest.split_first()?;
        let value = match is_value {
            0 if json.is_empty() => None,
            1 => Some(json.into()),
            _ => return None,
        };
        Some(Self { took: Duration::from_micros(u64::from_le_bytes(*micros)), value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for value in [None, Some("1"), Some("")] {
            let value = value.map(|json| json.as_bytes().into());
            let entry = Entry { took: Duration::from_micros(1_500), value };
            assert_eq!(Entry::read(&entry.bytes()), Some(entry));
        }
        for strange in ["", "{}", "12345678", "12345678x", "12345678\0x"] {
            assert_eq!(Entry::read(strange.as_bytes()), None, "{strange:?}");
        }
    }
}
