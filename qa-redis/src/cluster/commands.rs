//! What the server says of its commands: where their keys are, whether they only read, and who is to
//! answer them.
//!
//! <https://redis.io/docs/latest/commands/command/> and
//! <https://redis.io/docs/latest/develop/reference/command-tips/>. Servers before 7.0 give no tips; those
//! of the commands that matter are known here.

use super::value::{items, number, text};
use crate::session::Session;
use redis::{ErrorKind, RedisResult, ServerErrorKind, Value};
use std::collections::HashMap;

/// Longer than any name of a command with its subcommand.
const LONGEST: usize = 64;

/// Where a command's keys are among its arguments, the command itself being the first, 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keys {
    None,
    /// Each `step`th from `first` to `last`, which counts from the end where it is negative.
    Every {
        first: usize,
        last: i64,
        step: usize,
    },
    /// As many as that argument says, right after it.
    Counted(usize),
    /// The first half of what comes after this word.
    After(&'static str),
}

/// Who is to be asked (`request_policy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// Who has the keys; anybody, where there are none.
    One,
    EachMaster,
    EachNode,
    /// Each that has some of the keys.
    EachOfItsKeys,
}

/// How several answers become one (`response_policy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Join {
    /// Of many keys: in their order. Else all that the lists have.
    Lists,
    OneSucceeded,
    AllSucceeded,
    Sum,
    Min,
    Max,
    And,
    Or,
}

/// One command, or a subcommand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spec {
    pub(super) keys: Keys,
    pub(super) reads_only: bool,
    pub(super) ask: Ask,
    pub(super) join: Join,
}

impl Spec {
    /// What is taken of a command that the server does not know or did not tell about.
    const UNKNOWN: Self = Self {
        keys: Keys::Every { first: 1, last: 1, step: 1 },
        reads_only: false,
        ask: Ask::One,
        join: Join::Lists,
    };
}

/// All of them, by their names in lower case; subcommands as in `xgroup|create`.
#[derive(Debug)]
pub(crate) struct Commands(HashMap<Vec<u8>, Spec>);

impl Commands {
    /// Reads what a server answered to `COMMAND`.
    pub(super) fn read(answer: &Value) -> Self {
        let mut commands = HashMap::new();
        for entry in items(answer) {
            note(&mut commands, entry);
        }
        Self(commands)
    }

    /// Of a command with these first two words.
    pub(super) fn spec(&self, name: &[u8], next: Option<&[u8]>) -> Spec {
        let mut room = [0; LONGEST];
        let Some(alone) = lower(&mut room, 0, name) else { return Spec::UNKNOWN };
        let with_next = next.and_then(|next| {
            room[alone] = b'|';
            let end = lower(&mut room, alone + 1, next)?;
            self.0.get(&room[..end]).copied()
        });
        let known = with_next.or_else(|| self.0.get(&room[..alone]).copied());
        known.unwrap_or(Spec::UNKNOWN)
    }
}

/// What the server says of its commands. Of a user who may not ask, every command's key is taken to
/// be its first argument, and none to only read.
pub(crate) async fn known_commands(session: &mut Session) -> RedisResult<Commands> {
    let answer: RedisResult<Value> =
        redis::cmd("COMMAND").query_async(&mut session.connection).await;
    match answer {
        Ok(answer) => Ok(Commands::read(&answer)),
        Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm) => {
            tracing::warn!(
                "the user may not ask for COMMAND: of scripts and other commands whose key is not \
                 their first argument, the node can't be told"
            );
            Ok(Commands::read(&Value::Nil))
        }
        Err(error) => Err(error),
    }
}

/// Writes the word there in lower case, and gives where it ends; `None` where it does not fit.
fn lower(room: &mut [u8; LONGEST], at: usize, word: &[u8]) -> Option<usize> {
    let end = at + word.len();
    // There is always room for what separates it from a subcommand.
    let place = room[..LONGEST - 1].get_mut(at..end)?;
    place.copy_from_slice(word);
    place.make_ascii_lowercase();
    Some(end)
}

/// Notes one entry and its subcommands: name, arity, flags, first key, last key, step, and from 6.0
/// on categories, from 7.0 on tips, keys' specifications, subcommands.
fn note(commands: &mut HashMap<Vec<u8>, Spec>, entry: &Value) {
    let [name, _, flags, first, last, step, rest @ ..] = items(entry) else { return };
    let Some(name) = text(name).map(<[u8]>::to_ascii_lowercase) else { return };
    let positions = || {
        let first = usize::try_from(number(first)?).ok().filter(|first| *first > 0)?;
        let step = usize::try_from(number(step)?).ok()?.max(1);
        Some(Keys::Every { first, last: number(last)?, step })
    };
    let keys = moving(&name).or_else(positions).unwrap_or(Keys::None);
    let reads_only = items(flags).iter().any(|flag| text(flag) == Some(b"readonly"));
    let (ask, join) = rest.get(1).map_or_else(|| known(&name), |tips| told(items(tips)));
    for subcommand in rest.get(3).map(items).unwrap_or_default() {
        note(commands, subcommand);
    }
    commands.insert(name, Spec { keys, reads_only, ask, join });
}

/// Those whose keys are found by another argument.
fn moving(name: &[u8]) -> Option<Keys> {
    match name {
        b"eval" | b"evalsha" | b"eval_ro" | b"evalsha_ro" | b"fcall" | b"fcall_ro" | b"blmpop"
        | b"bzmpop" => Some(Keys::Counted(2)),
        b"zunion" | b"zinter" | b"zdiff" | b"zintercard" | b"sintercard" | b"lmpop" | b"zmpop" => {
            Some(Keys::Counted(1))
        }
        b"xread" | b"xreadgroup" => Some(Keys::After("STREAMS")),
        _ => None,
    }
}

/// What the tips say. What is special (`SCAN`, `INFO`) is for one server.
fn told(tips: &[Value]) -> (Ask, Join) {
    let (mut ask, mut join) = (Ask::One, Join::Lists);
    for tip in tips.iter().filter_map(text) {
        match tip {
            b"request_policy:all_nodes" => ask = Ask::EachNode,
            b"request_policy:all_shards" => ask = Ask::EachMaster,
            b"request_policy:multi_shard" => ask = Ask::EachOfItsKeys,
            b"response_policy:one_succeeded" => join = Join::OneSucceeded,
            b"response_policy:all_succeeded" => join = Join::AllSucceeded,
            b"response_policy:agg_sum" => join = Join::Sum,
            b"response_policy:agg_min" => join = Join::Min,
            b"response_policy:agg_max" => join = Join::Max,
            b"response_policy:agg_logical_and" => join = Join::And,
            b"response_policy:agg_logical_or" => join = Join::Or,
            // One server's answer is as good as another's, or can't be put together.
            b"response_policy:special" => return (Ask::One, Join::Lists),
            _ => {}
        }
    }
    (ask, join)
}

/// The tips of 7.0, for servers that give none.
fn known(name: &[u8]) -> (Ask, Join) {
    match name {
        b"mget" => (Ask::EachOfItsKeys, Join::Lists),
        b"mset" => (Ask::EachOfItsKeys, Join::AllSucceeded),
        b"del" | b"unlink" | b"exists" | b"touch" => (Ask::EachOfItsKeys, Join::Sum),
        b"dbsize" => (Ask::EachMaster, Join::Sum),
        b"keys" => (Ask::EachMaster, Join::Lists),
        b"wait" => (Ask::EachMaster, Join::Min),
        b"flushall" | b"flushdb" | b"ping" => (Ask::EachMaster, Join::AllSucceeded),
        // `LOAD` and `FLUSH` say OK and `EXISTS` which: of all of them what all agree on.
        b"script" => (Ask::EachMaster, Join::And),
        _ => (Ask::One, Join::Lists),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn word(text: &str) -> Value {
        Value::SimpleString(text.to_owned())
    }

    fn words(texts: &[&str]) -> Value {
        Value::Array(texts.iter().map(|text| word(text)).collect())
    }

    /// An entry as 7.0 gives it.
    fn entry(
        name: &str,
        flags: &[&str],
        keys: [i64; 3],
        tips: &[&str],
        subcommands: Vec<Value>,
    ) -> Value {
        let [first, last, step] = keys.map(Value::Int);
        let (categories, specs) = (words(&["@all"]), Value::Array(vec![]));
        Value::Array(vec![
            Value::BulkString(name.into()),
            Value::Int(-2),
            words(flags),
            first,
            last,
            step,
            categories,
            words(tips),
            specs,
            Value::Array(subcommands),
        ])
    }

    /// Some of those that a server of 7.0 has.
    pub(in crate::cluster) fn some() -> Commands {
        let load = ["request_policy:all_nodes", "response_policy:all_succeeded"];
        let summed = ["request_policy:multi_shard", "response_policy:agg_sum"];
        let all = ["request_policy:multi_shard", "response_policy:all_succeeded"];
        Commands::read(&Value::Array(vec![
            entry("get", &["readonly", "fast"], [1, 1, 1], &[], vec![]),
            entry("set", &["write"], [1, 1, 1], &[], vec![]),
            entry("mget", &["readonly"], [1, -1, 1], &["request_policy:multi_shard"], vec![]),
            entry("mset", &["write"], [1, -1, 2], &all, vec![]),
            entry("del", &["write"], [1, -1, 1], &summed, vec![]),
            entry("rename", &["write"], [1, 2, 1], &[], vec![]),
            entry("evalsha", &["movablekeys"], [0, 0, 0], &[], vec![]),
            entry("xreadgroup", &["movablekeys"], [0, 0, 0], &[], vec![]),
            entry("blmpop", &["write", "movablekeys"], [0, 0, 0], &[], vec![]),
            entry("publish", &[], [0, 0, 0], &[], vec![]),
            entry("keys", &["readonly"], [0, 0, 0], &["request_policy:all_shards"], vec![]),
            entry(
                "info",
                &[],
                [0, 0, 0],
                &["request_policy:all_shards", "response_policy:special"],
                vec![],
            ),
            entry(
                "script",
                &[],
                [0, 0, 0],
                &[],
                vec![entry("script|load", &[], [0, 0, 0], &load, vec![])],
            ),
            entry(
                "xgroup",
                &[],
                [0, 0, 0],
                &[],
                vec![entry("xgroup|create", &["write"], [2, 2, 1], &[], vec![])],
            ),
        ]))
    }

    #[test]
    fn what_the_server_says_is_known_however_it_is_written() {
        let commands = some();
        let get = commands.spec(b"GeT", Some(b"key"));
        assert_eq!(get.keys, Keys::Every { first: 1, last: 1, step: 1 });
        assert!(get.reads_only && !commands.spec(b"SET", None).reads_only);
        let create = commands.spec(b"XGROUP", Some(b"Create"));
        assert_eq!(create.keys, Keys::Every { first: 2, last: 2, step: 1 });
        let load = commands.spec(b"script", Some(b"LOAD"));
        assert_eq!((load.ask, load.join), (Ask::EachNode, Join::AllSucceeded));
        let mset = commands.spec(b"mset", Some(b"k"));
        assert_eq!((mset.ask, mset.join), (Ask::EachOfItsKeys, Join::AllSucceeded));
        assert_eq!(commands.spec(b"publish", Some(b"c")).keys, Keys::None);
        assert_eq!(commands.spec(b"INFO", None).ask, Ask::One);
        assert_eq!(commands.spec(b"evalsha", Some(b"x")).keys, Keys::Counted(2));
    }

    #[test]
    fn of_what_is_not_known_the_first_argument_is_the_key() {
        let commands = some();
        let long = [b'x'; 2 * LONGEST];
        for (name, next) in [
            (&b"strange"[..], Some(&b"key"[..])),
            (&long, None),
            (&long[..LONGEST], Some(b"key")),
            (&long[..LONGEST - 1], Some(b"key")),
        ] {
            assert_eq!(commands.spec(name, next), Spec::UNKNOWN);
        }
        assert!(commands.spec(b"get", Some(&long)).reads_only);
    }

    #[test]
    fn servers_before_7_give_no_tips() {
        let old = |name: &str, keys: [i64; 3]| {
            let [first, last, step] = keys.map(Value::Int);
            let name = Value::BulkString(name.into());
            Value::Array(vec![name, Value::Int(-2), words(&[]), first, last, step])
        };
        let commands = Commands::read(&Value::Array(vec![
            old("mget", [1, -1, 1]),
            old("xread", [1, 1, 1]),
            old("dbsize", [0, 0, 0]),
            Value::Nil,
        ]));
        let mget = commands.spec(b"mget", None);
        assert_eq!((mget.ask, mget.join), (Ask::EachOfItsKeys, Join::Lists));
        assert_eq!(commands.spec(b"xread", None).keys, Keys::After("STREAMS"));
        assert_eq!(commands.spec(b"dbsize", None).join, Join::Sum);
    }
}
