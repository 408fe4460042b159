//! What a server's error codes mean, as a table.

use crate::{Class, ErrorKind};

/// What the error codes of a server mean, for a backend whose server numbers its errors.
///
/// ```
/// use qa_resource_core::{Class, Codes, ErrorKind};
///
/// const CODES: Codes = Codes::new(&[
///     (18, "AuthenticationFailed", Class::not_applied(ErrorKind::Auth)),
///     (50, "MaxTimeMSExpired", Class::unknown(ErrorKind::Timeout)),
/// ]);
/// assert_eq!(CODES.class(18), Class::not_applied(ErrorKind::Auth));
/// assert_eq!(CODES.class(19), Class::unknown(ErrorKind::Operation));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Codes(&'static [(i64, &'static str, Class)]);

impl Codes {
    /// A table of codes, the server's own names for them, and what they mean.
    ///
    /// # Panics
    /// Where the codes are not in ascending order, or one stands there twice. A table that is a
    /// constant does not compile then.
    #[must_use]
    pub const fn new(table: &'static [(i64, &'static str, Class)]) -> Self {
        let mut at = 1;
        while at < table.len() {
            assert!(table[at - 1].0 < table[at].0, "codes are in ascending order, each once");
            at += 1;
        }
        Self(table)
    }

    /// What a code means. An unknown one is the operation's fault, and says nothing about its
    /// effect.
    #[must_use]
    pub fn class(&self, code: impl Into<i64>) -> Class {
        let found = self.0.binary_search_by_key(&code.into(), |(code, ..)| *code);
        found.map_or(Class::unknown(ErrorKind::Operation), |at| self.0[at].2)
    }

    /// The codes and the server's own names for them.
    pub fn names(&self) -> impl Iterator<Item = (i64, &'static str)> {
        self.0.iter().map(|(code, name, _)| (*code, *name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUTH: Class = Class::not_applied(ErrorKind::Auth);
    const LOST: Class = Class::unknown(ErrorKind::Connect);
    const TABLE: &[(i64, &str, Class)] =
        &[(-1, "first", LOST), (7, "middle", AUTH), (9, "last", LOST)];

    #[test]
    fn every_code_of_the_table_is_found_and_no_other() {
        let codes = Codes::new(TABLE);
        for (code, name, expected) in TABLE {
            assert_eq!(codes.class(*code), *expected, "{name}");
        }
        for unknown in [i64::MIN, 0, 8, i64::from(u32::MAX)] {
            assert_eq!(codes.class(unknown), Class::unknown(ErrorKind::Operation), "{unknown}");
        }
        assert_eq!(codes.names().collect::<Vec<_>>(), [(-1, "first"), (7, "middle"), (9, "last")]);
    }

    #[test]
    fn a_table_out_of_order_is_refused() {
        const SWAPPED: &[(i64, &str, Class)] = &[(2, "two", AUTH), (1, "one", AUTH)];
        const TWICE: &[(i64, &str, Class)] = &[(2, "two", AUTH), (2, "again", AUTH)];
        for table in [SWAPPED, TWICE] {
            std::panic::catch_unwind(|| Codes::new(table)).unwrap_err();
        }
    }
}
