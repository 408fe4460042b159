//! What a batcher is given: rows, or chunks of rows in columns. Here what there is to know of either.

use super::BatchOptions;
use super::insert::{How, begin};
use super::size;
use clickhouse::error::Result;
use clickhouse::{Client, RowOwned, RowWrite};
use qa_resource_core::async_trait;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;

/// What is left to do of an insert that has begun; without it nothing is stored.
pub(super) type Rest = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// What there is to know of chunks of one type. A row is a chunk of one.
#[async_trait]
pub(super) trait Kind<T>: Send + Sync {
    /// Whether every chunk is one row.
    fn of_one(&self) -> bool;

    /// How many rows the chunk has.
    fn rows(&self, chunk: &T) -> usize;

    /// What it takes in memory.
    fn bytes(&self, chunk: &T) -> usize;

    /// Some of its rows, as a chunk of their own. `None` where a chunk is one row.
    fn slice(&self, chunk: &T, rows: Range<usize>) -> Option<T>;

    /// Whether both can go into one insert.
    fn fits(&self, chunk: &T, next: &T) -> bool;

    /// The columns that the driver compares with the table's.
    fn names(&self) -> &'static [&'static str];

    /// Begins to insert some of the rows that the chunks have together, as one block.
    async fn begin(
        &self,
        client: &Client,
        chunks: &Arc<Vec<T>>,
        rows: Range<usize>,
        how: How<'_>,
    ) -> Result<Rest>;
}

/// Each chunk is a row.
pub(super) struct ByRow;

#[async_trait]
impl<T> Kind<T> for ByRow
where
    T: RowOwned + RowWrite + Send + Sync + 'static,
{
    fn of_one(&self) -> bool {
        true
    }

    fn rows(&self, _: &T) -> usize {
        1
    }

    fn bytes(&self, row: &T) -> usize {
        size_of::<T>() + size::held::<T::Value<'_>>(row)
    }

    fn slice(&self, _: &T, _: Range<usize>) -> Option<T> {
        None
    }

    fn fits(&self, _: &T, _: &T) -> bool {
        true
    }

    fn names(&self) -> &'static [&'static str] {
        T::COLUMN_NAMES
    }

    async fn begin(
        &self,
        client: &Client,
        chunks: &Arc<Vec<T>>,
        rows: Range<usize>,
        how: How<'_>,
    ) -> Result<Rest> {
        begin(client, chunks, rows, how).await
    }
}

/// The chunks that have some of these rows, and which of its own each has to give.
pub(super) fn pieces<'a, T>(
    kind: &dyn Kind<T>,
    chunks: &'a [T],
    rows: Range<usize>,
) -> impl Iterator<Item = (&'a T, Range<usize>)> {
    let mut end = 0;
    chunks.iter().filter_map(move |chunk| {
        let begin = end;
        end += kind.rows(chunk);
        let piece = rows.start.max(begin)..rows.end.min(end);
        (!piece.is_empty()).then(|| (chunk, piece.start - begin..piece.end - begin))
    })
}

/// What is left of the chunks behind the first `rows`.
pub(super) fn behind<T>(
    kind: &dyn Kind<T>,
    chunks: impl IntoIterator<Item = T>,
    rows: usize,
) -> impl Iterator<Item = T> {
    let mut gone = rows;
    chunks.into_iter().filter_map(move |chunk| {
        let own = kind.rows(&chunk);
        let here = gone.min(own);
        gone -= here;
        match here {
            0 => Some(chunk),
            all if all == own => None,
            _ => kind.slice(&chunk, here..own),
        }
    })
}

/// A chunk that is too large for a batch in two: what a batch takes of it, and the rest.
pub(super) fn cut<T>(kind: &dyn Kind<T>, chunk: &T, limits: &BatchOptions) -> Option<(T, T)> {
    let rows = kind.rows(chunk);
    if rows < 2 {
        return None;
    }
    // As if each row took the same.
    let of_one = kind.bytes(chunk).div_ceil(rows).max(1);
    let first = limits.max_rows.min(limits.max_bytes / of_one).max(1);
    if first >= rows {
        return None;
    }
    Some((kind.slice(chunk, 0..first)?, kind.slice(chunk, first..rows)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Each chunk is numbers, of which each takes 10 bytes.
    struct Numbers;

    #[async_trait]
    impl Kind<Vec<usize>> for Numbers {
        fn of_one(&self) -> bool {
            false
        }

        fn rows(&self, chunk: &Vec<usize>) -> usize {
            chunk.len()
        }

        fn bytes(&self, chunk: &Vec<usize>) -> usize {
            chunk.len() * 10
        }

        fn slice(&self, chunk: &Vec<usize>, rows: Range<usize>) -> Option<Vec<usize>> {
            Some(chunk[rows].to_vec())
        }

        fn fits(&self, _: &Vec<usize>, _: &Vec<usize>) -> bool {
            true
        }

        fn names(&self) -> &'static [&'static str] {
            &[]
        }

        async fn begin(
            &self,
            _: &Client,
            _: &Arc<Vec<Vec<usize>>>,
            _: Range<usize>,
            _: How<'_>,
        ) -> Result<Rest> {
            Ok(Box::pin(async { Ok(()) }))
        }
    }

    /// Chunks of these sizes, whose numbers count on.
    fn chunks(sizes: &[usize]) -> Vec<Vec<usize>> {
        let mut next = 0;
        let chunk = |size: &usize| {
            next += size;
            (next - size..next).collect()
        };
        sizes.iter().map(chunk).collect()
    }

    proptest! {
        #[test]
        fn pieces_and_what_is_behind_are_the_rows_that_were_asked_for(
            sizes in prop::collection::vec(1usize..9, 0..9), one in 0usize..80, two in 0usize..80,
        ) {
            let chunks = chunks(&sizes);
            let all: usize = sizes.iter().sum();
            let rows = one.min(two).min(all)..one.max(two).min(all);
            let mut of_pieces = Vec::new();
            for (chunk, piece) in pieces(&Numbers, &chunks, rows.clone()) {
                prop_assert!(!piece.is_empty());
                of_pieces.extend_from_slice(&chunk[piece]);
            }
            prop_assert_eq!(of_pieces, rows.clone().collect::<Vec<_>>());
            let left: Vec<_> = behind(&Numbers, chunks, rows.start).flatten().collect();
            prop_assert_eq!(left, (rows.start..all).collect::<Vec<_>>());
        }

        #[test]
        fn what_is_cut_loses_no_row_and_fits(
            size in 0usize..100, max_rows in 1usize..30, max_bytes in 1usize..500,
        ) {
            let limits = BatchOptions { max_rows, max_bytes, ..BatchOptions::default() };
            let (mut chunk, mut all): (Vec<usize>, Vec<usize>) = ((0..size).collect(), Vec::new());
            while let Some((first, rest)) = cut(&Numbers, &chunk, &limits) {
                prop_assert!(!first.is_empty() && !rest.is_empty());
                prop_assert!(first.len() <= max_rows);
                prop_assert!(first.len() * 10 <= max_bytes || first.len() == 1);
                all.extend(first);
                chunk = rest;
            }
            prop_assert!(chunk.len() <= max_rows);
            all.extend(chunk);
            prop_assert_eq!(all, (0..size).collect::<Vec<_>>());
        }
    }
}
