//! Who has which slots, as one node sees it.

use super::slot::SLOTS;
use super::value::{items, number, text};
use crate::place::Place;
use redis::{ErrorKind, RedisError, RedisResult, Value};

/// A master and who stands by to take its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shard {
    pub(super) master: Place,
    pub(super) replicas: Vec<Place>,
}

/// Slots that follow each other and belong to one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    first: u16,
    last: u16,
    shard: usize,
}

/// The cluster's masters, their replicas, and their slots. Two that say the same are equal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Map {
    pub(super) shards: Vec<Shard>,
    /// In order, and none twice.
    ranges: Vec<Range>,
}

impl Map {
    /// Reads what this node answered to `CLUSTER SLOTS`. A node that does not know its own address
    /// leaves it out: it is the one that was asked.
    pub(super) fn read(answer: &Value, asked: &Place) -> RedisResult<Self> {
        let mut claims = Vec::new();
        for entry in items(answer) {
            let [first, last, master, replicas @ ..] = items(entry) else { return Err(garbled()) };
            let (Some(first), Some(last)) = (slot(first), slot(last)) else {
                return Err(garbled());
            };
            if first > last {
                return Err(garbled());
            }
            let master = place(master, asked).ok_or_else(garbled)?;
            let mut replicas: Vec<_> =
                replicas.iter().filter_map(|replica| place(replica, asked)).collect();
            replicas.sort_unstable();
            claims.push((first, last, Shard { master, replicas }));
        }
        Ok(Self::of(claims))
    }

    fn of(mut claims: Vec<(u16, u16, Shard)>) -> Self {
        claims.sort_unstable();
        let mut shards: Vec<Shard> = claims.iter().map(|(.., shard)| shard.clone()).collect();
        shards.sort_unstable();
        shards.dedup_by(|next, one| next.master == one.master);
        let of_master = |wanted: &Place| shards.iter().position(|shard| shard.master == *wanted);
        let range = |(first, last, shard): &(u16, u16, Shard)| {
            Some(Range { first: *first, last: *last, shard: of_master(&shard.master)? })
        };
        let ranges = claims.iter().filter_map(range).collect();
        Self { shards, ranges }
    }

    /// The shard that has this slot.
    pub(super) fn shard_of(&self, slot: u16) -> Option<usize> {
        let after = self.ranges.partition_point(|range| range.first <= slot);
        let range = self.ranges.get(after.checked_sub(1)?)?;
        (slot <= range.last).then_some(range.shard)
    }

    /// How many slots nobody has.
    pub(super) fn uncovered(&self) -> u32 {
        let covered = self.ranges.iter().map(|range| u32::from(range.last - range.first) + 1);
        u32::from(SLOTS).saturating_sub(covered.sum())
    }
}

fn slot(value: &Value) -> Option<u16> {
    u16::try_from(number(value)?).ok().filter(|slot| *slot < SLOTS)
}

/// A node: its preferred address, its port, and more that does not matter here.
fn place(node: &Value, asked: &Place) -> Option<Place> {
    let [address, port, ..] = items(node) else { return None };
    let host = match text(address) {
        // Unknown to who answers: `cluster-preferred-endpoint-type unknown-endpoint`.
        None | Some(b"" | b"?") => asked.host.clone(),
        Some(host) => String::from_utf8(host.to_vec()).ok()?,
    };
    let port = u16::try_from(number(port)?).ok()?;
    Some(Place { host, port })
}

fn garbled() -> RedisError {
    (ErrorKind::Parse, "what the server says of its cluster can't be read").into()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::cluster) fn at(port: u16) -> Place {
        Place { host: "h".into(), port }
    }

    fn node(host: &str, port: i64) -> Value {
        Value::Array(vec![
            Value::BulkString(host.into()),
            Value::Int(port),
            Value::BulkString(b"an id".to_vec()),
            Value::Array(vec![]),
        ])
    }

    fn range(first: i64, last: i64, nodes: &[(&str, i64)]) -> Value {
        let nodes = nodes.iter().map(|(host, port)| node(host, *port));
        Value::Array([Value::Int(first), Value::Int(last)].into_iter().chain(nodes).collect())
    }

    #[test]
    fn every_slot_has_its_shard_whatever_the_order() {
        let entries = vec![
            range(10_923, 16_383, &[("h", 3), ("h", 103)]),
            range(0, 99, &[("h", 1), ("h", 102), ("h", 101)]),
            range(200, 5_460, &[("h", 1), ("h", 101), ("h", 102)]),
            range(100, 199, &[("h", 2)]),
        ];
        let asked = at(9);
        let read = Map::read(&Value::Array(entries.clone()), &asked).unwrap();
        let master = |slot| read.shard_of(slot).map(|shard| read.shards[shard].master.port);
        let slots = [0, 99, 100, 199, 200, 5_460, 5_461, 10_922, 10_923, 16_383];
        let masters = [1, 1, 2, 2, 1, 1, 0, 0, 3, 3].map(|port| (port > 0).then_some(port));
        assert_eq!(slots.map(master), masters);
        assert_eq!(read.uncovered(), 10_922 - 5_461 + 1);
        assert_eq!(read.shards[0].replicas, [at(101), at(102)]);

        let reversed = entries.into_iter().rev().collect();
        assert_eq!(Map::read(&Value::Array(reversed), &asked).unwrap(), read);
    }

    #[test]
    fn who_does_not_know_its_address_is_who_was_asked() {
        let mut nameless = node("", 7);
        if let Value::Array(parts) = &mut nameless {
            parts[0] = Value::Nil;
        }
        for unknown in [node("", 7), node("?", 7), nameless] {
            let entry = Value::Array(vec![Value::Int(0), Value::Int(1), unknown]);
            let read = Map::read(&Value::Array(vec![entry]), &at(9)).unwrap();
            assert_eq!(read.shards[0].master, at(7));
        }
    }

    #[test]
    fn nonsense_is_an_error_and_nothing_is_a_map_without_slots() {
        let asked = at(9);
        let empty = Map::read(&Value::Array(vec![]), &asked).unwrap();
        assert_eq!((empty.shard_of(0), empty.uncovered()), (None, u32::from(SLOTS)));
        for entry in [
            Value::Int(1),
            Value::Array(vec![Value::Int(0)]),
            range(0, 16_384, &[("h", 1)]),
            range(-1, 5, &[("h", 1)]),
            range(6, 5, &[("h", 1)]),
            range(0, 5, &[("h", 70_000)]),
        ] {
            assert!(Map::read(&Value::Array(vec![entry]), &asked).is_err());
        }
    }
}
