//! Why budgets are missed, where that was found out: what of the page is written by hand. Of others, whether the
//! rounds tell them apart from their budget at all.

use crate::row::Row;

/// Of the rows of a benchmark whose contest begins like this, beside this peer.
struct Known {
    id: &'static str,
    contest: &'static str,
    /// Where the contest is one of several: of those with at least so many tasks or resources.
    from: u32,
    peer: &'static str,
    why: &'static str,
}

const KNOWN: &[Known] = &[
    Known {
        id: "B2",
        contest: "GET through `run`",
        from: 0,
        peer: "bare driver",
        why: "`run` adds 0.5 to 0.7 µs to the two or three that a command takes: a lease and the timer of its limit \
              have a fifth of it each, clocks, settings and metrics the rest.",
    },
    Known { id: "B2", contest: "GET", from: 10, peer: "bare driver", why: A_LEASE_EACH },
    Known { id: "B2", contest: "GET", from: 10, peer: "connection-manager", why: A_LEASE_EACH },
    Known { id: "B2", contest: "SET", from: 10, peer: "bare driver", why: A_LEASE_EACH },
    Known {
        id: "B2",
        contest: "SET",
        from: 10,
        peer: "connection-manager",
        why: "It leaves Nagle's algorithm on, which has the kernel join what many tasks write. Ours has it off, so that \
              no command waits for an answer to those before it; with it off there too, ours was 1.04 of it with \
              1,000 tasks.",
    },
    Known {
        id: "B3",
        contest: "through the batcher",
        from: 0,
        peer: "bare Insert of all rows",
        why: "One insert of all rows is one part for the server, and is stored as a whole or not at all. A batcher's \
              end every 50,000 rows, as those of the row below it do.",
    },
    Known {
        id: "B4",
        contest: "bars as rows",
        from: 0,
        peer: "bare driver",
        why: "Some 15 ns of the 250 that a row takes, 0.92 to 0.97 in four runs of 60 rounds. \
              Where they go was looked for, and is not known.",
    },
    Known {
        id: "B5",
        contest: "persistent, confirmed",
        from: 512,
        peer: "bare driver",
        why: "A message takes two microseconds of the processor more than with the bare driver: see the row of its time. \
              In 30 rounds of it alone it was 0.966.",
    },
    Known {
        id: "B7",
        contest: "ClickHouse, SELECT",
        from: 0,
        peer: "clickhouse-driver, kept",
        why: "It speaks the server's native protocol, and ours HTTP, over which the bare driver takes as long: see B6.",
    },
    Known {
        id: "B8",
        contest: "the four in turn",
        from: 0,
        peer: "bare, one after the other",
        why: TWO_CONNECTIONS,
    },
    Known {
        id: "B8",
        contest: "W12",
        from: 0,
        peer: "bare, in cells that are set once",
        why: TWO_CONNECTIONS,
    },
    Known {
        id: "B10",
        contest: "GET",
        from: 0,
        peer: "bare connections",
        why: "A lease for each command, and a count of ours in each clone of the connection that all threads write, \
              take it.",
    },
    Known {
        id: "B14",
        contest: "W5",
        from: 0,
        peer: "pymongo",
        why: "The Rust driver is slower than pymongo here, and ours is faster than the Rust driver: see the row above it.",
    },
    Known {
        id: "B15",
        contest: "W6 a key",
        from: 0,
        peer: "bare driver",
        why: "Ours has the next connection bind it too, and bounds each question: 15 µs of the processor for each of \
              the two, with a cache that is cold, as nothing else happens meanwhile.",
    },
];

const TWO_CONNECTIONS: &str = "RabbitMQ takes nearly all of it, and ours makes two connections to it, one for \
    publishing; and each of the others has answered a ping when it counts as connected.";

const A_LEASE_EACH: &str = "Each command has a lease, and a clone of the driver's connection, whose counts all threads \
    write. With a lease for each task, and so one clone, GET was 1.00 of it, for 100 tasks and for 1,000.";

const WITHIN: &str =
    "The budget is between the quartiles: the rounds differ by more than what is missed.";

/// Says why the row's budget is missed, or nothing where it is met or nobody knows.
pub(crate) fn explain(row: &mut Row) {
    let is_of = |known: &&Known| {
        known.id == row.id
            && known.peer == row.peer_name
            && row.contest.starts_with(known.contest)
            && row.amount.is_none_or(|amount| amount >= known.from)
    };
    let known = KNOWN.iter().find(is_of).map(|known| known.why);
    let why = known.or_else(|| is_within(row).then_some(WITHIN));
    row.why = why.filter(|_| !row.pass).map(str::to_owned);
}

/// Whether the quartiles have the budget between them.
fn is_within(row: &Row) -> bool {
    let limit = row.budget.split_whitespace().last().and_then(|limit| limit.parse().ok());
    let (Some(limit), Some([low, high])) = (limit, row.spread) else { return false };
    (low..=high).contains(&limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;
    use crate::catalogue;
    use crate::row::Setting;

    #[test]
    fn what_is_missed_is_explained_by_the_first_that_fits_and_what_is_met_is_not() {
        let why_at = |contest: &str, tasks: Option<u32>, budget| {
            let setting = Setting {
                id: "B2".into(),
                contest: contest.into(),
                at: tasks.map(|tasks| ("tasks", tasks)),
                ..Setting::default()
            };
            let peer = ("bare driver", &[1.0, 1.0, 1.0][..]);
            let ours = &[0.8, 0.9, 1.0];
            let mut row = Row::new(&setting, "x/s", ours, peer, Budget::AtLeast(budget));
            explain(&mut row);
            row.why
        };
        let why = |contest, budget| why_at(contest, None, budget);
        assert!(why("GET through `run`", 0.97).unwrap().starts_with("`run`"));
        assert_eq!(why("GET", 0.97).as_deref(), Some(A_LEASE_EACH));
        assert_eq!((why("GET", 0.9), why("MGET", 0.97)), (None, None));
        assert_eq!(why_at("GET", Some(10), 0.97).as_deref(), Some(A_LEASE_EACH));
        assert_eq!(why_at("GET", Some(1), 0.97), None);
        assert_eq!(why("MGET", 0.94).as_deref(), Some(WITHIN));
    }

    #[test]
    fn what_is_explained_is_a_benchmark() {
        assert!(KNOWN.iter().all(|known| catalogue::find(known.id).is_some()));
    }
}
