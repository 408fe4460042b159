//! A batch in the parts in which it is inserted: one, until something in it is refused.

use std::collections::VecDeque;
use std::ops::Range;

/// The parts that are left, in order. The first is the one under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    left: VecDeque<Range<usize>>,
    rows: usize,
}

impl Parts {
    /// A batch of so many rows, as a whole.
    pub(super) fn whole(rows: usize) -> Self {
        let left = (rows > 0).then_some(0..rows).into_iter().collect();
        Self { left, rows }
    }

    pub(super) fn first(&self) -> Option<Range<usize>> {
        self.left.front().cloned()
    }

    /// The first is stored, or was given to somebody else.
    pub(super) fn done(&mut self) {
        self.left.pop_front();
    }

    /// Cuts the first in two. Does nothing where it is one row.
    pub(super) fn split(&mut self) {
        let Some(first) = self.first().filter(|part| part.len() > 1) else { return };
        self.left.pop_front();
        let middle = first.start + first.len() / 2;
        self.left.push_front(middle..first.end);
        self.left.push_front(first.start..middle);
    }

    /// How many rows are left.
    pub(super) fn rows(&self) -> usize {
        self.left.iter().map(Range::len).sum()
    }

    /// The deduplication token of a part: the batch's own for the whole, and always the same one
    /// for the same part of it.
    pub(super) fn token(&self, batch: &str, part: &Range<usize>) -> String {
        if part.len() == self.rows {
            batch.to_owned()
        } else {
            format!("{batch}-{}-{}", part.start, part.end)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// Inserts a batch with these poison rows: what is stored, what is refused, and the attempts.
    fn insert(rows: usize, poison: &BTreeSet<usize>) -> (Vec<usize>, Vec<usize>, Vec<String>) {
        let (mut parts, mut attempts) = (Parts::whole(rows), Vec::new());
        let (mut stored, mut refused) = (Vec::new(), Vec::new());
        while let Some(part) = parts.first() {
            attempts.push(parts.token("t", &part));
            if poison.range(part.clone()).next().is_none() {
                stored.extend(part);
                parts.done();
            } else if part.len() == 1 {
                refused.extend(part);
                parts.done();
            } else {
                parts.split();
            }
        }
        (stored, refused, attempts)
    }

    proptest! {
        #[test]
        fn every_good_row_is_stored_once_in_order_and_every_poison_row_refused_once(
            rows in 0usize..300, poison in prop::collection::btree_set(0usize..300, 0..12),
        ) {
            let poison: BTreeSet<_> = poison.into_iter().filter(|row| *row < rows).collect();
            let (stored, refused, attempts) = insert(rows, &poison);
            let good: Vec<_> = (0..rows).filter(|row| !poison.contains(row)).collect();
            prop_assert_eq!(stored, good);
            prop_assert_eq!(refused, poison.iter().copied().collect::<Vec<_>>());
            let depth = usize::BITS as usize - rows.leading_zeros() as usize;
            prop_assert!(attempts.len() <= 1 + 2 * poison.len() * depth, "{}", attempts.len());
            let tokens: BTreeSet<_> = attempts.iter().collect();
            prop_assert_eq!(tokens.len(), attempts.len(), "no two parts share a token");
        }

        #[test]
        fn what_is_left_is_always_a_tail_of_the_batch(rows in 1usize..100, acts in prop::collection::vec(any::<bool>(), 0..60)) {
            let mut parts = Parts::whole(rows);
            for split in acts {
                if split { parts.split() } else { parts.done() }
                let left: Vec<_> = parts.left.iter().cloned().flatten().collect();
                prop_assert_eq!(left.len(), parts.rows());
                prop_assert_eq!(left, (rows - parts.rows()..rows).collect::<Vec<_>>());
            }
        }
    }
}
