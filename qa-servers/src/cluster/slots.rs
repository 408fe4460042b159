//! What a node of a Redis Cluster says of itself and the others.

use crate::speak::Answer;

/// How many slots there are.
pub(super) const SLOTS: u16 = 16_384;

/// One line of `CLUSTER NODES`.
#[derive(Debug)]
pub(super) struct Line<'a> {
    pub(super) id: &'a str,
    flags: &'a str,
    /// The id of the master that it replicates; `-` of a master.
    pub(super) master: &'a str,
    /// The later one counts where two claim a slot.
    pub(super) epoch: u64,
    linked: bool,
    slots: Vec<&'a str>,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut words = line.split(' ');
        let (id, _place, flags, master) =
            (words.next()?, words.next()?, words.next()?, words.next()?);
        let (_ping, _pong) = (words.next()?, words.next()?);
        let epoch = words.next()?.parse().ok()?;
        let linked = words.next()? == "connected";
        Some(Self { id, flags, master, epoch, linked, slots: words.collect() })
    }

    pub(super) fn is_master(&self) -> bool {
        self.is("master")
    }

    pub(super) fn is_myself(&self) -> bool {
        self.is("myself")
    }

    fn is(&self, flag: &str) -> bool {
        self.flags.split(',').any(|word| word == flag)
    }

    /// Neither down nor new to the one that says so.
    fn is_well(&self) -> bool {
        self.linked && !["fail", "fail?", "handshake", "noaddr"].iter().any(|flag| self.is(flag))
    }

    /// Whether it claims the slot. One that moves, as in `[7->-id]`, stays with its master.
    pub(super) fn has(&self, slot: u16) -> bool {
        self.slots.iter().any(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let bounds = first.parse().ok().zip(last.parse().ok());
            bounds.is_some_and(|(first, last): (u16, u16)| (first..=last).contains(&slot))
        })
    }
}

/// The lines of an answer to `CLUSTER NODES`.
pub(super) fn lines(answer: &str) -> impl Iterator<Item = Line<'_>> {
    answer.lines().filter_map(Line::parse)
}

/// Whether an answer shows `count` nodes that are well, half of them masters and each of those with
/// a replica.
pub(super) fn complete(answer: &str, count: usize) -> Answer<()> {
    let well: Vec<Line<'_>> = lines(answer).filter(Line::is_well).collect();
    let masters: Vec<&Line<'_>> = well.iter().filter(|line| line.is_master()).collect();
    let replicated = |master: &&&Line<'_>| well.iter().any(|line| line.master == master.id);
    let replicated = masters.iter().filter(replicated).count();
    if (well.len(), masters.len(), replicated) == (count, count / 2, count / 2) {
        return Ok(());
    }
    let (well, masters) = (well.len(), masters.len());
    Err(format!("of {count} nodes {well} are well, {masters} are masters, {replicated} replicated"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "\
a1 127.0.0.1:1@11 myself,master - 0 7 3 connected 0-5460 5462 [7->-b2]
b2 127.0.0.1:2@12 slave a1 0 7 3 connected
";

    #[test]
    fn a_node_is_read_with_its_slots() {
        let all: Vec<Line<'_>> = lines(ANSWER).collect();
        assert!(all[0].is_myself() && all[0].is_master() && !all[1].is_master());
        assert_eq!((all[0].epoch, all[1].master), (3, "a1"));
        let owned = |slot| all[0].has(slot);
        assert_eq!([0, 7, 5460, 5461, 5462].map(owned), [true, true, true, false, true]);
        assert!(!all[1].has(7));
    }

    #[test]
    fn a_cluster_is_complete_when_all_are_well_and_every_master_has_a_replica() {
        complete(ANSWER, 2).unwrap();
        for (from, to) in [("b2 ", "b2\n"), (" slave", " slave,fail?"), ("a1 0 7", "c3 0 7")] {
            complete(&ANSWER.replace(from, to), 2).unwrap_err();
        }
    }
}
