//! `qa demo`: real prices through four real servers, one of them killed in the middle.

mod bars;
mod connections;
mod consume;
mod fault;
mod names;
mod progress;
mod publish;
mod reconcile;
mod report;
mod servers;
mod signal;
mod store;
mod timeline;

use crate::Usage;
use crate::cli::{Break, Demo};
use crate::output::{good, heading, say};
use crate::signals::interrupted;
use anyhow::{Context, bail};
use bars::Bar;
use connections::Connections;
use names::Names;
use progress::Progress;
use servers::Servers;
use std::sync::Arc;
use std::time::{Duration, Instant};
use timeline::Timeline;

/// How long the shutdown at the end may take.
const SHUTDOWN: Duration = Duration::from_secs(25);

/// Runs the demo to its end, and cleans up also where it fails or is interrupted.
pub(crate) async fn run(options: Demo) -> anyhow::Result<()> {
    let breaks = options.to_break();
    if options.config.is_some() && breaks != Break::None {
        bail!(Usage(
            "--break kills servers that the demo started; it does not go with --config".to_owned()
        ));
    }
    let bars = bars::read_all(&options.file)?;
    say!(
        "{} bars of {}; {}",
        bars.len(),
        bars::codes(&bars).join(" and "),
        fault::plan(breaks, options.down)
    );
    let (connections, servers) = connect_to(&options).await?;
    let servers = Arc::new(servers);
    let outcome = tokio::select! {
        outcome = play(&options, breaks, &bars, &connections, &servers) => outcome,
        () = interrupted() => Err(anyhow::anyhow!("interrupted")),
    };
    let closed = connections.pool.close(SHUTDOWN).await;
    heading("Shutdown");
    say!("{closed}");
    Servers::remove(servers).await;
    outcome?;
    if !closed.is_clean() {
        bail!("the shutdown had to force something");
    }
    say!("\n{}", good("Everything is reconciled: nothing lost, nothing twice."));
    Ok(())
}

/// The pool, on servers of the user's or on some that are started for it.
async fn connect_to(options: &Demo) -> anyhow::Result<(Connections, Servers)> {
    if let Some(file) = &options.config {
        return Ok((Connections::from_config(file)?, Servers::none()));
    }
    heading("Servers");
    let servers = Servers::start().await?;
    match Connections::to(&servers) {
        Ok(connections) => Ok((connections, servers)),
        Err(error) => {
            Servers::remove(Arc::new(servers)).await;
            Err(error)
        }
    }
}

async fn play(
    options: &Demo,
    breaks: Break,
    bars: &[Bar],
    connections: &Connections,
    servers: &Arc<Servers>,
) -> anyhow::Result<()> {
    let began = Instant::now();
    let timeline = Timeline::follow(connections, began);
    connections.pool.connect().await.context("cannot connect")?;
    let names = Names::new(options.config.is_some(), bars);
    let prepared =
        names.prepare(connections).await.context("cannot prepare queue, collection and table");
    let outcome = match prepared {
        Ok(()) => flow(options, breaks, bars, connections, servers, &names, began).await,
        Err(error) => Err(error),
    };
    timeline.print();
    let reconciled = match outcome {
        Ok(counts) => reconcile::all(bars, &counts, connections, &names).await,
        Err(error) => Err(error),
    };
    names.remove(connections).await;
    reconciled
}

/// Publishes, consumes and stores every bar, and breaks a server when half of them are confirmed.
async fn flow(
    options: &Demo,
    breaks: Break,
    bars: &[Bar],
    connections: &Connections,
    servers: &Arc<Servers>,
    names: &Names,
    began: Instant,
) -> anyhow::Result<report::Counts> {
    heading("Flow");
    let progress = Progress::new(bars.len());
    let (store, stored) = store::start(connections, names, &progress);
    let consumer = consume::start(connections, names, store);
    let fault = fault::begin(Arc::clone(servers), breaks, options.down, &progress, began);
    let published = publish::all(bars, connections, names, &progress);
    let all_stored = progress.until_all_stored();
    let result = tokio::try_join!(published, all_stored, fault);
    progress.finish();
    let (published, (), ()) = result?;
    consumer.stop().await.context("the consumer did not end")?;
    let counts = report::Counts::new(&published, &progress, consumer.stats(), began.elapsed());
    drop(consumer);
    stored.finish().await.context("the store did not end")?;
    counts.print();
    Ok(counts)
}
