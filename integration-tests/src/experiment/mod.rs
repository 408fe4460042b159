//! What an experiment measures, and the document that is made of it. The experiments themselves
//! are the binary `experiments`.

mod document;
mod figure;
mod row;

pub use document::markdown;
pub use figure::Figure;
pub use row::{Row, Setting};
