//! `qa doctor`: says in words what is wrong, and what to do.

mod diagnose;
mod doors;
mod versions;

use crate::Bad;
use crate::output::{bad, good, say, warn};
use crate::source::Source;
use crate::survey::{Finding, survey};
use crate::words::{now, span};
use clap::Args;
use diagnose::{Advice, Weight, diagnose};

const EXAMPLES: &str = "Examples:
  qa doctor qa.toml
  QA_CACHE_URL=redis://cache qa doctor

It looks at names, ports, TLS, logins, versions, clocks, certificates, alarms and primaries. A RabbitMQ
broker is sent one empty message that goes to no queue: it tells of an alarm only those who publish.

Exit codes: 0 nothing is wrong, 1 something is, 2 bad usage or configuration.";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Doctor {
    #[command(flatten)]
    source: Source,
}

pub(crate) async fn run(options: Doctor) -> anyhow::Result<()> {
    let findings = survey(options.source.read()?).await?;
    let now = now();
    let mut wrong = 0;
    for finding in &findings {
        let advice = diagnose(finding, now);
        wrong += advice.iter().filter(|one| one.weight == Weight::Wrong).count();
        print(finding, &advice);
    }
    if wrong > 0 {
        let things =
            if wrong == 1 { "1 thing is".to_owned() } else { format!("{wrong} things are") };
        say!("\n{things} wrong");
        return Err(Bad.into());
    }
    say!("\nnothing is wrong");
    Ok(())
}

fn print(finding: &Finding, advice: &[Advice]) {
    let optional = if finding.required { "" } else { ", optional" };
    say!("{} ({} at {}{optional})", finding.name, finding.system, finding.address);
    for Advice { weight, what, remedy } in advice {
        let mark = match weight {
            Weight::Wrong => bad("wrong:"),
            Weight::Mind => warn("mind:"),
        };
        say!("  {mark} {what}\n    {remedy}");
    }
    if advice.is_empty() {
        let version = finding.version.as_deref().unwrap_or("of unknown version");
        let ping = finding.latency.map_or(String::new(), |ping| format!(", ping {}", span(ping)));
        say!("  {} {version}{ping}", good("well:"));
    }
}
