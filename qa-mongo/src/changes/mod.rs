//! Changes of the data, each at least once, over restarts of either side.

mod bookmark;
mod follow;

pub use bookmark::{Bookmark, StoredBookmark};
pub use follow::{Ended, FollowError, follow};
