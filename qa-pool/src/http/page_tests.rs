use super::*;
use crate::GroupStatus;
use crate::http::history::{History, INTERVAL};
use qa_resource_core::{Error, ErrorKind, Health, MemberStatus, Reading, State, Stats, Status};
use tokio::time::Instant;

const NASTY: &str = "<script>alert('x')</script>";

pub(crate) fn status(health: Health, error: Option<&str>) -> Status {
    let error = error.map(|text| Error::new(ErrorKind::Connect, "r", text));
    Status {
        name: NASTY.into(),
        system: "redis",
        address: format!("{NASTY}:6379"),
        state: if health == Health::Down { State::Reconnecting } else { State::Ready },
        in_state: Duration::from_secs(192),
        generation: 3,
        attempts: 2,
        leases: 1234,
        last_outage: Some(Duration::from_millis(9_700)),
        health: Reading { health, latency: None, at: Instant::now(), error: error.clone() },
        last_error: error,
        stats: Stats { disconnects: 2, ..Stats::default() },
    }
}

fn page(health: Health, required: bool, error: Option<&str>) -> String {
    let status = status(health, error);
    let mut history = History::default();
    let start = Instant::now();
    for look in 0..3 {
        let before = Status { generation: 2 + u64::from(look > 0), ..status.clone() };
        history.note(&[before], start + INTERVAL * look);
    }
    let state = status.state;
    let name = NASTY.to_owned();
    let (members, standing) = (vec![status], vec![]);
    let group = GroupStatus { name, system: "redis", required, state, members, standing };
    Page(&Report::of(vec![group], false, &history)).to_string()
}

/// The names of the elements that are opened, and those that are closed. No text has a `<`.
fn elements(html: &str) -> (Vec<&str>, Vec<&str>) {
    let names = html.split('<').skip(1);
    let names =
        names.map(|rest| rest.split(|c: char| c.is_whitespace() || c == '>').next().unwrap());
    names.partition(|name| !name.starts_with('/'))
}

#[tokio::test(start_paused = true)]
async fn nothing_that_comes_from_elsewhere_is_read_as_html() {
    let html = page(Health::Down, true, Some(NASTY));
    assert!(!html.contains("<script") && !html.contains("alert('"), "{html}");
    assert!(html.contains("&lt;script&gt;"));
    let (opened, _) = elements(&html);
    assert!(!opened.contains(&"script"));
}

#[tokio::test(start_paused = true)]
async fn what_is_opened_is_closed() {
    for health in [Health::Up, Health::Degraded, Health::Down, Health::Unknown] {
        let html = page(health, true, Some("refused"));
        let (opened, closed) = elements(&html);
        for name in [
            "html", "head", "body", "main", "article", "dl", "div", "dt", "dd", "svg", "p", "h2",
            "ul", "li", "details", "small", "span", "time",
        ] {
            let count =
                |names: &[&str], name: &str| names.iter().filter(|one| **one == name).count();
            assert_eq!(count(&opened, name), count(&closed, &format!("/{name}")), "{name}: {html}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn it_loads_nothing_and_fits_a_phone() {
    let html = page(Health::Up, true, None);
    for forbidden in ["http://", "https://", "src=", "@import", "url(", "<link", "javascript"] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
    for needed in ["width=device-width", "prefers-color-scheme: dark", "http-equiv=\"refresh\""] {
        assert!(html.contains(needed), "{needed}");
    }
}

#[test]
fn a_time_of_today_is_shown_without_its_day() {
    let now = "2027-02-24T09:30:00Z";
    assert_eq!(clock("2027-02-24T09:12:00Z", now), "09:12:00Z");
    assert_eq!(clock("2027-02-23T23:59:59Z", now), "2027-02-23T23:59:59Z");
}

#[tokio::test(start_paused = true)]
async fn the_headline_says_what_is_missing() {
    for (health, required, headline) in [
        (Health::Up, true, "<h1>Ready</h1>"),
        (Health::Degraded, true, "<h1>Ready, but look at &lt;script"),
        (Health::Down, true, "<h1>Not ready: &lt;script"),
        (Health::Down, false, "<h1>Ready, but look at &lt;script"),
    ] {
        let html = page(health, required, None);
        assert!(html.contains(headline), "{headline}: {html}");
    }
}

#[tokio::test(start_paused = true)]
async fn it_says_who_is_active_in_a_group_and_who_is_left_out() {
    let name = |at: usize| format!("ticks-{at}");
    let member = |at: usize| Status { name: name(at).into(), ..status(Health::Up, None) };
    let stands = |at: usize| MemberStatus {
        name: name(at).into(),
        weight: 1,
        leases: 0,
        active: at == 0,
        ejected: at == 1,
    };
    let group = GroupStatus {
        name: "ticks".to_owned(),
        system: "redis",
        required: true,
        state: State::Ready,
        members: (0..3).map(member).collect(),
        standing: (0..3).map(stands).collect(),
    };
    let report = Report::of(vec![group], false, &History::default());
    let html = Page(&report).to_string();
    assert!(html.contains("ticks / ticks-0 <small>active</small>"), "{html}");
    assert!(html.contains("ticks / ticks-1 <small>left out</small>"), "{html}");
    assert!(html.contains("ticks / ticks-2<span"), "{html}");
    assert!(html.contains("<h1>Ready, but look at ticks</h1>"), "{html}");
    let json = serde_json::to_value(&report).unwrap();
    let standing = &json["resources"][0]["members"][1]["standing"];
    assert_eq!(*standing, serde_json::json!({ "weight": 1, "active": false, "left_out": true }));
}

#[tokio::test(start_paused = true)]
async fn it_says_since_when_how_often_lost_and_how_soon_back() {
    let html = page(Health::Up, true, Some("connection refused"));
    for part in ["ready 3 min 12 s", "1,234", "2 ×", "back after 9.7 s", "connection refused"] {
        assert!(html.contains(part), "{part}: {html}");
    }
}
