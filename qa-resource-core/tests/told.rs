//! What a resource tells people who look at it: what its server says about itself, and how long its last
//! outage was.

mod common;

use common::{Does, Fail, Plain, Script, exact, ms};
use qa_resource_core::{ErrorKind, Resource, State};
use std::sync::Arc;
use tokio::time::Instant;

fn resource() -> (Arc<Script>, Resource<Plain>) {
    let script = Script::new();
    (script.clone(), Resource::new("r", common::Scripted(script), exact()))
}

#[tokio::test(start_paused = true)]
async fn a_server_is_asked_about_itself_only_when_it_is_there_and_only_for_so_long() {
    let (script, resource) = resource();
    let error = resource.about().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
    assert_eq!(script.count("about"), 0);
    resource.connect().await.unwrap();
    assert_eq!(resource.about().await.unwrap().version.as_deref(), Some("1.2.3"));
    Script::set(&script.about, Does::Error(Fail::No));
    let error = resource.about().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Operation, "{error}");
    Script::set(&script.about, Does::Never);
    let began = Instant::now();
    let error = resource.about().await.unwrap_err();
    assert_eq!((error.kind(), began.elapsed()), (ErrorKind::Timeout, ms(1000)), "{error}");
    // It holds nothing up: the lease is back.
    assert!(resource.close(ms(1000)).await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn the_last_outage_is_told_once_it_is_over() {
    let (script, resource) = resource();
    resource.connect().await.unwrap();
    assert_eq!(resource.status().last_outage, None);
    let mut watch = resource.watch();
    Script::set(&script.connect, Does::Error(Fail::Refused));
    script.cut();
    assert!(watch.wait_for(State::Reconnecting).await);
    tokio::time::sleep(ms(3000)).await;
    assert_eq!(resource.status().last_outage, None, "it goes on");
    Script::set(&script.connect, Does::Ok);
    let back = watch.next().await.unwrap();
    assert_eq!(back.to, State::Ready);
    assert_eq!(resource.status().last_outage, Some(back.in_previous));
    assert!(back.in_previous >= ms(3000));
    resource.close(ms(1000)).await;
    assert_eq!(resource.status().last_outage, Some(back.in_previous), "it stays");
}
