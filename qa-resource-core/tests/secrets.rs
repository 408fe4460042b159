//! Nothing secret in any output: a canary in every place that can hold a secret, every output
//! searched for it in the forms in which it could appear.

mod common;

use common::{CANARY, Does, Fail, Plain, Script, exact, ms};
use qa_resource_core::{Endpoint, Error, ErrorKind, Resource, Secret, Target};
use std::error::Error as _;
use std::io::Write;
use std::sync::{Arc, Mutex};
use tracing_subscriber::fmt::MakeWriter;

const URLS: [&str; 12] = [
    "redis://c4n4ry:c4n4ry@localhost:1/0?password=c4n4ry",
    "redis://:c4n4ry@localhost",
    "redis:/me:c4n4ry@localhost",
    "redis//c4n4ry@localhost",
    "c4n4ry",
    "redis://me:c4n4ry@:1",
    "redis://me:c4n4ry@localhost:c4n4ry",
    "redis://me:12/c4n4ry@localhost",
    "redis://me:1?c4n4ry@localhost",
    "redis://me:%FFc4n4ry@localhost",
    "redis://localhost?c4n4ry",
    "c4n4ry://localhost",
];

fn assert_clean(what: &str, text: &str) {
    let base64 = "YzRuNHJ5";
    for form in [CANARY, base64, "%634n4ry", "c4n4r"] {
        assert!(!text.contains(form), "{what} shows a secret: {text}");
    }
}

fn chain(error: &Error) -> String {
    let mut text = format!("{error} {error:?} {error:#?}");
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text} {error} {error:?}");
        source = error.source();
    }
    text
}

#[test]
fn no_url_good_or_bad_shows_its_secret() {
    for url in URLS {
        match Target::parse("r", url) {
            // A scheme is shown on purpose, so that an unknown one can be told.
            Ok(target) if target.endpoint.scheme() == CANARY => {}
            Ok(target) => {
                assert_clean("target", &format!("{target:?} {target:#?}"));
                assert_clean("address", &target.endpoint.address(1));
                assert_clean("scheme error", &chain(&target.expect_scheme(&["amqp"]).unwrap_err()));
                assert_clean("secret url", &format!("{:?}", target.endpoint.url()));
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Config);
                assert_clean("parse error", &chain(&error));
            }
        }
    }
}

#[test]
fn secrets_print_as_stars() {
    let secret = Secret::from(CANARY);
    assert_clean("secret", &format!("{secret:?} {:?}", Some(secret.clone())));
    let endpoint: Endpoint = "redis://localhost".parse().unwrap();
    let endpoint = endpoint.with_credentials(Some(secret.clone()), Some(secret));
    assert_clean("endpoint", &format!("{endpoint} {endpoint:?}"));
}

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// A whole life at TRACE: the log tells each state change once, and nothing secret.
#[tokio::test(start_paused = true)]
async fn the_log_of_a_life_has_a_line_per_change_and_no_secret() {
    let captured = Captured::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(captured.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let script = Script::new();
    let resource: Resource<Plain> = Resource::new("r", common::Scripted(script.clone()), exact());
    resource.connect().await.unwrap();
    Script::set(&script.connect, Does::Error(Fail::Refused));
    script.cut();
    tokio::time::sleep(ms(60_000)).await;
    assert_clean(
        "debug",
        &format!("{resource:?} {:?} {:?}", resource.status(), resource.try_acquire()),
    );
    resource.close(ms(100)).await;
    let text = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    assert_clean("log", &text);
    for state in ["connecting", "ready", "reconnecting", "draining", "closed"] {
        assert_eq!(text.matches(&format!("resource is {state}")).count(), 1, "{state} in {text}");
    }
    // 600 attempts in a minute of outage are five summaries.
    assert_eq!(text.matches("resource is still down").count(), 5, "{text}");
    assert_eq!(text.lines().count(), 10, "{text}");
}
