//! What a server says to a subscriber, in RESP2 and RESP3 alike.

use super::Topic;
use super::event::Message;
use redis::{PushKind, RedisResult, ServerError, Value, from_redis_value};

#[derive(Debug, PartialEq)]
pub(super) enum Word {
    Message(Message),
    Subscribed(Topic),
    Unsubscribed(Topic),
    Refused(ServerError),
    /// A sign of life.
    Other,
}

impl Word {
    /// # Errors
    /// Where it is nothing that Redis says.
    pub(super) fn of(value: Value) -> RedisResult<Self> {
        match value {
            Value::Push { kind, data } => Self::named(&kind, data),
            // RESP2 says the kind first.
            Value::Array(mut parts) if !parts.is_empty() => {
                let kind: String = from_redis_value(parts.remove(0))?;
                Self::named(&kind_of(&kind), parts)
            }
            Value::ServerError(error) => Ok(Self::Refused(error)),
            _ => Ok(Self::Other),
        }
    }

    fn named(kind: &PushKind, parts: Vec<Value>) -> RedisResult<Self> {
        let mut parts = parts.into_iter();
        let mut text = || from_redis_value::<String>(parts.next().unwrap_or(Value::Nil));
        Ok(match kind {
            PushKind::Subscribe => Self::Subscribed(Topic::Channel(text()?)),
            PushKind::PSubscribe => Self::Subscribed(Topic::Pattern(text()?)),
            PushKind::SSubscribe => Self::Subscribed(Topic::Sharded(text()?)),
            PushKind::Unsubscribe => unsubscribed(text().ok().map(Topic::Channel)),
            PushKind::PUnsubscribe => unsubscribed(text().ok().map(Topic::Pattern)),
            PushKind::SUnsubscribe => unsubscribed(text().ok().map(Topic::Sharded)),
            PushKind::Message => {
                let channel = text()?;
                message(Topic::Channel(channel.clone()), channel, parts.next())?
            }
            PushKind::SMessage => {
                let channel = text()?;
                message(Topic::Sharded(channel.clone()), channel, parts.next())?
            }
            PushKind::PMessage => {
                let (pattern, channel) = (text()?, text()?);
                message(Topic::Pattern(pattern), channel, parts.next())?
            }
            _ => Self::Other,
        })
    }
}

/// Of nothing, where nothing was subscribed to.
fn unsubscribed(topic: Option<Topic>) -> Word {
    topic.map_or(Word::Other, Word::Unsubscribed)
}

fn message(topic: Topic, channel: String, payload: Option<Value>) -> RedisResult<Word> {
    let payload = from_redis_value(payload.unwrap_or(Value::Nil))?;
    Ok(Word::Message(Message { topic, channel, payload }))
}

fn kind_of(word: &str) -> PushKind {
    match word {
        "message" => PushKind::Message,
        "pmessage" => PushKind::PMessage,
        "smessage" => PushKind::SMessage,
        "subscribe" => PushKind::Subscribe,
        "psubscribe" => PushKind::PSubscribe,
        "ssubscribe" => PushKind::SSubscribe,
        "unsubscribe" => PushKind::Unsubscribe,
        "punsubscribe" => PushKind::PUnsubscribe,
        "sunsubscribe" => PushKind::SUnsubscribe,
        other => PushKind::Other(other.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(packed: &str) -> Word {
        Word::of(redis::parse_redis_value(packed.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn both_protocols_say_the_same() {
        for sign in ['*', '>'] {
            let said = |parts: &[&str]| {
                let mut packed = format!("{sign}{}\r\n", parts.len());
                for part in parts {
                    packed.extend(["$", &part.len().to_string(), "\r\n", part, "\r\n"]);
                }
                word(&packed)
            };
            let message = |topic, channel: &str| {
                let (channel, payload) = (channel.to_owned(), b"9.5".to_vec());
                Word::Message(Message { topic, channel, payload })
            };
            assert_eq!(said(&["message", "a", "9.5"]), message("a".into(), "a"));
            let sharded = Topic::Sharded("a".into());
            assert_eq!(said(&["smessage", "a", "9.5"]), message(sharded.clone(), "a"));
            let pattern = Topic::Pattern("a*".into());
            assert_eq!(said(&["pmessage", "a*", "ab", "9.5"]), message(pattern.clone(), "ab"));
            assert_eq!(said(&["subscribe", "a", "1"]), Word::Subscribed("a".into()));
            assert_eq!(said(&["psubscribe", "a*", "2"]), Word::Subscribed(pattern.clone()));
            assert_eq!(said(&["ssubscribe", "a", "1"]), Word::Subscribed(sharded.clone()));
            assert_eq!(said(&["punsubscribe", "a*", "0"]), Word::Unsubscribed(pattern));
            assert_eq!(said(&["sunsubscribe", "a", "0"]), Word::Unsubscribed(sharded));
            assert_eq!(said(&["pong", ""]), Word::Other);
        }
        assert_eq!(word("+PONG\r\n"), Word::Other);
        assert!(matches!(word("-NOPERM no\r\n"), Word::Refused(_)));
        assert_eq!(word("*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n"), Word::Other);
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        let broken = redis::parse_redis_value(b"*2\r\n$7\r\nmessage\r\n$-1\r\n").unwrap();
        assert!(Word::of(broken).is_err());
    }
}
