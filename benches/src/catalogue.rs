//! The benchmarks.

use crate::bench::Bench;
use crate::contests;
use anyhow::Result;
use futures_util::future::BoxFuture;

/// Some contests about one thing.
pub(crate) struct Benchmark {
    /// As it is called for, and found in the table.
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    /// What is measured and how, for readers of the page.
    pub(crate) about: &'static str,
    pub(crate) hold: for<'a> fn(&'a mut Bench) -> BoxFuture<'a, Result<()>>,
}

pub(crate) const ALL: &[Benchmark] = &[
    Benchmark {
        id: "B1",
        title: "a lease",
        about: "A lease is acquired and dropped, with no server and no I/O: what stands between a caller and \
                the client. The time is that of the whole round, divided by all leases of all tasks. A \
                lock around a client is what people write who have no pool. Each round of each party is a process \
                of its own, which has done the same once before: how threads and memory happen to lie is in the \
                spread, and not in the result. Instructions are counted by callgrind, \
                in a program of one thread; its clone of an `Arc` has few, and takes its time because they are \
                atomic.",
        hold: |bench| Box::pin(contests::acquire::hold(bench)),
    },
    Benchmark {
        id: "B2",
        title: "many tasks on one Redis",
        about: "Each task reads, or writes, one key after the other, with a lease acquired for each command. \
                Pools have 10 connections. The server syncs every write to its disk, so what is written \
                depends on that. A caller that waits on a list has a dedicated connection, as `dedicated` \
                gives it.",
        hold: |bench| Box::pin(contests::redis::hold(bench)),
    },
    Benchmark {
        id: "B3",
        title: "rows into ClickHouse",
        about: "W9: ticks of 33 columns, through the batcher in batches of 50,000, and with the bare client: one \
                insert for all rows, an insert for each 50,000, and its `Inserter`, which cuts by 50,000. \
                Every one compresses with LZ4; the inserts have tokens as the batcher's have, which the \
                `Inserter` can't. Each party has a table and a process of its own; its memory is the most \
                that the process had at any time. Only the batcher has the rows still when an insert fails.",
        hold: |bench| Box::pin(contests::ingest::hold(bench)),
    },
    Benchmark {
        id: "B4",
        title: "rows out of ClickHouse, and the native protocol",
        about: "W10: bars of 11 columns, 500 codes of 250 days: as rows, as Arrow record batches, and as the \
                server's bytes, thrown away. klickhouse speaks the native protocol, where everyone else \
                speaks HTTP; it inserts the same ticks as B3, in blocks of 50,000.",
        hold: |bench| Box::pin(contests::read::hold(bench)),
    },
    Benchmark {
        id: "B5",
        title: "confirmed publishes to RabbitMQ",
        about: "W7: messages of 457 bytes, persistent, mandatory, each confirmed by the broker, so many of them \
                outstanding, into a queue that is empty at the start of each round. The processor's time is \
                that of all threads of the process. Pools lend a connection \
                to whoever publishes, which opens a channel on it for each message, and closes it.",
        hold: |bench| Box::pin(contests::publish::hold(bench)),
    },
    Benchmark {
        id: "B6",
        title: "a connection for each operation, or one that is kept",
        about: "One operation after the other: through ours; with the bare driver and a client that is kept; \
                and with the bare driver and a client that is made for the operation and closed after it.",
        hold: |bench| Box::pin(contests::each::hold(bench)),
    },
    Benchmark {
        id: "B7",
        title: "the original, in Python",
        about: "One operation after the other, with the packages that QUANTAXIS' resource managers call, in \
                their three ways: a connection for each call, one that is kept, and one that is kept and \
                pinged before each call, as its `is_connected` does. pika's publishes are not confirmed, as \
                the original's are not; ours and aio-pika's are. W8 is a strategy that has nothing to order for \
                three heartbeats, of five seconds each: pika answers the broker's only while it is called.",
        hold: |bench| Box::pin(contests::original::hold(bench)),
    },
    Benchmark {
        id: "B8",
        title: "start and shutdown",
        about: "A pool of so many resources, of the four systems in turn, is connected and closed. Bare \
                drivers do the same all at once, and one after the other. Then 100 tasks want all four of a pool that \
                has connected nothing; the first to touch one connects it, and the others wait for that, as \
                they do for a `OnceCell` around a bare client.",
        hold: |bench| Box::pin(contests::start::hold(bench)),
    },
    Benchmark {
        id: "B9",
        title: "what an idle connection costs",
        about: "A fresh process holds many resources, or as many clients of the bare driver, and looks at \
                itself: memory and open files, for each.",
        hold: |bench| Box::pin(contests::idle::hold(bench)),
    },
    Benchmark {
        id: "B10",
        title: "how cost grows",
        about: "From one task to 10,000 on one resource, and from one resource to 1,000 with 100 tasks that \
                read through all of them in turn. Leases are measured as in B1.",
        hold: |bench| Box::pin(contests::growth::hold(bench)),
    },
    Benchmark {
        id: "B11",
        title: "beside a server that is frozen",
        about: "One pool of the four. 100 tasks read from Redis while MongoDB is frozen, and while it is not.",
        hold: |bench| Box::pin(contests::frozen::hold(bench)),
    },
    Benchmark {
        id: "B12",
        title: "the first answer after a loss",
        about: "Redis, behind a proxy. Every connection is reset; or the server is killed and started again; \
                or it is frozen (`SIGSTOP`) while a caller asks. The time is from the reset, from when the \
                server takes logins again, or from its thaw (`SIGCONT`), until a caller is answered who asks \
                again and again, each time for at most a second. Before each round the connection has been \
                well for 1.5 s. *p99* is the 99th percentile of the rounds: about the slowest of them, and so a \
                single figure without quartiles.",
        hold: |bench| Box::pin(contests::loss::hold(bench)),
    },
    Benchmark {
        id: "B13",
        title: "size and build",
        about: "A program that connects and asks each server one thing, with the features of qa-pool for these \
                systems, and with their drivers alone: its bytes, without symbols, and how long its release \
                build takes from nothing, all dependencies included. A size is the same in all rounds; \
                where a build's time is of one round, which takes half an hour for all, it has no quartiles. Every \
                feature is these four and `tls`, `opentelemetry`, `arrow`, `polars`, `zstd`, `blocking` and \
                `http`; what the program does not call is not in it.",
        hold: |bench| Box::pin(contests::build::hold(bench)),
    },
    Benchmark {
        id: "B14",
        title: "QUANTAXIS' day with MongoDB",
        about: "What it writes and reads of bars, prices and accounts, through ours, with the bare driver, which is \
                given the same commands by hand, and with pymongo. What is upserted is acknowledged by a \
                majority and in its journal. Each has a pool of 100 connections.",
        hold: |bench| Box::pin(contests::workloads::hold(bench)),
    },
    Benchmark {
        id: "B15",
        title: "ticks for a hundred listeners",
        about: "What QUANTAXIS' market data does with RabbitMQ: messages of 802 bytes to a direct exchange under \
                70 keys in turn, unconfirmed, and 100 listeners with a queue of their own, each bound by 5 keys, \
                so a message has seven listeners or eight. Each delivery is acknowledged. The time ends with the \
                last delivery. Everyone has a connection to publish and one to listen, with a channel for each \
                listener, and 64 messages sent ahead. A key that is taken and given up is two round trips. A \
                market is 5,000 keys, for a queue that is declared for them and deleted.",
        hold: |bench| Box::pin(contests::fan_out::hold(bench)),
    },
    Benchmark {
        id: "B16",
        title: "QUANTAXIS' day with Redis",
        about: "Signals that fade, a thousand in one round trip; the bars of a day, pushed onto a list and read, \
                with a round trip for each command; and a lock that nobody else wants. Ours has a fencing token \
                and stands in a fair line, the others' is a key that is set where there is none.",
        hold: |bench| Box::pin(contests::signals::hold(bench)),
    },
];

/// The benchmark with this id.
pub(crate) fn find(id: &str) -> Option<&'static Benchmark> {
    ALL.iter().find(|benchmark| benchmark.id == id)
}

pub(crate) fn list() {
    for Benchmark { id, title, .. } in ALL {
        println!("{id:<4} {title}");
    }
}
