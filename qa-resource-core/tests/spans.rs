//! The spans of a known life: their names, their fields, and no secret.

mod common;

use common::{CANARY, Does, Fail, Plain, Script, exact, ms};
use qa_resource_core::{Resource, State};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// A span that was opened, with what was recorded in it later.
#[derive(Clone, Debug, Default)]
struct Seen {
    name: &'static str,
    level: Option<Level>,
    parent: Option<&'static str>,
    fields: BTreeMap<&'static str, String>,
}

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.fields.insert(field.name(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

/// Keeps every span that is closed, in that order.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<Seen>>>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        let mut seen = Seen {
            name: span.name(),
            level: Some(*span.metadata().level()),
            parent: span.parent().map(|parent| parent.name()),
            ..Seen::default()
        };
        attributes.record(&mut seen);
        span.extensions_mut().insert(seen);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        values.record(span.extensions_mut().get_mut::<Seen>().unwrap());
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let seen = context.span(&id).unwrap().extensions_mut().remove::<Seen>().unwrap();
        self.0.lock().unwrap().push(seen);
    }
}

impl Spans {
    /// Those of this name so far.
    fn named(&self, name: &str) -> Vec<Seen> {
        let all = self.0.lock().unwrap();
        all.iter().filter(|seen| seen.name == name).cloned().collect()
    }
}

impl Seen {
    fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// How it ended: `error.type`, `outcome`, `otel.status_code`.
    fn end(&self) -> [Option<&str>; 3] {
        ["error.type", "outcome", "otel.status_code"].map(|name| self.field(name))
    }
}

/// What every span of the resource `r` has.
fn common_fields(seen: &Seen, attempt: &str) {
    for (name, value) in [
        ("otel.kind", "client"),
        ("db.system.name", "scripted"),
        ("server.address", "nowhere:1/test"),
        ("resource", "r"),
        ("attempt", attempt),
    ] {
        assert_eq!(seen.field(name), Some(value), "{name} of {seen:?}");
    }
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn every_connect_attempt_and_every_attempt_of_an_operation_has_its_span() {
    let spans = Spans::default();
    let subscriber = tracing_subscriber::registry().with(spans.clone());
    let _guard = tracing::subscriber::set_default(subscriber);
    let script = Script::new();
    let resource: Resource<Plain> = Resource::new("r", common::Scripted(script.clone()), exact());

    Script::set(&script.connect, Does::Error(Fail::Refused));
    let mut watch = resource.watch();
    let connect = resource.clone();
    let connecting = tokio::spawn(async move { connect.connect().await });
    tokio::time::sleep(ms(150)).await;
    Script::set(&script.connect, Does::Ok);
    connecting.await.unwrap().unwrap();
    watch.wait_for(State::Ready).await;
    let connects = spans.named("connect");
    assert_eq!(connects.len(), 3, "{connects:?}");
    for (seen, attempt) in connects.iter().zip(["1", "2", "3"]) {
        common_fields(seen, attempt);
        assert_eq!((seen.level, seen.parent), (Some(Level::INFO), None));
    }
    let refused = [Some("connect"), Some("not_applied"), Some("ERROR")];
    assert_eq!(connects[0].end(), refused);
    assert_eq!(connects[2].end(), [None; 3]);

    // Tried again because it was not applied, and then done; then one that is not known.
    let mut tries = 0;
    let outer = tracing::info_span!("strategy");
    let work = resource.run(|_lease| {
        tries += 1;
        let first = tries == 1;
        async move { if first { Err(Fail::Refused) } else { Ok(()) } }
    });
    tracing::Instrument::instrument(work, outer).await.unwrap();
    resource.run(|_lease| async { Err::<(), _>(Fail::Cut) }).await.unwrap_err();
    let operations = spans.named("operation");
    assert_eq!(operations.len(), 3, "{operations:?}");
    for (seen, attempt) in operations.iter().zip(["1", "2", "1"]) {
        common_fields(seen, attempt);
        assert_eq!(seen.field("otel.name"), Some("scripted"), "named as the conventions have it");
        assert_eq!(seen.level, Some(Level::DEBUG));
    }
    assert_eq!(operations[0].end(), refused);
    assert_eq!(operations[1].end(), [None; 3]);
    assert_eq!(operations[2].end(), [Some("connect"), Some("unknown"), Some("ERROR")]);
    assert_eq!((operations[0].parent, operations[2].parent), (Some("strategy"), None));
    resource.close(ms(1_000)).await;
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn what_ran_out_of_time_is_said_and_no_span_shows_a_driver_s_words() {
    let spans = Spans::default();
    let subscriber = tracing_subscriber::registry().with(spans.clone());
    let _guard = tracing::subscriber::set_default(subscriber);
    let script = Script::new();
    let resource: Resource<Plain> = Resource::new("r", common::Scripted(script), exact());
    let late = resource.run(|_lease| std::future::pending::<Result<(), Fail>>()).await;
    late.unwrap_err();
    let end = [Some("timeout"), Some("unknown"), Some("ERROR")];
    assert_eq!(spans.named("operation")[0].end(), end);
    // A driver's words may quote a login: they are in errors, and in no span.
    resource.run(|_lease| async { Err::<(), _>(Fail::Password) }).await.unwrap_err();
    let all = format!("{:?}", spans.0.lock().unwrap());
    assert!(!all.contains(CANARY) && !all.contains("Password"), "{all}");
    assert_eq!(spans.named("operation")[1].end()[0], Some("auth"));
    resource.close(ms(1_000)).await;
}
