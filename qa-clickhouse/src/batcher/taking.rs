//! How rows are taken from those who push them.

use super::kind::cut;
use super::{Batcher, PushError};
use qa_resource_core::ErrorKind;

/// Rows that are taken together at the most, so that a row costs no lock of its own: few enough to be in
/// the processor's nearest cache until then.
const RUN: usize = 64;
/// No row is added to those that take so many bytes.
const RUN_BYTES: u64 = 64 << 10;

impl<T: Send + Sync + 'static> Batcher<T> {
    /// Moves rows that are to be taken together, each with what it takes of the memory, into `run`; gives
    /// what that is for all.
    pub(super) fn gather(
        &self,
        rows: &mut impl Iterator<Item = T>,
        run: &mut Vec<(T, u32)>,
    ) -> u64 {
        let mut all = 0;
        while run.len() < RUN
            && all < RUN_BYTES
            && let Some(row) = rows.next()
        {
            let share = self.0.shared.share(&row);
            all += u64::from(share);
            run.push((row, share));
        }
        all
    }

    /// Takes rows together where that is possible, and otherwise each as soon as there is room. `last`
    /// becomes the number of the last that was taken; what is refused, and what is behind it, was not.
    pub(super) async fn take_run(
        &self,
        share: u64,
        run: &mut (impl Iterator<Item = (T, u32)> + Send),
        last: &mut u64,
    ) -> Result<(), PushError<T>> {
        if let Some(number) = self.0.shared.take_now(share, run) {
            *last = number;
            return Ok(());
        }
        for (row, _) in run {
            // A chunk without rows has no number.
            *last = self.take(row).await?.max(*last);
        }
        Ok(())
    }

    /// Takes a row, or the rows of a chunk in pieces that fit, as soon as there is room; gives the number
    /// of the last.
    async fn take(&self, mut row: T) -> Result<u64, PushError<T>> {
        let shared = &self.0.shared;
        while let Some((first, rest)) = cut(shared.kind, &row, &shared.options) {
            if let Err(PushError { error, .. }) = self.take_whole(first).await {
                return Err(PushError { row: Some(row), error });
            }
            row = rest;
        }
        if shared.kind.rows(&row) == 0 { Ok(0) } else { self.take_whole(row).await }
    }

    async fn take_whole(&self, row: T) -> Result<u64, PushError<T>> {
        let shared = &self.0.shared;
        let share = shared.share(&row);
        let encoded = match shared.spill.as_ref().map(|spill| spill.encode(&row)).transpose() {
            Ok(encoded) => encoded,
            Err(error) => {
                let error =
                    shared.error(ErrorKind::Operation, format!("a row for the disk: {error}"));
                return Err(PushError { row: Some(row), error });
            }
        };
        if let Err(error) = self.0.room(shared.memory.places(), share).await {
            return Err(PushError { row: Some(row), error });
        }
        if let (Some(spill), Some(bytes)) = (&shared.spill, &encoded)
            && let Err(error) = self.0.room(&spill.places, spill.size(bytes)).await
        {
            shared.give_back(share, None);
            return Err(PushError { row: Some(row), error });
        }
        shared.take(row, share, encoded)
    }
}
