//! The page that a person looks at: one file, nothing to load, no script.

use super::escape::Escaped;
use super::report::{Group, Member, Report, Standing};
use super::sparkline::Sparkline;
use super::words::{count, rate, time};
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

const STYLE: &str = include_str!("page.css");

/// How often a browser asks anew.
const REFRESH: u32 = 5;

/// A report as HTML.
pub(crate) struct Page<'a>(pub(crate) &'a Report);

impl Display for Page<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let report = self.0;
        let (class, headline) = headline(report);
        write!(
            f,
            r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="refresh" content="{REFRESH}">
<title>{headline} · resources</title>
<style>{STYLE}</style>
</head>
<body>
<header class="{class}"><h1>{headline}</h1><p>{} · asks anew every {REFRESH} s</p></header>
<main>
"#,
            Escaped(&report.at),
            headline = Escaped(headline),
        )?;
        report.resources.iter().try_for_each(|group| self::group(f, group, &report.at))?;
        if report.resources.is_empty() {
            f.write_str("<p>The pool has no resources.</p>\n")?;
        }
        f.write_str(
            "</main>\n<footer><a href=\"/status\">JSON</a> <a href=\"/readyz\">readyz</a> <a href=\"/livez\">livez</a> <a href=\"/metrics\">metrics</a></footer>\n</body>\n</html>\n",
        )
    }
}

/// Its class, and the one line that says how things are.
fn headline(report: &Report) -> (&'static str, String) {
    let names = |wanted: fn(&&Group) -> bool| {
        let names = report.resources.iter().filter(wanted).map(|group| &*group.name);
        names.collect::<Vec<_>>().join(", ")
    };
    let missing = names(|group| group.required && !group.ready);
    let ailing = names(|group| !group.ready || is_ailing(group));
    match (report.closing, missing.is_empty(), ailing.is_empty()) {
        (true, ..) => ("down", "Closing".to_owned()),
        (_, false, _) => ("down", format!("Not ready: {missing}")),
        (_, true, false) => ("degraded", format!("Ready, but look at {ailing}")),
        (_, true, true) => ("up", "Ready".to_owned()),
    }
}

fn is_ailing(group: &Group) -> bool {
    let left_out = |member: &Member| member.standing.is_some_and(|standing| standing.left_out);
    group.members.iter().any(|member| member.health != "up" || left_out(member))
}

/// `at` is when it was asked: times of the same day are shown without it.
fn group(f: &mut Formatter<'_>, group: &Group, at: &str) -> fmt::Result {
    for member in &group.members {
        let alone = group.members.len() == 1 && group.name == member.name;
        let name = if alone {
            Escaped(&group.name).to_string()
        } else {
            format!("{} / {}", Escaped(&group.name), Escaped(&member.name))
        };
        let optional = if group.required { "" } else { " <small>optional</small>" };
        writeln!(
            f,
            r#"<article class="{health}">
<h2>{name}{optional}{standing}<span class="pill">{state}</span></h2>
<p class="where">{system} at {address}</p>"#,
            health = member.health,
            standing = standing(member),
            state = said(member),
            system = Escaped(group.system),
            address = Escaped(&member.address),
        )?;
        self::member(f, member, at)?;
        f.write_str("</article>\n")?;
    }
    Ok(())
}

/// What its group makes of it, where that is more than one among equals.
fn standing(member: &Member) -> &'static str {
    match member.standing {
        Some(Standing { left_out: true, .. }) => " <small>left out</small>",
        Some(Standing { active: true, .. }) => " <small>active</small>",
        _ => "",
    }
}

/// State and health in one: what is not lost may still ail.
fn said(member: &Member) -> &'static str {
    if member.state == "ready" && member.health == "degraded" { "degraded" } else { member.state }
}

fn member(f: &mut Formatter<'_>, member: &Member, at: &str) -> fmt::Result {
    write!(f, "{}\n<dl>", Sparkline(&member.history))?;
    let since = format!("{} {}", member.state, span(member.in_state_seconds));
    fact(f, "state", &since, &format!("since {}", clock(&member.since, at)))?;
    let latency = member.latency_seconds.map_or("–".to_owned(), span);
    fact(f, "ping", &latency, &format!("{} ago", span(member.health_age_seconds)))?;
    fact(f, "leases", &count(member.leases as u64), "out at this moment")?;
    fact(f, "operations", &format!("{}/s", rate(member.operations_per_second)), &{
        format!("{} so far", count(member.counts.operations))
    })?;
    fact(f, "errors", &format!("{}/s", rate(member.errors_per_second)), &{
        format!("{} so far, {} tried again", count(member.counts.errors), member.counts.retries)
    })?;
    let lost = member.counts.disconnects;
    let back: Vec<_> =
        member.outages.iter().rev().map(|outage| span(outage.lasted_seconds)).collect();
    let back =
        if back.is_empty() { String::new() } else { format!("back after {}", back.join(", ")) };
    fact(f, "lost", &format!("{} ×", count(lost)), &back)?;
    if member.counts.leaks > 0 {
        fact(f, "leaks", &count(member.counts.leaks), "leases held too long")?;
    }
    f.write_str("</dl>\n")?;
    if let Some(why) = &member.why {
        writeln!(f, r#"<p class="why">{}</p>"#, Escaped(why))?;
    }
    match member.attempts {
        0 => {}
        1 => f.write_str("<p class=\"why\">an attempt to connect has failed</p>\n")?,
        many => writeln!(f, r#"<p class="why">{many} attempts to connect have failed</p>"#)?,
    }
    errors(f, member, at)
}

fn errors(f: &mut Formatter<'_>, member: &Member, at: &str) -> fmt::Result {
    if member.last_errors.is_empty() {
        return Ok(());
    }
    f.write_str("<details><summary>last errors</summary><ul>")?;
    for fault in member.last_errors.iter().rev() {
        let at = clock(&fault.at, at);
        write!(f, "<li><time>{}</time> {}</li>", Escaped(at), Escaped(&fault.error))?;
    }
    f.write_str("</ul></details>\n")
}

fn fact(f: &mut Formatter<'_>, name: &str, value: &str, more: &str) -> fmt::Result {
    let (name, value, more) = (Escaped(name), Escaped(value), Escaped(more));
    writeln!(f, "<div><dt>{name}</dt><dd>{value} <small>{more}</small></dd></div>")
}

/// `09:30:00Z` of `2027-02-24T09:30:00Z`, where that is the day of `now`.
fn clock<'a>(time: &'a str, now: &str) -> &'a str {
    match (time.split_once('T'), now.split_once('T')) {
        (Some((day, clock)), Some((today, _))) if day == today => clock,
        _ => time,
    }
}

fn span(seconds: f64) -> String {
    time(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

#[cfg(test)]
#[path = "page_tests.rs"]
pub(crate) mod tests;
