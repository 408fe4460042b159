//! What operators see of a resource: its metrics and its log, told of a life that is known.
//!
//! A binary of its own, because what captures the two is there once a process.

mod quiet;
mod refusing;
mod story;

use integration_tests::Capture;
use tracing_subscriber::fmt::format::FmtSpan;

/// What operators log.
fn capture() -> Capture {
    Capture::install("info", FmtSpan::NONE)
}

/// Makes a module with both tests for each subject.
macro_rules! telemetry {
    ($($module:ident: $subject:ident),*) => {
        $(mod $module {
            use integration_tests::$subject as Subject;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn metrics_tell_the_story() {
                crate::story::metrics_tell_the_story::<Subject>().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn the_log_stays_quiet() {
                crate::quiet::the_log_stays_quiet::<Subject>().await;
            }
        })*
    };
}

telemetry!(redis: Redis, mongodb: MongoDb, clickhouse: ClickHouse, rabbitmq: RabbitMq);
