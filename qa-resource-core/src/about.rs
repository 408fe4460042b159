//! What a server says about itself.

use std::time::Duration;

/// What a server says about itself, for people who look at it; what it does not say is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Its version, as it writes it: `7.0.15`.
    pub version: Option<String>,
    /// What its clock showed when it answered, as the time since the beginning of 1970 (UTC).
    pub clock: Option<Duration>,
}
