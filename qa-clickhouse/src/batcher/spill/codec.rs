//! From rows to bytes and back, for the disk.

use clickhouse::{RowOwned, RowRead, RowWrite};
use serde::{Deserialize, Serialize};

/// Rows of one type, as bytes. The types hide behind functions, so that only who spills has to have
/// rows that can be read.
pub(in crate::batcher) struct Codec<T> {
    pub(super) names: String,
    encode: fn(&T) -> Result<Vec<u8>, postcard::Error>,
    decode: fn(&[u8]) -> Result<T, postcard::Error>,
}

impl<T> Codec<T>
where
    T: RowOwned + RowRead + RowWrite,
{
    pub(in crate::batcher) fn new() -> Self {
        Self { names: T::COLUMN_NAMES.join(","), encode: encode::<T>, decode: decode::<T> }
    }
}

impl<T> Codec<T> {
    pub(in crate::batcher) fn encode(&self, row: &T) -> Result<Vec<u8>, postcard::Error> {
        (self.encode)(row)
    }

    pub(super) fn decode(&self, bytes: &[u8]) -> Result<T, postcard::Error> {
        (self.decode)(bytes)
    }
}

fn encode<T: RowOwned + RowWrite>(row: &T) -> Result<Vec<u8>, postcard::Error> {
    fn bytes<S: Serialize>(row: &S) -> Result<Vec<u8>, postcard::Error> {
        postcard::to_stdvec(row)
    }
    bytes::<T::Value<'_>>(row)
}

/// The bytes are those of the row and of nothing else: what is left over is of another type.
fn decode<T: RowOwned + RowRead>(bytes: &[u8]) -> Result<T, postcard::Error> {
    fn row<'a, D: Deserialize<'a>>(bytes: &'a [u8]) -> Result<D, postcard::Error> {
        let (row, rest) = postcard::take_from_bytes(bytes)?;
        if rest.is_empty() { Ok(row) } else { Err(postcard::Error::DeserializeBadEncoding) }
    }
    row::<T::Value<'_>>(bytes)
}
