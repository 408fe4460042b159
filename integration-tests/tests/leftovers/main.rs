//! A life that ends leaves nothing: no task, no thread, no file, no connection.
//!
//! A binary of its own with one test at a time, because threads and files are the process's.

mod census;
mod witness;

use census::Census;
use futures_util::future::join_all;
use integration_tests::{Rig, connections, eventually, reaches, servers};
use qa_pool::{Settings, State};
use qa_servers::Server;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use witness::Witness;

const PATIENCE: Duration = Duration::from_secs(30);

/// More than one, so that what each leaves can't be taken for what the first of a kind keeps.
const LIVES: usize = 2;

/// Questions at once: a driver that has a pool opens more than one connection for them.
const QUESTIONS: u64 = 8;

static ONE: Mutex<()> = Mutex::new(());

/// One whose threads for blocking work end soon after it.
fn runtime() -> Runtime {
    let keep_alive = Duration::from_millis(50);
    Builder::new_multi_thread()
        .worker_threads(2)
        .thread_keep_alive(keep_alive)
        .enable_all()
        .build()
        .unwrap()
}

fn nothing_is_left_behind<S: Witness>() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    runtime().block_on(async {
        let server = servers::to_break(S::SYSTEM).await;
        let mut before = Census::settled().await;
        if S::KEEPS_FROM_THE_FIRST {
            let name = witness::NAME;
            Rig::<S>::connected(name, &server.url(), Settings::default()).await.close().await;
            before = Census::settled().await;
        }
        for life in 1..=LIVES {
            live::<S>(&server).await;
            let gone = async || connections(server.port()) == 0;
            eventually("no connection is left", PATIENCE, gone).await;
            let forgotten = async || S::seen(&server).await == 0;
            eventually("the server sees none either", PATIENCE, forgotten).await;
            before.is_back(&format!("life {life}")).await;
        }
    });
}

/// Connects, is used, loses the server and gets it back, is used again, and closes.
async fn live<S: Witness>(server: &Server) {
    let rig = Rig::<S>::connected(witness::NAME, &server.url(), Settings::default()).await;
    use_it(&rig).await;
    let seen = async || S::seen(server).await >= S::IDLE;
    eventually("the server sees it", PATIENCE, seen).await;
    server.kill().await.unwrap();
    reaches(&rig.group, State::Reconnecting, PATIENCE).await;
    server.start_again().await.unwrap();
    reaches(&rig.group, State::Ready, PATIENCE).await;
    use_it(&rig).await;
    assert!(connections(server.port()) > 0);
    rig.close().await;
}

async fn use_it<S: Witness>(rig: &Rig<S>) {
    for answer in join_all((1..=QUESTIONS).map(|number| rig.use_it(number))).await {
        answer.unwrap();
    }
}

/// Makes a module with the test for each subject.
macro_rules! leftovers {
    ($($module:ident: $subject:ident),*) => {
        $(mod $module {
            #[test]
            fn nothing_is_left_behind() {
                crate::nothing_is_left_behind::<integration_tests::$subject>();
            }
        })*
    };
}

leftovers!(redis: Redis, mongodb: MongoDb, clickhouse: ClickHouse, rabbitmq: RabbitMq);
