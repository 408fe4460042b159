//! B12: from a loss to the first answer.

use super::{GOODBYE, connected, redis};
use crate::bench::Bench;
use crate::budget::Budget;
use crate::child::Child;
use crate::contest::{Contest, Doing, Party};
use anyhow::{Context, Result};
use async_trait::async_trait;
use qa_pool::core::Resource;
use qa_pool::redis::Redis;
use qa_pool::redis::redis::AsyncCommands;
use qa_servers::proxy::FaultProxy;
use qa_servers::{Server, System};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use tokio::time::timeout;

/// What a caller gives each try; the peers do the same.
const TRY: Duration = Duration::from_secs(1);
/// When it has tried for long enough; a client that gets no answer until then is out of the contest.
const PATIENCE: Duration = Duration::from_secs(60);

const PEERS: [&str; 4] = ["connection-manager", "deadpool-redis", "bb8-redis", "fred"];

/// How a connection is lost.
#[derive(Clone, Copy)]
enum Loss {
    /// Reset, while the server is well.
    Reset,
    /// With its server, which is started again.
    Kill,
}

/// What a party loses, and through what it is reached: a proxy of its own, so that nobody else is hit.
#[derive(Clone)]
struct Way {
    server: Arc<Server>,
    proxy: Arc<FaultProxy>,
    loss: Loss,
}

pub(crate) async fn hold(bench: &mut Bench) -> Result<()> {
    bench.driver("redis");
    let server = Arc::new(Server::start_owned(System::Redis).await?);
    for (loss, title) in [
        (Loss::Reset, "every connection is reset"),
        (Loss::Kill, "the server is killed and started"),
    ] {
        let way = || async {
            let proxy = Arc::new(FaultProxy::open(server.port()).await);
            Way { server: Arc::clone(&server), proxy, loss }
        };
        let own = way().await;
        let ours = connected(&own.proxy.url(&server.url()), Redis::new).await?;
        bench.takes_part(format!("redis-server {}", redis::version(&ours).await?));
        let party = Doing({
            let (ours, own) = (ours.clone(), own.clone());
            move || {
                let (ours, own) = (ours.clone(), own.clone());
                async move {
                    own.lose().await?;
                    Ok(vec![until_answered(&ours).await?.as_secs_f64() * 1e3])
                }
            }
        });
        let mut contest = Contest::new(title, &["ms"], "qa-redis", party).rounds_at_most(10);
        for name in PEERS {
            let way = way().await;
            let child = bench.peer(name, &way.proxy.url(&server.url())).await?;
            contest = contest.beside(name, &[Budget::None], Losing { way, child });
        }
        bench.hold(contest).await?;
        ours.close(GOODBYE).await;
    }
    if let Some(server) = Arc::into_inner(server) {
        server.remove().await;
    }
    Ok(())
}

impl Way {
    async fn lose(&self) -> Result<()> {
        match self.loss {
            Loss::Reset => self.proxy.reset(),
            Loss::Kill => {
                self.server.kill().await?;
                self.server.start_again().await?;
            }
        }
        Ok(())
    }
}

/// A peer that loses its connection.
struct Losing {
    way: Way,
    child: Arc<Mutex<Child>>,
}

#[async_trait]
impl Party for Losing {
    async fn round(&mut self) -> Result<Vec<f64>> {
        self.way.lose().await?;
        let says = self.child.lock().await.ask("until-answered").await?;
        Ok(vec![says.first().context("it said nothing")? * 1e3])
    }
}

/// Asks again and again; how long it took until there was an answer.
async fn until_answered(ours: &Resource<Redis>) -> Result<Duration> {
    let began = Instant::now();
    let ask = async || {
        let lease = ours.acquire().await?;
        let answer: Option<String> = lease.clone().get("key").await?;
        Ok::<_, anyhow::Error>(answer)
    };
    let asked = async {
        while !matches!(timeout(TRY, ask()).await, Ok(Ok(_))) {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, asked).await.context("no answer within a minute")?;
    Ok(began.elapsed())
}
