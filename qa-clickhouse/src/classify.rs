//! What the client's errors mean: for the caller, and for the data.

use crate::codes::{CODES, TOO_MANY_PARTS, code_name};
use clickhouse::error::Error;
use hyper_util::client::legacy::Error as HttpError;
use qa_resource_core::{Class, ErrorKind};

/// The server's error code, which the official client leaves in the text of
/// [`Error::BadResponse`].
#[must_use]
pub fn error_code(error: &Error) -> Option<u32> {
    match error {
        Error::BadResponse(text) => code(text),
        _ => None,
    }
}

/// The server's name for the error, such as `UNKNOWN_TABLE`.
#[must_use]
pub fn error_name(error: &Error) -> Option<&'static str> {
    error_code(error).and_then(code_name)
}

/// `Code: 60. DB::Exception: …`, or `Code: 60` alone where the server's answer had no body.
fn code(text: &str) -> Option<u32> {
    text.match_indices("Code: ").find_map(|(at, mark)| {
        let rest = &text[at + mark.len()..];
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, behind) = rest.split_at(digits);
        let ends = behind.is_empty() || behind.starts_with(". DB::");
        if ends { number.parse().ok() } else { None }
    })
}

/// The kind and the outcome of an error.
pub(crate) fn classify(error: &Error) -> Class {
    match error {
        Error::InvalidParams(_) | Error::Unsupported(_) => Class::not_applied(ErrorKind::Config),
        Error::Network(cause) => of_network(cause.as_ref()),
        Error::TimedOut => Class::unknown(ErrorKind::Timeout),
        Error::BadResponse(text) => of_response(text),
        // Found out before anything is sent, by comparing the row with the table.
        Error::SchemaMismatch(_) => Class::not_applied(ErrorKind::Operation),
        _ => Class::unknown(ErrorKind::Operation),
    }
}

fn of_network(cause: &(dyn std::error::Error + Send + Sync + 'static)) -> Class {
    let dialing = cause.downcast_ref::<HttpError>().is_some_and(HttpError::is_connect);
    if dialing {
        Class::not_applied(ErrorKind::Connect)
    } else {
        Class::unknown(ErrorKind::Connect)
    }
}

fn of_response(text: &str) -> Class {
    match code(text) {
        // The same code for what passes by itself and for what never will.
        Some(TOO_MANY_PARTS) if text.contains("partitions") => Class::unknown(ErrorKind::Operation),
        Some(code) => CODES.class(code),
        // Not ClickHouse's words: a proxy in between, or another server.
        None => Class::unknown(of_status(text)),
    }
}

/// An answer without a body is given as `503 Service Unavailable`.
fn of_status(text: &str) -> ErrorKind {
    match text.split(' ').next() {
        Some("401" | "403" | "407") => ErrorKind::Auth,
        Some("408" | "504") => ErrorKind::Timeout,
        Some("429" | "503") => ErrorKind::Overloaded,
        _ => ErrorKind::Connect,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qa_resource_core::ErrorKind::{Auth, Config, Connect, Operation, Overloaded, Timeout};

    fn exception(code: u32, text: &str) -> Error {
        Error::BadResponse(format!("Code: {code}. DB::Exception: {text}. (version 26.9.2.1)"))
    }

    #[test]
    fn every_kind_of_error_has_its_class() {
        let parts = "Too many parts (3000 with average size of 1.00 KiB) in table 'default.t'";
        let partitions = "Too many partitions for single INSERT block (more than 100)";
        let cases = [
            (exception(516, "x"), Class::not_applied(Auth)),
            (exception(194, "x"), Class::not_applied(Auth)),
            (exception(192, "x"), Class::not_applied(Auth)),
            (exception(193, "x"), Class::not_applied(Auth)),
            (exception(497, "x"), Class::not_applied(Auth)),
            (exception(202, "x"), Class::not_applied(Overloaded)),
            (exception(241, "x"), Class::unknown(Overloaded)),
            (exception(252, parts), Class::unknown(Overloaded)),
            (exception(252, partitions), Class::unknown(Operation)),
            (exception(159, "x"), Class::unknown(Timeout)),
            (exception(209, "x"), Class::unknown(Timeout)),
            (exception(60, "x"), Class::not_applied(Operation)),
            (exception(62, "x"), Class::not_applied(Operation)),
            (exception(81, "x"), Class::not_applied(Operation)),
            (exception(16, "x"), Class::not_applied(Operation)),
            (exception(27, "x"), Class::unknown(Operation)),
            (exception(53, "x"), Class::not_applied(Operation)),
            (exception(319, "x"), Class::unknown(Connect)),
            (exception(242, "x"), Class::unknown(Connect)),
            (exception(999, "x"), Class::unknown(Connect)),
            (exception(65000, "x"), Class::unknown(Operation)),
            (Error::BadResponse("Code: 516".into()), Class::not_applied(Auth)),
            (Error::BadResponse("502 Bad Gateway".into()), Class::unknown(Connect)),
            (Error::BadResponse("503 Service Unavailable".into()), Class::unknown(Overloaded)),
            (Error::BadResponse("504 Gateway Timeout".into()), Class::unknown(Timeout)),
            (Error::BadResponse("403 Forbidden".into()), Class::unknown(Auth)),
            (Error::BadResponse("<html>Code: 12 monkeys</html>".into()), Class::unknown(Connect)),
            (Error::TimedOut, Class::unknown(Timeout)),
            (Error::Network("channel closed".into()), Class::unknown(Connect)),
            (Error::InvalidParams("x".into()), Class::not_applied(Config)),
            (Error::Unsupported("x".into()), Class::not_applied(Config)),
            (Error::SchemaMismatch("x".into()), Class::not_applied(Operation)),
            (Error::RowNotFound, Class::unknown(Operation)),
            (Error::NotEnoughData, Class::unknown(Operation)),
            (Error::Decompression("x".into()), Class::unknown(Operation)),
            (Error::Custom("x".into()), Class::unknown(Operation)),
            (Error::Other("x".into()), Class::unknown(Operation)),
        ];
        for (error, expected) in cases {
            assert_eq!(classify(&error), expected, "{error}");
        }
    }

    #[test]
    fn an_error_of_the_server_has_its_name() {
        assert_eq!(error_name(&exception(60, "x")), Some("UNKNOWN_TABLE"));
        assert_eq!(error_name(&exception(65000, "x")), None);
        assert_eq!(error_name(&Error::TimedOut), None);
    }

    #[test]
    fn the_code_is_found_wherever_the_server_puts_it() {
        assert_eq!(code("Code: 60. DB::Exception: no table"), Some(60));
        assert_eq!(code("while reading: Code: 395. DB::Exception: thrown"), Some(395));
        assert_eq!(code("Code: x. Code: 7. DB::Exception"), Some(7));
        assert_eq!(code("Code: 99999999999. DB::Exception"), None);
        assert_eq!(code("nothing"), None);
    }
}
