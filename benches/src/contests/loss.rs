//! B12: from a loss to the first answer.

use super::{GOODBYE, connected, redis};
use crate::bench::Bench;
use crate::budget::Budget;
use crate::child::Child;
use crate::contest::{Contest, Party};
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
use tokio::time::{sleep, timeout};

/// What a caller gives each try; the peers do the same.
const TRY: Duration = Duration::from_secs(1);
/// When it has tried for long enough; a client that gets no answer until then is out of the contest.
const PATIENCE: Duration = Duration::from_secs(60);

const PEERS: [&str; 4] = ["connection-manager", "deadpool-redis", "bb8-redis", "fred"];

/// So long a connection has been well before it is lost: one that is lost as soon as it is there is dialled
/// again with a pause.
const WELL: Duration = Duration::from_millis(1500);

/// How a connection is lost.
#[derive(Clone, Copy)]
enum Loss {
    /// Reset, while the server is well.
    Reset,
    /// With its server, which is started again.
    Kill,
    /// Not at all: its server is frozen for so long, and goes on where it was.
    Freeze(Duration),
}

/// What a party loses, and through what it is reached: a proxy of its own, so that a reset hits nobody else.
#[derive(Clone)]
struct Way {
    server: Arc<Server>,
    proxy: Arc<FaultProxy>,
    loss: Loss,
}

pub(crate) async fn hold(bench: &mut Bench) -> Result<()> {
    bench.driver("redis");
    let server = Arc::new(Server::start_owned(System::Redis).await?);
    // In full it is longer than it takes to give the connection up.
    let frozen = bench.pick(1, 5);
    for (loss, title, rounds) in [
        (Loss::Reset, "every connection is reset".to_owned(), 20),
        (Loss::Kill, "the server is killed and started".to_owned(), 20),
        (
            Loss::Freeze(Duration::from_secs(frozen)),
            format!("the server is frozen for {frozen} s"),
            10,
        ),
    ] {
        let way = || async {
            let proxy = Arc::new(FaultProxy::open(server.port()).await);
            Way { server: Arc::clone(&server), proxy, loss }
        };
        let own = way().await;
        let ours = connected(&own.proxy.url(&server.url()), Redis::new).await?;
        bench.takes_part(format!("redis-server {}", redis::version(&ours).await?));
        let party = Losing { way: own, asks: ours.clone() };
        let mut contest =
            Contest::new(title, &["ms"], "qa-redis", party).rounds_at_most(rounds).with_slowest();
        for name in PEERS {
            let way = way().await;
            let asks = bench.peer(name, &way.proxy.url(&server.url())).await?;
            contest = contest.beside(name, &[Budget::None], Losing { way, asks });
        }
        bench.hold(contest).await?;
        ours.close(GOODBYE).await;
    }
    if let Some(server) = Arc::into_inner(server) {
        server.remove().await;
    }
    Ok(())
}

/// Who asks again and again until it is answered.
#[async_trait]
trait Asks: Send {
    /// How long it took.
    async fn until_answered(&mut self) -> Result<Duration>;
}

#[async_trait]
impl Asks for Resource<Redis> {
    async fn until_answered(&mut self) -> Result<Duration> {
        until_answered(self).await
    }
}

#[async_trait]
impl Asks for Arc<Mutex<Child>> {
    async fn until_answered(&mut self) -> Result<Duration> {
        let says = self.lock().await.ask("until-answered").await?;
        Ok(Duration::try_from_secs_f64(*says.first().context("it said nothing")?)?)
    }
}

/// A party that loses its connection.
struct Losing<A> {
    way: Way,
    asks: A,
}

#[async_trait]
impl<A: Asks> Party for Losing<A> {
    async fn round(&mut self) -> Result<Vec<f64>> {
        // What others have lost it of the server is not its round.
        self.asks.until_answered().await?;
        sleep(WELL).await;
        let Way { server, proxy, loss } = &self.way;
        let took = match *loss {
            Loss::Reset => {
                proxy.reset();
                self.asks.until_answered().await?
            }
            Loss::Kill => {
                server.kill().await?;
                server.start_again().await?;
                self.asks.until_answered().await?
            }
            Loss::Freeze(time) => frozen(server, time, &mut self.asks).await?,
        };
        Ok(vec![took.as_secs_f64() * 1e3])
    }
}

/// Asks while the server is frozen, and on; how long it took from the server's thaw.
async fn frozen(server: &Server, time: Duration, asks: &mut impl Asks) -> Result<Duration> {
    server.freeze().await?;
    let answered = async { asks.until_answered().await.map(|_| Instant::now()) };
    let thawed = async {
        sleep(time).await;
        let now = Instant::now();
        server.thaw().await.map(|()| now)
    };
    let (answered, thawed) = tokio::join!(answered, thawed);
    let (answered, thawed) = (answered?, thawed?);
    answered.checked_duration_since(thawed).context("it was answered by a frozen server")
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
