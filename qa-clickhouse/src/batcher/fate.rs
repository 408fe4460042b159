//! What becomes of rows whose insert failed. Pure.

use crate::codes::TOO_MANY_PARTS;
use crate::error_code;
use clickhouse::error::Error as DriverError;
use qa_resource_core::Error;
use std::error::Error as _;

/// What is to be done with a part of a batch whose insert failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The same again, after a pause.
    Again,
    /// The same again at once, after the table has been looked at anew.
    Relearn,
    /// In two halves.
    Split,
    /// This one row is refused for what is in it.
    Refused,
    /// Nothing helps that can be done from here.
    Halt,
}

/// What is known of the part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) rows: usize,
    /// Whether the table was looked at anew for this batch already.
    pub(super) relearnt: bool,
    /// Whether somebody takes the rows that are refused.
    pub(super) dead_letters: bool,
}

/// What the server says of a row that does not fit, before it stores anything of its block.
const OF_A_ROW: [u32; 21] = [
    6,   // CANNOT_PARSE_TEXT
    19,  // SIZE_OF_FIXED_STRING_DOESNT_MATCH
    27,  // CANNOT_PARSE_INPUT_ASSERTION_FAILED
    32,  // ATTEMPT_TO_READ_AFTER_EOF
    33,  // CANNOT_READ_ALL_DATA
    38,  // CANNOT_PARSE_DATE
    41,  // CANNOT_PARSE_DATETIME
    69,  // ARGUMENT_OUT_OF_BOUND
    70,  // CANNOT_CONVERT_TYPE
    72,  // CANNOT_PARSE_NUMBER
    117, // INCORRECT_DATA
    128, // TOO_LARGE_ARRAY_SIZE
    131, // TOO_LARGE_STRING_SIZE
    153, // ILLEGAL_DIVISION
    190, // SIZES_OF_ARRAYS_DONT_MATCH
    321, // VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
    349, // CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
    395, // FUNCTION_THROW_IF_VALUE_IS_NON_ZERO
    407, // DECIMAL_OVERFLOW
    469, // VIOLATED_CONSTRAINT
    691, // UNKNOWN_ELEMENT_OF_ENUM
];

/// What the server says where it knows the table better than we do.
const OF_THE_TABLE: [u32; 5] = [
    10,  // NOT_FOUND_COLUMN_IN_BLOCK
    16,  // NO_SUCH_COLUMN_IN_TABLE
    47,  // UNKNOWN_IDENTIFIER
    53,  // TYPE_MISMATCH
    117, // INCORRECT_DATA: also a type that is no longer the column's
];

/// The driver's own error under one of ours.
pub(super) fn cause(error: &Error) -> Option<&DriverError> {
    error.source()?.downcast_ref()
}

pub(super) fn fate(error: &Error, part: Part) -> Fate {
    let cause = cause(error);
    let code = cause.and_then(error_code);
    // Refused before anything is stored, and for the block as a whole.
    if code == Some(TOO_MANY_PARTS) && !error.kind().is_transient() && part.rows > 1 {
        return Fate::Split;
    }
    if error.kind().is_transient() {
        return Fate::Again;
    }
    let of_the_table = matches!(cause, Some(DriverError::SchemaMismatch(_)))
        || code.is_some_and(|code| OF_THE_TABLE.contains(&code));
    if of_the_table && !part.relearnt {
        return Fate::Relearn;
    }
    let of_a_row =
        code.is_some_and(|code| OF_A_ROW.contains(&code)) || cause.is_some_and(unsendable);
    match (of_a_row && part.dead_letters, part.rows) {
        (false, _) => Fate::Halt,
        (true, 1) => Fate::Refused,
        (true, _) => Fate::Split,
    }
}

/// Whether a row could not be put into bytes, here.
fn unsendable(error: &DriverError) -> bool {
    matches!(
        error,
        DriverError::Custom(_)
            | DriverError::SequenceMustHaveLength
            | DriverError::InvalidTagEncoding(_)
            | DriverError::VariantDiscriminatorIsOutOfBound(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ClickHouse;
    use qa_resource_core::{Backend, ErrorKind};

    fn ours(error: DriverError) -> Error {
        Error::from_driver(ClickHouse::classify(&error), "bars", "inserting", error)
    }

    fn server(code: u32, text: &str) -> Error {
        ours(DriverError::BadResponse(format!("Code: {code}. DB::Exception: {text}")))
    }

    #[test]
    fn every_error_has_its_fate() {
        let mismatch = || ours(DriverError::SchemaMismatch("x".into()));
        let timeout = Error::new(ErrorKind::Timeout, "bars", "no answer");
        let many = |rows, relearnt, dead_letters| Part { rows, relearnt, dead_letters };
        let cases = [
            (timeout.clone(), many(9, false, true), Fate::Again),
            (server(241, "memory"), many(9, false, true), Fate::Again),
            (server(252, "Too many parts (3000)"), many(9, false, true), Fate::Again),
            (
                server(252, "Too many partitions for single INSERT"),
                many(9, false, false),
                Fate::Split,
            ),
            (
                server(252, "Too many partitions for single INSERT"),
                many(1, false, true),
                Fate::Halt,
            ),
            (mismatch(), many(9, false, true), Fate::Relearn),
            (mismatch(), many(9, true, true), Fate::Halt),
            (server(16, "no column"), many(9, false, true), Fate::Relearn),
            (server(16, "no column"), many(9, true, true), Fate::Halt),
            (server(469, "constraint"), many(9, false, true), Fate::Split),
            (server(469, "constraint"), many(1, false, true), Fate::Refused),
            (server(469, "constraint"), many(9, false, false), Fate::Halt),
            (server(117, "incorrect"), many(9, false, true), Fate::Relearn),
            (server(117, "incorrect"), many(9, true, true), Fate::Split),
            (ours(DriverError::Custom("x".into())), many(1, false, true), Fate::Refused),
            (server(60, "no table"), many(1, true, true), Fate::Halt),
            (server(516, "password"), many(1, true, true), Fate::Halt),
            (Error::new(ErrorKind::Closed, "bars", "closed"), many(1, true, true), Fate::Halt),
        ];
        for (error, part, expected) in cases {
            assert_eq!(fate(&error, part), expected, "{error} {part:?}");
        }
    }
}
