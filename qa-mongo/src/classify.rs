//! What the driver's errors mean: for the caller, and for the data.

use crate::codes::CODES;
use crate::limit::is_not_applied;
use mongodb::bson::error::ErrorKind as BsonErrorKind;
use mongodb::error::{
    BulkWriteError, Error, ErrorKind as Driver, InsertManyError, NO_WRITES_PERFORMED,
    SYSTEM_OVERLOADED_ERROR, TRANSIENT_TRANSACTION_ERROR, WriteFailure,
};
use qa_resource_core::{Class, ErrorKind, Outcome};
use std::io;

/// The kind and the outcome of an error.
pub(crate) fn classify(error: &Error) -> Class {
    let mut class = by_kind(error);
    // A transaction that may be tried again as a whole is one of which nothing is applied.
    if [NO_WRITES_PERFORMED, TRANSIENT_TRANSACTION_ERROR].iter().any(|it| error.contains_label(it))
    {
        class.outcome = Outcome::NotApplied;
    }
    class
}

fn by_kind(error: &Error) -> Class {
    match &*error.kind {
        Driver::InvalidArgument { .. } | Driver::InvalidTlsConfig { .. } => {
            Class::not_applied(ErrorKind::Config)
        }
        Driver::IncompatibleServer { .. } => Class::not_applied(ErrorKind::Config),
        Driver::Authentication { .. } => Class::not_applied(ErrorKind::Auth),
        Driver::Io(cause) => of_io(cause, is_before_sending(error)),
        Driver::DnsResolve { .. } | Driver::ServerSelection { .. } => {
            Class::not_applied(ErrorKind::Connect)
        }
        // The operation waited for a connection, and never got one.
        Driver::ConnectionPoolCleared { .. } => Class::not_applied(ErrorKind::Connect),
        // Whoever sends this is not a MongoDB server, or the answer was cut.
        Driver::InvalidResponse { .. } => Class::unknown(ErrorKind::Connect),
        Driver::Shutdown => Class::not_applied(ErrorKind::Closed),
        Driver::Command(command) => CODES.class(command.code),
        Driver::Write(WriteFailure::WriteError(one)) => CODES.class(one.code),
        // The write is applied; only how safely is in doubt.
        Driver::Write(WriteFailure::WriteConcernError(concern)) => applied(concern.code),
        Driver::InsertMany(many) => of_insert_many(many),
        Driver::BulkWrite(bulk) => of_bulk_write(bulk, error),
        Driver::SessionsNotSupported | Driver::Transaction { .. } | Driver::MissingResumeToken => {
            Class::not_applied(ErrorKind::Operation)
        }
        Driver::Bson(bson) if is_serialization(&bson.kind) => {
            Class::not_applied(ErrorKind::Operation)
        }
        _ => Class::unknown(ErrorKind::Operation),
    }
}

/// The driver labels a network error so while it dials and says hello, that is before the
/// operation can have been sent.
fn is_before_sending(error: &Error) -> bool {
    error.contains_label(SYSTEM_OVERLOADED_ERROR)
}

fn of_io(cause: &io::Error, before_sending: bool) -> Class {
    let kind = match cause.kind() {
        // What this crate itself was given: see `limit::invalid`.
        io::ErrorKind::InvalidInput => return Class::not_applied(ErrorKind::Config),
        io::ErrorKind::TimedOut => ErrorKind::Timeout,
        _ => ErrorKind::Connect,
    };
    if before_sending || is_not_applied(cause) {
        Class::not_applied(kind)
    } else {
        Class::unknown(kind)
    }
}

fn applied(code: i32) -> Class {
    Class::unknown(CODES.class(code).kind)
}

/// Some of many documents may be in, whatever happened to the others.
fn of_insert_many(error: &InsertManyError) -> Class {
    let concern = error.write_concern_error.as_ref().map(|concern| concern.code);
    let first = error.write_errors.iter().flatten().next().map(|one| one.code);
    concern.or(first).map_or(Class::unknown(ErrorKind::Operation), applied)
}

fn of_bulk_write(error: &BulkWriteError, whole: &Error) -> Class {
    let concern = error.write_concern_errors.first().map(|concern| concern.code);
    let first = error.write_errors.values().next().map(|one| one.code);
    if let Some(code) = concern.or(first) {
        return applied(code);
    }
    let source = std::error::Error::source(whole).and_then(|source| source.downcast_ref::<Error>());
    source.map_or(Class::unknown(ErrorKind::Operation), |source| Class {
        outcome: Outcome::Unknown,
        ..by_kind(source)
    })
}

fn is_serialization(kind: &BsonErrorKind) -> bool {
    matches!(
        kind,
        BsonErrorKind::Serialization { .. } | BsonErrorKind::TooLargeUnsignedInteger { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::{aborted, timed_out, unavailable};
    use mongodb::bson::{self, Document, deserialize_from_document, doc};
    use mongodb::error::{CommandError, WriteConcernError, WriteError};
    use qa_resource_core::ErrorKind::{
        Auth, Closed, Config, Connect, Operation, Overloaded, Timeout,
    };
    use serde::de::DeserializeOwned;
    use std::time::Duration;

    fn from_server<T: DeserializeOwned>(answer: Document) -> T {
        deserialize_from_document(answer).unwrap()
    }

    fn command(code: i32) -> Error {
        let answer = doc! { "code": code, "codeName": "x", "errmsg": "x" };
        Driver::Command(from_server::<CommandError>(answer)).into()
    }

    fn concern(code: i32) -> Error {
        let answer = from_server::<WriteConcernError>(doc! { "code": code, "errmsg": "x" });
        Driver::Write(WriteFailure::WriteConcernError(answer)).into()
    }

    fn write(code: i32) -> Error {
        let answer = from_server::<WriteError>(doc! { "code": code, "errmsg": "x" });
        Driver::Write(WriteFailure::WriteError(answer)).into()
    }

    fn insert_many(answer: Document) -> Error {
        Driver::InsertMany(from_server::<InsertManyError>(answer)).into()
    }

    fn unserializable() -> Error {
        Driver::Bson(bson::serialize_to_bson(&u64::MAX).unwrap_err()).into()
    }

    fn undeserializable() -> Error {
        Driver::Bson(deserialize_from_document::<Vec<u8>>(doc! {}).unwrap_err()).into()
    }

    #[test]
    fn every_kind_of_error_has_its_class() {
        let io = |kind: io::ErrorKind| Error::from(io::Error::from(kind));
        let cases = [
            (command(18), Class::not_applied(Auth)),
            (command(13), Class::not_applied(Auth)),
            (command(20), Class::not_applied(Operation)),
            (command(50), Class::unknown(Timeout)),
            (command(91), Class::unknown(Connect)),
            (command(189), Class::unknown(Connect)),
            (command(211), Class::not_applied(Connect)),
            (command(10107), Class::not_applied(Connect)),
            (command(11600), Class::unknown(Connect)),
            (command(11602), Class::unknown(Connect)),
            (command(46), Class::not_applied(Overloaded)),
            (command(987_654), Class::unknown(Operation)),
            (write(11000), Class::not_applied(Operation)),
            (write(121), Class::not_applied(Operation)),
            (concern(64), Class::unknown(Timeout)),
            (concern(91), Class::unknown(Connect)),
            (concern(10107), Class::unknown(Connect)),
            (insert_many(doc! {}), Class::unknown(Operation)),
            (
                insert_many(doc! { "writeErrors": [{ "code": 11000, "errmsg": "x" }] }),
                Class::unknown(Operation),
            ),
            (
                insert_many(doc! { "writeConcernError": { "code": 91, "errmsg": "x" } }),
                Class::unknown(Connect),
            ),
            (io(io::ErrorKind::ConnectionReset), Class::unknown(Connect)),
            (io(io::ErrorKind::UnexpectedEof), Class::unknown(Connect)),
            (io(io::ErrorKind::TimedOut), Class::unknown(Timeout)),
            (io(io::ErrorKind::InvalidInput), Class::not_applied(Config)),
            (timed_out(Duration::ZERO), Class::unknown(Timeout)),
            (aborted(Duration::ZERO), Class::not_applied(Timeout)),
            (unavailable(String::new()), Class::not_applied(Connect)),
            (Driver::Shutdown.into(), Class::not_applied(Closed)),
            (Driver::SessionsNotSupported.into(), Class::not_applied(Operation)),
            (Driver::MissingResumeToken.into(), Class::not_applied(Operation)),
            (unserializable(), Class::not_applied(Operation)),
            (undeserializable(), Class::unknown(Operation)),
            (Error::custom("mine"), Class::unknown(Operation)),
        ];
        for (error, expected) in cases {
            assert_eq!(classify(&error), expected, "{error}");
        }
    }

    #[test]
    fn what_the_driver_knows_of_dialing_is_kept() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert_eq!(of_io(&refused, true), Class::not_applied(Connect));
        assert_eq!(of_io(&refused, false), Class::unknown(Connect));
    }
}
