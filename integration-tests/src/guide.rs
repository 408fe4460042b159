//! The guide's code, compiled: each chapter is the documentation of an item that nobody builds but the
//! documentation tests.

macro_rules! chapters {
    ($($name:ident $file:literal)*) => {
        $(
            #[doc = include_str!(concat!("../../docs/guide/", $file))]
            pub struct $name;
        )*
    };
}

chapters! {
    Backends "backends.md"
    ClickHouse "clickhouse.md"
    Concepts "concepts.md"
    Configuration "configuration.md"
    Doctor "doctor.md"
    Ends "ends.md"
    Failures "failures.md"
    Kubernetes "kubernetes.md"
    Migration "migration.md"
    MongoDb "mongodb.md"
    Operations "../operations.md"
    Observability "observability.md"
    RabbitMq "rabbitmq.md"
    Redis "redis.md"
    Sizing "sizing.md"
}
