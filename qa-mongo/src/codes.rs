//! What the server's error codes mean.

use qa_resource_core::{Class, Codes, ErrorKind};

/// The code of a duplicate key.
pub(crate) const DUPLICATE_KEY: i32 = 11000;

/// The codes of an index that is in the way of another.
pub(crate) const INDEX_OPTIONS_CONFLICT: i32 = 85;
pub(crate) const INDEX_KEYS_CONFLICT: i32 = 86;

const fn refused(kind: ErrorKind) -> Class {
    Class::not_applied(kind)
}

/// The server stopped in the middle: an update of many documents may have changed some.
const fn interrupted(kind: ErrorKind) -> Class {
    Class::unknown(kind)
}

/// Codes by number, with the server's own names for them.
pub(crate) const CODES: Codes = Codes::new(&[
    (2, "BadValue", refused(ErrorKind::Operation)),
    (6, "HostUnreachable", interrupted(ErrorKind::Connect)),
    (7, "HostNotFound", interrupted(ErrorKind::Connect)),
    (9, "FailedToParse", refused(ErrorKind::Operation)),
    (11, "UserNotFound", refused(ErrorKind::Auth)),
    (13, "Unauthorized", refused(ErrorKind::Auth)),
    (14, "TypeMismatch", refused(ErrorKind::Operation)),
    (18, "AuthenticationFailed", refused(ErrorKind::Auth)),
    (20, "IllegalOperation", refused(ErrorKind::Operation)),
    (24, "LockTimeout", interrupted(ErrorKind::Timeout)),
    (26, "NamespaceNotFound", refused(ErrorKind::Operation)),
    (46, "LockBusy", refused(ErrorKind::Overloaded)),
    (48, "NamespaceExists", refused(ErrorKind::Operation)),
    (50, "MaxTimeMSExpired", interrupted(ErrorKind::Timeout)),
    (59, "CommandNotFound", refused(ErrorKind::Operation)),
    (64, "WriteConcernFailed", interrupted(ErrorKind::Timeout)),
    (66, "ImmutableField", refused(ErrorKind::Operation)),
    (67, "CannotCreateIndex", refused(ErrorKind::Operation)),
    (72, "InvalidOptions", refused(ErrorKind::Operation)),
    (73, "InvalidNamespace", refused(ErrorKind::Operation)),
    (79, "UnknownReplWriteConcern", interrupted(ErrorKind::Operation)),
    (INDEX_OPTIONS_CONFLICT as i64, "IndexOptionsConflict", refused(ErrorKind::Operation)),
    (INDEX_KEYS_CONFLICT as i64, "IndexKeySpecsConflict", refused(ErrorKind::Operation)),
    (89, "NetworkTimeout", interrupted(ErrorKind::Timeout)),
    (91, "ShutdownInProgress", interrupted(ErrorKind::Connect)),
    (100, "UnsatisfiableWriteConcern", interrupted(ErrorKind::Operation)),
    (112, "WriteConflict", interrupted(ErrorKind::Overloaded)),
    (115, "CommandNotSupported", refused(ErrorKind::Operation)),
    (121, "DocumentValidationFailure", refused(ErrorKind::Operation)),
    (134, "ReadConcernMajorityNotAvailableYet", refused(ErrorKind::Overloaded)),
    (136, "CappedPositionLost", interrupted(ErrorKind::Operation)),
    (146, "ExceededMemoryLimit", interrupted(ErrorKind::Operation)),
    (175, "QueryPlanKilled", interrupted(ErrorKind::Operation)),
    (189, "PrimarySteppedDown", interrupted(ErrorKind::Connect)),
    (202, "NetworkInterfaceExceededTimeLimit", interrupted(ErrorKind::Timeout)),
    // Just after a start, a server cannot verify yet the cluster time that every command brings.
    (211, "KeyNotFound", refused(ErrorKind::Connect)),
    (237, "CursorKilled", interrupted(ErrorKind::Operation)),
    (251, "NoSuchTransaction", refused(ErrorKind::Operation)),
    (262, "ExceededTimeLimit", interrupted(ErrorKind::Timeout)),
    (263, "OperationNotSupportedInTransaction", refused(ErrorKind::Operation)),
    (280, "ChangeStreamFatalError", refused(ErrorKind::Operation)),
    (286, "ChangeStreamHistoryLost", refused(ErrorKind::Operation)),
    (334, "MechanismUnavailable", refused(ErrorKind::Auth)),
    (391, "ReauthenticationRequired", refused(ErrorKind::Auth)),
    // Atlas answers a wrong password with this one.
    (8000, "AtlasError", refused(ErrorKind::Auth)),
    (9001, "SocketException", interrupted(ErrorKind::Connect)),
    (10107, "NotWritablePrimary", refused(ErrorKind::Connect)),
    (DUPLICATE_KEY as i64, "DuplicateKey", refused(ErrorKind::Operation)),
    (11600, "InterruptedAtShutdown", interrupted(ErrorKind::Connect)),
    (11601, "Interrupted", interrupted(ErrorKind::Operation)),
    (11602, "InterruptedDueToReplStateChange", interrupted(ErrorKind::Connect)),
    (13435, "NotPrimaryNoSecondaryOk", refused(ErrorKind::Connect)),
    (13436, "NotPrimaryOrSecondary", refused(ErrorKind::Connect)),
]);
