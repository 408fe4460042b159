//! A stream, from code that is not async.

use super::Group;
use futures_util::{Stream, StreamExt};
use qa_resource_core::{Backend, Result};
use std::fmt;

/// The items of a stream, each waited for no longer than an operation may take. Made by
/// [`Group::iterate`].
///
/// An item is an `Err` where it did not come in time, which ends it, or where it was asked for within
/// async code.
#[must_use = "nothing is read before it is iterated over"]
pub struct Iter<B: Backend, S> {
    group: Group<B>,
    stream: Option<S>,
}

impl<B: Backend, S> Iter<B, S> {
    pub(super) fn new(group: Group<B>, stream: S) -> Self {
        Self { group, stream: Some(stream) }
    }
}

impl<B: Backend, S: Stream + Unpin> Iterator for Iter<B, S> {
    type Item = Result<S::Item>;

    fn next(&mut self) -> Option<Self::Item> {
        let stream = self.stream.as_mut()?;
        let next = self.group.wait(stream.next()).transpose();
        if !matches!(next, Some(Ok(_))) {
            self.end();
        }
        next
    }
}

impl<B: Backend, S> Iter<B, S> {
    /// Drops the stream where it may spawn what it has still to do.
    fn end(&mut self) {
        let stream = self.stream.take();
        self.group.within(|| drop(stream));
    }
}

impl<B: Backend, S> Drop for Iter<B, S> {
    fn drop(&mut self) {
        self.end();
    }
}

impl<B: Backend, S> fmt::Debug for Iter<B, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter").field("group", &self.group).finish_non_exhaustive()
    }
}
