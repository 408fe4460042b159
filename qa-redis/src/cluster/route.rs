//! Whom a command is for.

use super::commands::{Ask, Commands, Join, Keys, Spec};
use super::slot::slot_of;
use redis::{Arg, Cmd};
use std::collections::BTreeMap;

/// Whom one command is for.
#[derive(Debug, PartialEq)]
pub(super) enum Route {
    /// Who has the slot.
    Slot {
        slot: u16,
        reads_only: bool,
    },
    Anybody,
    EachMaster(Join),
    EachNode(Join),
    /// Several, each with some of the keys.
    Parts(Vec<Part>, Join),
}

/// What of a command is about the keys of one slot.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) slot: u16,
    pub(super) reads_only: bool,
    pub(super) command: Cmd,
    /// Where its keys stood among those of the whole.
    pub(super) places: Vec<usize>,
}

impl PartialEq for Part {
    fn eq(&self, other: &Self) -> bool {
        let packed = |part: &Self| part.command.get_packed_command();
        (self.slot, self.reads_only, &self.places) == (other.slot, other.reads_only, &other.places)
            && packed(self) == packed(other)
    }
}

pub(super) fn route(command: &Cmd, commands: &Commands) -> Route {
    let mut words = words(command);
    let (name, next) = (words.next().unwrap_or_default(), words.next());
    let spec = commands.spec(name, next);
    match spec.ask {
        Ask::EachMaster => return Route::EachMaster(spec.join),
        Ask::EachNode => return Route::EachNode(spec.join),
        Ask::EachOfItsKeys => {
            if let Some(parts) = parts(command, spec) {
                return Route::Parts(parts, spec.join);
            }
        }
        Ask::One => {}
    }
    match first_key(command, spec.keys) {
        Some(key) => Route::Slot { slot: slot_of(key), reads_only: spec.reads_only },
        None => Route::Anybody,
    }
}

/// Whether it only reads keys, so that a replica may answer it.
pub(crate) fn only_reads(command: &Cmd, commands: &Commands) -> bool {
    let mut words = words(command);
    let spec = commands.spec(words.next().unwrap_or_default(), words.next());
    spec.reads_only && first_key(command, spec.keys).is_some()
}

/// What it says, word by word, its name first.
fn words(command: &Cmd) -> impl Iterator<Item = &[u8]> {
    command.args_iter().map(|argument| match argument {
        Arg::Simple(bytes) => bytes,
        // A cursor, which is never a key.
        _ => b"0",
    })
}

fn first_key(command: &Cmd, keys: Keys) -> Option<&[u8]> {
    let mut words = words(command);
    match keys {
        Keys::None => None,
        Keys::Every { first, .. } => words.nth(first),
        Keys::Counted(at) => {
            let count = std::str::from_utf8(words.nth(at)?).ok()?;
            if count == "0" { None } else { words.next() }
        }
        Keys::After(word) => {
            words.find(|argument| argument.eq_ignore_ascii_case(word.as_bytes()))?;
            words.next()
        }
    }
}

/// A key and what belongs to it, and where it stood among the keys.
type Group<'a> = (usize, &'a [&'a [u8]]);

/// The command in parts by its keys' slots; `None` where they are all in one, or where it has none.
fn parts(command: &Cmd, spec: Spec) -> Option<Vec<Part>> {
    let Keys::Every { first, last, step } = spec.keys else { return None };
    let words: Vec<_> = words(command).collect();
    let end = match usize::try_from(last) {
        Ok(last) => last.max(first) + step,
        // The last is counted from the end: -1 is the last argument, of which the key's group is full.
        Err(_) => (words.len() + 1).checked_sub(usize::try_from(last.unsigned_abs()).ok()?)?,
    };
    let keys = words.get(first..end.min(words.len()))?;
    let mut by_slot: BTreeMap<u16, Vec<Group>> = BTreeMap::new();
    for (place, group) in keys.chunks(step).enumerate() {
        by_slot.entry(slot_of(group[0])).or_default().push((place, group));
    }
    if by_slot.len() < 2 {
        return None;
    }
    let (head, tail) = (&words[..first], &words[end.min(words.len())..]);
    let part = |(slot, groups): (u16, Vec<Group>)| {
        let own = groups.iter().flat_map(|(_, group)| group.iter());
        let mut command = Cmd::new();
        for word in head.iter().chain(own).chain(tail) {
            command.arg(*word);
        }
        let places = groups.iter().map(|(place, _)| *place).collect();
        Part { slot, reads_only: spec.reads_only, command, places }
    };
    Some(by_slot.into_iter().map(part).collect())
}

#[cfg(test)]
mod tests {
    use super::super::commands::tests::some;
    use super::*;

    fn command(text: &str) -> Cmd {
        let mut command = Cmd::new();
        for word in text.split(' ') {
            command.arg(word);
        }
        command
    }

    fn routed(text: &str) -> Route {
        route(&command(text), &some())
    }

    fn to(key: &str, reads_only: bool) -> Route {
        Route::Slot { slot: slot_of(key.as_bytes()), reads_only }
    }

    #[test]
    fn a_command_goes_to_its_first_key_wherever_that_stands() {
        assert_eq!(routed("get k"), to("k", true));
        assert_eq!(routed("SET k v"), to("k", false));
        assert_eq!(routed("evalsha sha 2 k l argument"), to("k", false));
        assert_eq!(routed("evalsha sha 0 argument"), Route::Anybody);
        assert_eq!(routed("xreadgroup group g me count 1 streams k l 0 0"), to("k", false));
        assert_eq!(routed("blmpop 1.5 2 k l left"), to("k", false));
        assert_eq!(routed("xgroup create k g $"), to("k", false));
        assert_eq!(routed("rename k l"), to("k", false));
        assert_eq!(routed("strange k"), to("k", false));
        for text in ["publish channel text", "strange", "get", "evalsha sha", "xreadgroup k"] {
            assert_eq!(routed(text), Route::Anybody, "{text}");
        }
        assert_eq!(route(&Cmd::new(), &some()), Route::Anybody);
    }

    #[test]
    fn what_is_about_all_keys_goes_to_all() {
        assert_eq!(routed("keys *"), Route::EachMaster(Join::Lists));
        assert_eq!(routed("script load x"), Route::EachNode(Join::AllSucceeded));
        assert_eq!(routed("info"), Route::Anybody);
    }

    #[test]
    fn many_keys_are_split_by_slot_and_keep_their_places() {
        let Route::Parts(parts, join) = routed("mset a 1 b 2 {a}c 3 d 4") else { panic!() };
        assert_eq!(join, Join::AllSucceeded);
        let mut seen: Vec<_> = parts
            .iter()
            .map(|part| (part.places.clone(), part.command.get_packed_command()))
            .collect();
        seen.sort();
        let expected =
            [("mset a 1 {a}c 3", vec![0, 2]), ("mset b 2", vec![1]), ("mset d 4", vec![3])];
        let expected = expected.map(|(text, places)| (places, command(text).get_packed_command()));
        assert_eq!(seen, expected);
        assert!(parts.iter().all(|part| !part.reads_only));

        assert_eq!(routed("mget {a}1 {a}2"), to("a", true));
        assert_eq!(routed("del k"), to("k", false));
        assert_eq!(routed("mget"), Route::Anybody);
        // The server says what is wrong with it.
        assert!(matches!(routed("mset a 1 b"), Route::Parts(parts, _) if parts.len() == 2));
    }
}
