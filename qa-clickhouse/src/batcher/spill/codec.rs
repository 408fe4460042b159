//! From rows to bytes and back, for the disk.

use clickhouse::{RowOwned, RowRead, RowWrite};
use serde::{Deserialize, Serialize};

pub(in crate::batcher) type Coded<V> = Result<V, Box<dyn std::error::Error + Send + Sync>>;

/// Chunks of one type, as bytes. The types hide behind functions, so that only who spills has to have
/// rows that can be read.
pub(in crate::batcher) struct Codec<T> {
    /// What the chunks have to be of, to be read again.
    pub(in crate::batcher) names: String,
    pub(in crate::batcher) encode: fn(&T) -> Coded<Vec<u8>>,
    pub(in crate::batcher) decode: fn(&[u8]) -> Coded<T>,
    /// How many rows a chunk has. `None` where the bytes are of no chunk.
    pub(in crate::batcher) rows: fn(&[u8]) -> Option<usize>,
}

impl<T> Codec<T>
where
    T: RowOwned + RowRead + RowWrite,
{
    pub(in crate::batcher) fn new() -> Self {
        let names = T::COLUMN_NAMES.join(",");
        Self { names, encode: encode::<T>, decode: decode::<T>, rows: |_| Some(1) }
    }
}

fn encode<T: RowOwned + RowWrite>(row: &T) -> Coded<Vec<u8>> {
    fn bytes<S: Serialize>(row: &S) -> Coded<Vec<u8>> {
        Ok(postcard::to_stdvec(row)?)
    }
    bytes::<T::Value<'_>>(row)
}

/// The bytes are those of the row and of nothing else: what is left over is of another type.
fn decode<T: RowOwned + RowRead>(bytes: &[u8]) -> Coded<T> {
    fn row<'a, D: Deserialize<'a>>(bytes: &'a [u8]) -> Coded<D> {
        let (row, rest) = postcard::take_from_bytes(bytes)?;
        if rest.is_empty() { Ok(row) } else { Err(postcard::Error::DeserializeBadEncoding.into()) }
    }
    row::<T::Value<'_>>(bytes)
}
