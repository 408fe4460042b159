//! The experiments, in order.

use crate::run::{Against, Run};
use crate::{
    black_hole, broker, cancelled, cold, elections, fairness, frozen, half_open, herd, keys, leaks,
    limit, model, moments, ordered, overload, pair, races, redaction, restart, rotated, shaky,
    silent_door, soak, stopped, storm, ugly,
};
use futures_util::future::LocalBoxFuture;
use integration_tests::experiment::Figure;

/// An experiment.
pub(crate) struct Experiment {
    pub(crate) id: &'static str,
    /// A few words, the heading in the table.
    pub(crate) title: &'static str,
    pub(crate) against: &'static [Against],
    /// About how long its full form takes, which says when it is its turn.
    pub(crate) seconds: u32,
    /// What it needs of the machine.
    pub(crate) needs: Needs,
    pub(crate) run: fn(Run) -> LocalBoxFuture<'static, Vec<Figure>>,
}

/// What an experiment needs of the machine, so that the others do not spoil its figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// It does nothing but wait, and runs beside the soak.
    Nothing,
    /// It mostly waits.
    Little,
    /// It is busy: no other such runs beside it.
    Core,
    /// It starts servers again and again, which keeps the machine busy where a start takes seconds.
    Starts,
    /// It measures small times, and runs alone.
    Machine,
    /// It lasts, and is not to be disturbed: only what does nothing runs beside it.
    Calm,
}

impl Needs {
    /// The same, of one backend: what [`Starts`](Needs::Starts) comes to with its server.
    pub(crate) fn with(self, against: Against) -> Needs {
        match (self, against) {
            (Needs::Starts, Against::Mongodb | Against::Redis) => Needs::Little,
            // What waited for the end of an outage takes all that the machine has for a second.
            (Needs::Starts, Against::Clickhouse) => Needs::Machine,
            (Needs::Starts, _) => Needs::Core,
            (needs, _) => needs,
        }
    }
}

/// A function that is generic over the subject, as one that looks the subject up.
macro_rules! each {
    ($($function:ident)::+) => {
        |run: Run| -> LocalBoxFuture<'static, Vec<Figure>> {
            match run.against {
            Against::Mongodb => Box::pin($($function)::+::<integration_tests::MongoDb>(run)),
            Against::Rabbitmq => Box::pin($($function)::+::<integration_tests::RabbitMq>(run)),
            Against::Clickhouse => Box::pin($($function)::+::<integration_tests::ClickHouse>(run)),
            Against::Redis => Box::pin($($function)::+::<integration_tests::Redis>(run)),
            Against::Core
            | Against::Pool
            | Against::MongodbSet
            | Against::RabbitmqCluster
            | Against::RedisSentinels
            | Against::RedisCluster => unreachable!("it is about one backend"),
        }}
    };
}

/// Every experiment. The order is that of the table.
pub(crate) const ALL: &[Experiment] = &[
    Experiment {
        id: "E1",
        title: "half-open connection, at rest",
        against: Against::FOUR,
        seconds: 70,
        needs: Needs::Nothing,
        run: each!(half_open::idle),
    },
    Experiment {
        id: "E2",
        title: "half-open connection, at work",
        against: Against::FOUR,
        seconds: 60,
        needs: Needs::Little,
        run: each!(half_open::busy),
    },
    Experiment {
        id: "E3",
        title: "frozen server",
        against: Against::FOUR,
        seconds: 45,
        needs: Needs::Little,
        run: each!(frozen::server),
    },
    Experiment {
        id: "E4",
        title: "killed and started again",
        against: Against::FOUR,
        seconds: 350,
        needs: Needs::Starts,
        run: each!(restart::crash),
    },
    Experiment {
        id: "E5",
        title: "accepts, then silence",
        against: Against::FOUR,
        seconds: 120,
        needs: Needs::Nothing,
        run: each!(silent_door::accepts),
    },
    Experiment {
        id: "E6",
        title: "no confirmed message is lost",
        against: Against::BROKERS,
        seconds: 240,
        needs: Needs::Core,
        run: |run| Box::pin(broker::no_loss(run)),
    },
    Experiment {
        id: "E7",
        title: "no acknowledged write is lost",
        against: &[Against::MongodbSet],
        seconds: 200,
        needs: Needs::Core,
        run: |run| Box::pin(elections::no_loss(run)),
    },
    Experiment {
        id: "E8",
        title: "nothing is applied twice",
        against: &[Against::Clickhouse, Against::Redis],
        seconds: 200,
        needs: Needs::Core,
        run: |run| match run.against {
            Against::Clickhouse => Box::pin(keys::inserts(run)),
            _ => Box::pin(keys::counter(run)),
        },
    },
    Experiment {
        id: "E9",
        title: "consumers that come back",
        against: Against::BROKERS,
        seconds: 200,
        needs: Needs::Core,
        run: |run| Box::pin(broker::recovery(run)),
    },
    Experiment {
        id: "E10",
        title: "a broker that takes no messages",
        against: Against::BROKERS,
        seconds: 60,
        needs: Needs::Core,
        run: |run| Box::pin(broker::alarm(run)),
    },
    Experiment {
        id: "E11",
        title: "a herd that comes back",
        against: Against::FOUR,
        seconds: 45,
        // Its figure is of tenths of a second, and any pause of the machine has many come at once.
        needs: Needs::Machine,
        run: each!(herd::back),
    },
    Experiment {
        id: "E12",
        title: "the log of a herd",
        against: Against::FOUR,
        seconds: 70,
        needs: Needs::Little,
        run: each!(storm::storm),
    },
    Experiment {
        id: "E13",
        title: "many at once",
        against: &[Against::Redis],
        seconds: 10,
        needs: Needs::Machine,
        run: |run| Box::pin(keys::spike(run)),
    },
    Experiment {
        id: "E14",
        title: "fairness and exactness",
        against: Against::FOUR,
        seconds: 10,
        needs: Needs::Machine,
        run: each!(fairness::waiters),
    },
    Experiment {
        id: "E15",
        title: "cancellation safety",
        against: Against::FOUR,
        seconds: 35,
        needs: Needs::Machine,
        run: each!(cancelled::operations),
    },
    Experiment {
        id: "E16",
        title: "leak detection",
        against: Against::FOUR,
        seconds: 10,
        needs: Needs::Machine,
        run: each!(leaks::detection),
    },
    Experiment {
        id: "E17",
        title: "ordered shutdown with a hung member",
        against: &[Against::Pool],
        seconds: 230,
        needs: Needs::Machine,
        run: |run| Box::pin(ordered::shutdown(run)),
    },
    Experiment {
        id: "E18",
        title: "shutdown races",
        against: &[
            Against::Core,
            Against::Mongodb,
            Against::Rabbitmq,
            Against::Clickhouse,
            Against::Redis,
        ],
        seconds: 55,
        needs: Needs::Little,
        run: |run| {
            let live: fn(Run) -> LocalBoxFuture<'static, Vec<Figure>> = each!(moments::live);
            if run.against == Against::Core { Box::pin(races::core(run)) } else { live(run) }
        },
    },
    Experiment {
        id: "E19",
        title: "state-machine model",
        against: &[Against::Core],
        seconds: 60,
        needs: Needs::Little,
        run: |run| Box::pin(model::sequences(run)),
    },
    Experiment {
        id: "E20",
        title: "quality of the health",
        against: &[
            Against::Pool,
            Against::Mongodb,
            Against::Rabbitmq,
            Against::Clickhouse,
            Against::Redis,
        ],
        seconds: 75,
        needs: Needs::Little,
        run: |run| match run.against {
            Against::Pool => Box::pin(black_hole::health(run)),
            _ => (each!(shaky::health))(run),
        },
    },
    Experiment {
        id: "E21",
        title: "ugly network",
        against: Against::FOUR,
        seconds: 200,
        needs: Needs::Little,
        run: each!(ugly::network),
    },
    Experiment {
        id: "E22",
        title: "a login is changed under load",
        // ClickHouse's embedded server reads its users when it starts: there is no overlap to be had.
        against: &[Against::Mongodb, Against::Rabbitmq, Against::Redis],
        seconds: 60,
        needs: Needs::Little,
        run: |run| match run.against {
            Against::Mongodb => Box::pin(rotated::login::<integration_tests::MongoDb>(run)),
            Against::Rabbitmq => Box::pin(rotated::login::<integration_tests::RabbitMq>(run)),
            _ => Box::pin(rotated::login::<integration_tests::Redis>(run)),
        },
    },
    Experiment {
        id: "E23",
        title: "redaction canary",
        against: Against::FOUR,
        seconds: 60,
        needs: Needs::Little,
        run: each!(redaction::life),
    },
    Experiment {
        id: "E24",
        title: "failover and the way back",
        against: Against::FOUR,
        seconds: 330,
        needs: Needs::Little,
        run: each!(pair::failover),
    },
    Experiment {
        id: "E25",
        title: "retry budget",
        against: &[Against::Core],
        seconds: 60,
        needs: Needs::Core,
        run: |run| Box::pin(overload::retries(run)),
    },
    Experiment {
        id: "E26",
        title: "cold start",
        against: &[Against::Pool],
        seconds: 90,
        needs: Needs::Nothing,
        run: |run| Box::pin(cold::start(run)),
    },
    Experiment {
        id: "E27",
        title: "our process is stopped",
        against: Against::FOUR,
        seconds: 100,
        needs: Needs::Nothing,
        run: each!(stopped::process),
    },
    Experiment {
        id: "E28",
        title: "soak",
        against: &[Against::Pool],
        seconds: 660,
        // Where the machine is so busy that two pings in a row take a second, a resource is lost
        // without a fault.
        needs: Needs::Calm,
        run: |run| Box::pin(soak::pool(run)),
    },
    Experiment {
        id: "E30",
        title: "a full server",
        against: Against::FOUR,
        seconds: 60,
        needs: Needs::Little,
        run: each!(limit::full),
    },
    Experiment {
        id: "E31",
        title: "another master",
        against: &[Against::RedisSentinels, Against::RedisCluster],
        seconds: 300,
        needs: Needs::Little,
        run: |run| Box::pin(keys::failover(run)),
    },
    Experiment {
        id: "E32",
        title: "a lock under faults",
        against: &[Against::Redis],
        seconds: 200,
        needs: Needs::Core,
        run: |run| Box::pin(keys::locks(run)),
    },
];

/// The experiment with this id, however it is written.
pub(crate) fn find(id: &str) -> Option<&'static Experiment> {
    ALL.iter().find(|experiment| experiment.id.eq_ignore_ascii_case(id))
}

/// Prints what there is.
pub(crate) fn list() {
    for Experiment { id, title, against, .. } in ALL {
        let against: Vec<_> = against.iter().map(|against| against.name()).collect();
        println!("{id:<4} {title:<40} {}", against.join(", "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_in_order_and_found_in_any_case() {
        let number = |experiment: &Experiment| experiment.id[1..].parse::<u32>().unwrap();
        assert!(ALL.is_sorted_by_key(number));
        assert_eq!(find("e3").unwrap().id, "E3");
        assert!(find("E99").is_none());
    }
}
