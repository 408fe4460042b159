//! Every key of the file: what it takes and what it means. The schema, the list of what is in force
//! and the errors are made from these tables.

use qa_resource_core::Settings;
use serde_json::{Map, Value};

/// What a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A text such as `5s`.
    Duration,
    /// A number from 0.
    Count,
    Flag,
    Text,
    /// A text that is never shown.
    Secret,
    /// The path of a file.
    Path,
}

/// A key: its name, what it takes, and what it means.
pub(super) type Key = (&'static str, Kind, &'static str);

/// What the file has beside its resources.
pub(super) const WHOLE: [Key; 1] =
    [("shutdown_timeout", Kind::Duration, "how long the shutdown of all may take")];

/// What a resource has beside its settings and the table `tls`.
pub(super) const OWN: [Key; 8] = [
    ("name", Kind::Text, "its name, in the pool, in errors, logs and metrics, and at the server"),
    ("url", Kind::Secret, "where it is; may hold ${VARIABLES}"),
    ("url_file", Kind::Path, "a file with the url in it"),
    ("user", Kind::Secret, "instead of the URL's; may hold ${VARIABLES}"),
    ("user_file", Kind::Path, "a file with the user in it, read at each connect"),
    ("password", Kind::Secret, "instead of the URL's; may hold ${VARIABLES}"),
    ("password_file", Kind::Path, "a file with the password in it, read at each connect"),
    ("required", Kind::Flag, "whether the pool can't do without it"),
];

/// The keys of the table `tls`.
pub(super) const TLS: [Key; 3] = [
    ("ca_file", Kind::Path, "authorities to trust instead of the system's"),
    ("certificate_file", Kind::Path, "our certificate and what is between it and the root"),
    ("key_file", Kind::Path, "the private key of certificate_file"),
];

/// The keys of the table `group`, beside `members`.
pub(super) const GROUP: [Key; 6] = [
    ("policy", Kind::Text, "how a member is chosen: least-loaded, round-robin or failover"),
    (
        "failback_after",
        Kind::Duration,
        "how long a member must be well before a failover goes back to it",
    ),
    ("ejection_failures", Kind::Count, "failures in a row after which a member is left out"),
    (
        "ejection_first",
        Kind::Duration,
        "for how long the first time; doubled with each probe that fails",
    ),
    ("ejection_longest", Kind::Duration, "for how long at the most"),
    ("weight", Kind::Count, "the weight of the url's own server"),
];

/// The keys of each of the group's `members`.
pub(super) const MEMBER: [Key; 2] = [
    ("host", Kind::Text, "host or host:port; with the login, path and options of the url"),
    ("weight", Kind::Count, "how much of the work it is to have next to the others"),
];

/// The settings, in the order of [`Settings`].
pub(super) const SETTINGS: [Key; 15] = [
    ("connect_timeout", Kind::Duration, "limit for one connect attempt"),
    ("connect_attempts", Kind::Count, "attempts after which the first connect gives up"),
    ("connect_deadline", Kind::Duration, "time after which the first connect gives up"),
    ("acquire_timeout", Kind::Duration, "limit for waiting until a lease can be had"),
    ("operation_timeout", Kind::Duration, "limit for one run all told"),
    ("close_timeout", Kind::Duration, "limit for saying goodbye to one client"),
    ("backoff_floor", Kind::Duration, "shortest delay between two connect attempts"),
    ("backoff_cap", Kind::Duration, "longest delay between two connect attempts"),
    ("health_interval", Kind::Duration, "time between two pings of a healthy connection"),
    ("health_timeout", Kind::Duration, "limit for one ping"),
    ("health_failures", Kind::Count, "pings that must fail in a row before a loss"),
    ("health_successes", Kind::Count, "pings that must succeed in a row after a reconnect"),
    ("max_in_flight", Kind::Count, "operations of run under way on one connection at once"),
    ("retry_attempts", Kind::Count, "attempts of one run, the first included"),
    ("leak_threshold", Kind::Duration, "how long a lease may be out before it is reported"),
];

/// The settings as the file would have them; `null` where one is not set.
pub(super) fn settings(settings: &Settings) -> Map<String, Value> {
    match serde_json::to_value(settings) {
        Ok(Value::Object(map)) => map,
        _ => unreachable!("settings are plain data with names"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_setting_and_what_it_takes() {
        let defaults = settings(&Settings::default());
        assert_eq!(defaults.len(), SETTINGS.len());
        for (name, kind, _) in SETTINGS {
            let expected = if defaults[name].is_string() { Kind::Duration } else { Kind::Count };
            assert_eq!(kind, expected, "{name}");
        }
    }
}
