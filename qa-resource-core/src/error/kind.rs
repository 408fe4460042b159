//! What went wrong, and what it means for the data.

use std::fmt;

/// What went wrong, as far as a caller would act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Something that was given is wrong: a key, a URL, a type. Trying again can't help.
    Config,
    /// The server can't be reached, or the connection broke.
    Connect,
    /// The server refuses who we are or what we may do.
    Auth,
    /// A limit ran out.
    Timeout,
    /// The server (or a bound of ours) says: too much at the moment.
    Overloaded,
    /// The resource is closed or closing.
    Closed,
    /// The server understood and refused the operation itself.
    Operation,
}

impl ErrorKind {
    /// Every kind, for tables and tests.
    pub const ALL: [Self; 7] = [
        Self::Config,
        Self::Connect,
        Self::Auth,
        Self::Timeout,
        Self::Overloaded,
        Self::Closed,
        Self::Operation,
    ];

    /// The word used for OpenTelemetry's `error.type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Connect => "connect",
            Self::Auth => "auth",
            Self::Timeout => "timeout",
            Self::Overloaded => "overloaded",
            Self::Closed => "closed",
            Self::Operation => "operation",
        }
    }

    /// Whether the same attempt may succeed a moment later: connection, time limit, overload.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        matches!(self, Self::Connect | Self::Timeout | Self::Overloaded)
    }

    /// What a person would do about it.
    pub(super) const fn remedy(self) -> &'static str {
        match self {
            Self::Config => "correct the configuration",
            Self::Connect => {
                "check that the server is up, and its address, port and TLS; a lost one is retried"
            }
            Self::Auth => "check the user, the password and the user's rights",
            Self::Timeout => "check whether the server is frozen or overloaded, or raise the limit",
            Self::Overloaded => "send less at once, or raise the bound",
            Self::Closed => "the resource is shut down; make a new one to connect again",
            Self::Operation => "correct the operation",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a failed operation can have changed anything on the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It certainly was not applied: it never left, or the server refused it.
    NotApplied,
    /// It may have been applied: the answer was lost, or came too late.
    Unknown,
}

/// What [`Backend::classify`](crate::Backend::classify) says of a driver's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Class {
    /// What went wrong.
    pub kind: ErrorKind,
    /// Whether the operation can have been applied.
    pub outcome: Outcome,
}

impl Class {
    /// An error of an operation that certainly had no effect.
    #[must_use]
    pub const fn not_applied(kind: ErrorKind) -> Self {
        Self { kind, outcome: Outcome::NotApplied }
    }

    /// An error of an operation that may have had its effect.
    #[must_use]
    pub const fn unknown(kind: ErrorKind) -> Self {
        Self { kind, outcome: Outcome::Unknown }
    }
}
