//! Which versions of the servers are too old.

/// The oldest that does what the library asks for, and what an older one lacks.
const OLDEST: [(&str, (u32, u32), &str); 4] = [
    ("mongodb", (4, 2), "the driver speaks to no older one"),
    ("rabbitmq", (3, 8), "older ones have no quorum queues"),
    ("clickhouse", (22, 3), "older ones do not take the settings that inserts are sent with"),
    ("redis", (6, 0), "older ones have no users and no RESP3"),
];

/// What the version lacks, and which is the oldest that does not, where it is too old.
pub(super) fn lacks(system: &str, version: &str) -> Option<(String, &'static str)> {
    let (_, oldest, why) = OLDEST.iter().find(|(of, ..)| *of == system)?;
    let (major, minor) = oldest;
    (number(version)? < *oldest).then(|| (format!("{major}.{minor}"), *why))
}

/// The first two numbers. Valkey's begin where Redis' were when it left.
fn number(version: &str) -> Option<(u32, u32)> {
    let digits = version.find(|c: char| c.is_ascii_digit())?;
    let mut parts = version[digits..].split('.').map(|part| {
        let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part[..end].parse().ok()
    });
    Some((parts.next()??, parts.next().flatten().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_older_than_the_oldest_lacks_something() {
        for (system, version, oldest) in [
            ("redis", "5.0.14", Some("6.0")),
            ("redis", "7.0.15", None),
            ("redis", "valkey 8.1.1", None),
            ("mongodb", "4.0.28", Some("4.2")),
            ("mongodb", "6.0.5", None),
            ("rabbitmq", "3.7.28", Some("3.8")),
            ("rabbitmq", "4.0.5", None),
            ("clickhouse", "26.9.2.1", None),
            ("clickhouse", "21.8.15.7", Some("22.3")),
            ("redis", "unstable", None),
            ("elsewhere", "1", None),
        ] {
            let found = lacks(system, version).map(|(oldest, _)| oldest);
            assert_eq!(found.as_deref(), oldest, "{system} {version}");
        }
    }
}
