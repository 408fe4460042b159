//! `qa check`: connects everything that is configured, and says how it stands.

use crate::Bad;
use crate::output::{bad, good, say, table, warn};
use crate::source::Source;
use crate::survey::{Finding, survey};
use crate::words::{clock, day, now, span};
use clap::Args;
use qa_pool::Error;
use serde::Serialize;
use std::time::Duration;

const EXAMPLES: &str = "Examples:
  qa check qa.toml                       what the file says
  QA_CACHE_URL=redis://cache qa check    what the environment says
  qa check qa.toml --json | jq .ok       for a script

Each server is connected once, all at once, and asked for its version. A RabbitMQ broker is sent one empty
message that goes to no queue: it tells of an alarm only those who publish.

Exit codes: 0 all that is required is well, 1 something is down or degraded, 2 bad usage or configuration.";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Check {
    #[command(flatten)]
    source: Source,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(options: Check) -> anyhow::Result<()> {
    let findings = survey(options.source.read()?).await?;
    let ailing = findings.iter().filter(|one| one.required && !one.is_up()).count();
    if options.json {
        let resources = findings.iter().map(Row::of).collect();
        say!("{}", serde_json::to_string_pretty(&Rows { ok: ailing == 0, resources })?);
    } else {
        print(&findings);
    }
    if ailing > 0 { Err(Bad.into()) } else { Ok(()) }
}

fn print(findings: &[Finding]) {
    let now = now();
    let cells = findings.iter().map(|one| {
        vec![
            one.name.clone(),
            one.system.to_owned(),
            one.address.clone(),
            colour(one.word()),
            one.version.clone().unwrap_or_else(|| "–".to_owned()),
            one.latency.map_or("–".to_owned(), span),
            one.expires().map_or("–".to_owned(), |expires| until(expires, now)),
        ]
    });
    let header = ["name", "system", "address", "state", "version", "ping", "TLS until"];
    say!("{}", table(&header, usize::MAX, cells));
    for one in findings.iter().filter(|one| !one.is_up()) {
        let optional = if one.required { "" } else { " (optional)" };
        let why = one.error.as_ref().map_or("no reason is known", Error::message);
        say!("\n{}{optional}: {why}", one.name);
    }
}

fn colour(word: &str) -> String {
    match word {
        "ready" => good(word),
        "degraded" => warn(word),
        _ => bad(word),
    }
}

/// The day, and how far away it is where that is near enough to count.
fn until(expires: Duration, now: Duration) -> String {
    let left = expires.saturating_sub(now);
    let years = left.as_secs() / (365 * 86_400);
    if years > 3 { day(expires) } else { format!("{} ({})", day(expires), span(left)) }
}

#[derive(Serialize)]
struct Rows<'a> {
    ok: bool,
    resources: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    system: &'a str,
    address: &'a str,
    required: bool,
    state: &'a str,
    version: Option<&'a str>,
    latency_seconds: Option<f64>,
    certificate_expires: Option<String>,
    clock_skew_seconds: Option<f64>,
    error: Option<&'a str>,
}

impl<'a> Row<'a> {
    fn of(one: &'a Finding) -> Self {
        let skew = one.skew.map(|skew| {
            let by = skew.by.as_secs_f64();
            if skew.ahead { by } else { -by }
        });
        Self {
            name: &one.name,
            system: one.system,
            address: &one.address,
            required: one.required,
            state: one.word(),
            version: one.version.as_deref(),
            latency_seconds: one.latency.map(|latency| latency.as_secs_f64()),
            certificate_expires: one.expires().map(clock),
            // Minus nothing is nothing.
            clock_skew_seconds: skew.map(|by| if by == 0.0 { 0.0 } else { by }),
            error: one.error.as_ref().map(Error::message),
        }
    }
}
