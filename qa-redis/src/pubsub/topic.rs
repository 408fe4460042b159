//! What is subscribed to, and the commands that change it.

use redis::Cmd;
use std::collections::BTreeSet;

/// So many topics are named in one command, so that a long list does not hold up the server.
const AT_ONCE: usize = 256;

/// What a [`Subscription`](crate::Subscription) listens to.
///
/// A text alone is a channel: `"bars.600000".into()`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// One channel (`SUBSCRIBE`).
    Channel(String),
    /// Every channel whose name matches, as in `bars.60*` (`PSUBSCRIBE`).
    Pattern(String),
    /// One channel that belongs to a slot of a cluster (`SSUBSCRIBE`, from Redis 7.0 on), which is
    /// published to with `SPUBLISH`. On a cluster, all of a subscription's have to be in one slot.
    Sharded(String),
}

impl Topic {
    /// Its name or pattern.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Channel(name) | Self::Pattern(name) | Self::Sharded(name) => name,
        }
    }

    /// What `SUBSCRIBE` and `UNSUBSCRIBE` begin with for it.
    fn prefix(&self) -> &'static str {
        match self {
            Self::Channel(_) => "",
            Self::Pattern(_) => "P",
            Self::Sharded(_) => "S",
        }
    }
}

impl From<&str> for Topic {
    fn from(channel: &str) -> Self {
        Self::Channel(channel.to_owned())
    }
}

impl From<String> for Topic {
    fn from(channel: String) -> Self {
        Self::Channel(channel)
    }
}

/// What has to be said to listen to `wanted` instead of to `now`.
pub(super) fn commands(now: &BTreeSet<Topic>, wanted: &BTreeSet<Topic>) -> Vec<Cmd> {
    let mut commands = naming("UNSUBSCRIBE", now.difference(wanted));
    commands.extend(naming("SUBSCRIBE", wanted.difference(now)));
    commands
}

/// The topics come in order, those of a kind together.
fn naming<'a>(verb: &str, topics: impl Iterator<Item = &'a Topic>) -> Vec<Cmd> {
    let topics: Vec<_> = topics.collect();
    let kinds = topics.chunk_by(|one, next| one.prefix() == next.prefix());
    let chunks = kinds.flat_map(|kind| kind.chunks(AT_ONCE));
    chunks
        .map(|chunk| {
            let mut command = redis::cmd(&format!("{}{verb}", chunk[0].prefix()));
            for topic in chunk {
                command.arg(topic.name());
            }
            command
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(now: &[Topic], wanted: &[Topic]) -> Vec<String> {
        let set = |topics: &[Topic]| topics.iter().cloned().collect();
        let text = |command: &Cmd| {
            let packed = String::from_utf8(command.get_packed_command()).unwrap();
            let words = packed.split("\r\n").filter(|word| !word.starts_with(['*', '$']));
            words.collect::<Vec<_>>().join(" ").trim_end().to_owned()
        };
        commands(&set(now), &set(wanted)).iter().map(text).collect()
    }

    #[test]
    fn only_what_changes_is_said() {
        let pattern = Topic::Pattern("p*".into());
        let sharded = Topic::Sharded("s".into());
        assert_eq!(
            texts(&[], &["a".into(), "b".into(), pattern.clone(), sharded.clone()]),
            ["SUBSCRIBE a b", "PSUBSCRIBE p*", "SSUBSCRIBE s"]
        );
        assert_eq!(
            texts(&["a".into(), "b".into(), pattern], &["b".into(), "c".into(), sharded]),
            ["UNSUBSCRIBE a", "PUNSUBSCRIBE p*", "SUBSCRIBE c", "SSUBSCRIBE s"]
        );
        assert!(texts(&["a".into()], &["a".into()]).is_empty());
    }

    #[test]
    fn a_long_list_is_said_in_pieces() {
        let many: Vec<Topic> = (0..=AT_ONCE * 2).map(|n| n.to_string().into()).collect();
        assert_eq!(texts(&[], &many).len(), 3);
    }
}
