//! The life of a resource on a scripted backend, in virtual time, with exact times.

mod common;

use common::{Does, Fail, Healing, Plain, Script, exact, ms};
use qa_resource_core::{ErrorKind, Health, Outcome, Resource, Settings, State};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{Instant, sleep};

fn resource(settings: Settings) -> (std::sync::Arc<Script>, Resource<Plain>) {
    let script = Script::new();
    (script.clone(), Resource::new("r", common::Scripted(script), settings))
}

#[tokio::test(start_paused = true)]
async fn nothing_happens_before_it_is_wanted() {
    let (script, resource) = resource(exact());
    sleep(ms(10_000)).await;
    assert_eq!(script.calls.lock().unwrap().len(), 0);
    assert_eq!(resource.state(), State::Idle);
    assert_eq!(resource.health().health, Health::Unknown);
}

#[tokio::test(start_paused = true)]
async fn acquire_connects_by_itself_and_pings_before_it_is_ready() {
    let (script, resource) = resource(exact());
    Script::set(&script.connect, Does::Slow(ms(30)));
    Script::set(&script.ping, Does::Slow(ms(5)));
    let lease = resource.acquire().await.unwrap();
    assert_eq!(script.elapsed(), ms(35));
    assert_eq!((lease.generation(), lease.number), (1, 1));
    assert_eq!(resource.state(), State::Ready);
    assert_eq!(resource.health().health, Health::Up);
}

#[tokio::test(start_paused = true)]
async fn a_connect_that_proves_itself_is_not_pinged_before_the_interval() {
    let settings = exact();
    let interval = settings.health_interval;
    let (script, resource) = resource(settings);
    script.proves.store(true, Ordering::SeqCst);
    Script::set(&script.connect, Does::Slow(ms(30)));
    drop(resource.acquire().await.unwrap());
    assert_eq!((script.elapsed(), script.count("ping")), (ms(30), 0));
    sleep(interval + ms(1)).await;
    assert_eq!(script.times("ping"), [ms(30) + interval]);
    let mut watch = resource.watch();
    script.cut();
    assert!(watch.wait_for(State::Reconnecting).await && watch.wait_for(State::Ready).await);
    assert_eq!((script.count("connect"), script.count("ping")), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_hundred_first_callers_share_one_connect() {
    let (script, resource) = resource(exact());
    Script::set(&script.connect, Does::Slow(ms(30)));
    let callers = (0..100).map(|_| {
        let resource = resource.clone();
        tokio::spawn(async move { resource.acquire().await.map(drop) })
    });
    for caller in futures_util::future::join_all(callers).await {
        caller.unwrap().unwrap();
    }
    assert_eq!(script.count("connect"), 1);
    assert_eq!(resource.status().leases, 0);
    assert_eq!(resource.status().stats.operations, 100);
}

#[tokio::test(start_paused = true)]
async fn the_first_connect_gives_up_after_its_attempts() {
    let (script, resource) = resource(Settings { connect_attempts: 3, ..exact() });
    Script::set(&script.connect, Does::Error(Fail::Refused));
    let error = resource.connect().await.unwrap_err();
    assert_eq!(script.times("connect"), [0, 100, 200].map(ms));
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.is_spent() && !error.is_retryable());
    assert_eq!(resource.state(), State::Idle);
    // And can be asked for again.
    Script::set(&script.connect, Does::Ok);
    resource.connect().await.unwrap();
    assert_eq!(script.elapsed(), ms(200));
}

#[tokio::test(start_paused = true)]
async fn the_first_connect_gives_up_after_its_time() {
    let settings = Settings {
        connect_timeout: ms(400),
        connect_deadline: ms(1_000),
        connect_attempts: 100,
        ..exact()
    };
    let (script, resource) = resource(settings);
    Script::set(&script.connect, Does::Never);
    let error = resource.connect().await.unwrap_err();
    assert_eq!(script.times("connect"), [0, 500].map(ms));
    assert_eq!(script.elapsed(), ms(900));
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_is_not_tried_again() {
    let (script, resource) = resource(exact());
    Script::set(&script.connect, Does::Error(Fail::Password));
    let error = resource.acquire().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth);
    assert_eq!(script.times("connect"), [ms(0)]);
}

#[tokio::test(start_paused = true)]
async fn a_connect_whose_ping_fails_is_closed_and_tried_again() {
    let (script, resource) = resource(exact());
    Script::set(&script.ping, Does::Error(Fail::Cut));
    let connect = tokio::spawn({
        let resource = resource.clone();
        async move { resource.connect().await }
    });
    sleep(ms(50)).await;
    assert_eq!((script.count("connect"), script.count("close")), (1, 1));
    assert_eq!(script.open.load(Ordering::SeqCst), 0);
    Script::set(&script.ping, Does::Ok);
    connect.await.unwrap().unwrap();
    assert_eq!(script.times("connect"), [0, 100].map(ms));
    assert_eq!(script.open.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn pings_go_on_time_and_two_failures_are_a_loss() {
    let (script, resource) = resource(exact());
    let mut watch = resource.watch();
    resource.connect().await.unwrap();
    sleep(ms(2_500)).await;
    assert_eq!(script.times("ping"), [0, 2_000].map(ms));
    // Frozen right after a good ping: noticed within interval + 2 limits + the gap.
    Script::set(&script.ping, Does::Never);
    assert!(watch.wait_for(State::Reconnecting).await);
    // The last one is that of the connection which is made at once in its place.
    assert_eq!(script.times("ping"), [0, 2_000, 4_000, 5_000, 6_000].map(ms));
    assert_eq!((script.times("connect"), script.elapsed()), ([0, 6_000].map(ms).into(), ms(6_000)));
    assert_eq!(resource.health().health, Health::Down);
    assert_eq!(resource.health().error.unwrap().kind(), ErrorKind::Timeout);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_talks_and_answers_no_ping_is_slow_and_lost_only_after_the_time_of_a_connect()
{
    let (script, resource) = resource(exact());
    let mut watch = resource.watch();
    resource.connect().await.unwrap();
    script.heard.store(true, Ordering::SeqCst);
    Script::set(&script.ping, Does::Never);
    sleep(ms(10_000)).await;
    assert_eq!(resource.state(), State::Ready);
    assert_eq!(resource.health().health, Health::Degraded);
    assert_eq!(script.times("ping"), [0, 2_000, 4_000, 6_000, 8_000].map(ms), "at its usual pace");
    // One answer, and the time begins anew.
    Script::set(&script.ping, Does::Ok);
    sleep(ms(2_000)).await;
    assert_eq!(resource.health().health, Health::Up);
    Script::set(&script.ping, Does::Never);
    let began = script.elapsed();
    assert!(watch.wait_for(State::Ready).await && watch.wait_for(State::Reconnecting).await);
    let held = script.elapsed().saturating_sub(began);
    assert!((ms(20_000)..=ms(26_000)).contains(&held), "{held:?}");
}

#[tokio::test(start_paused = true)]
async fn one_failed_ping_is_a_degraded_reading_and_no_loss() {
    let (script, resource) = resource(exact());
    resource.connect().await.unwrap();
    Script::set(&script.ping, Does::Error(Fail::Cut));
    sleep(ms(2_050)).await;
    assert_eq!(resource.health().health, Health::Degraded);
    Script::set(&script.ping, Does::Ok);
    sleep(ms(100)).await;
    assert_eq!(resource.health().health, Health::Up);
    assert_eq!(script.times("ping"), [0, 2_000, 2_100].map(ms));
    assert_eq!(resource.status().stats.disconnects, 0);
}

#[tokio::test(start_paused = true)]
async fn an_overloaded_server_is_degraded_and_kept() {
    let (script, resource) = resource(exact());
    resource.connect().await.unwrap();
    Script::set(&script.ping, Does::Error(Fail::Overloaded));
    sleep(ms(60_000)).await;
    assert_eq!((resource.state(), resource.health().health), (State::Ready, Health::Degraded));
}

#[tokio::test(start_paused = true)]
async fn an_impaired_server_is_degraded_with_the_reason_and_kept() {
    let (script, resource) = resource(exact());
    resource.connect().await.unwrap();
    script.impaired.store(true, Ordering::SeqCst);
    sleep(ms(2_001)).await;
    let reading = resource.health();
    assert_eq!((resource.state(), reading.health), (State::Ready, Health::Degraded));
    assert!(reading.error.unwrap().message().contains("an alarm"));
    script.impaired.store(false, Ordering::SeqCst);
    sleep(ms(2_001)).await;
    assert_eq!(resource.health().health, Health::Up);
}

#[tokio::test(start_paused = true)]
async fn an_impairment_that_the_driver_tells_of_is_read_at_once() {
    let (script, resource) = resource(exact());
    resource.connect().await.unwrap();
    let gap = ms(101);
    for (impaired, health) in [(true, Health::Degraded), (false, Health::Up)] {
        sleep(ms(500)).await;
        script.impaired.store(impaired, Ordering::SeqCst);
        script.alarm.notify_one();
        sleep(gap).await;
        assert_eq!((resource.state(), resource.health().health), (State::Ready, health));
    }
}

#[tokio::test(start_paused = true)]
async fn the_drivers_word_is_a_loss_at_once_and_it_comes_back() {
    let (script, resource) = resource(exact());
    let mut watch = resource.watch();
    resource.connect().await.unwrap();
    let lease = resource.acquire().await.unwrap();
    script.cut();
    lease.lost().await;
    assert_eq!(script.elapsed(), ms(0));
    assert_eq!(resource.state(), State::Reconnecting);
    drop(lease);
    assert!(watch.wait_for(State::Ready).await);
    assert_eq!(script.elapsed(), ms(100));
    assert_eq!(resource.acquire().await.unwrap().generation(), 2);
    // The lost client was said goodbye to and is gone.
    assert_eq!((script.count("close"), script.open.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_was_well_is_dialled_again_at_once_and_what_was_cut_at_once_after_a_pause() {
    let (script, resource) = resource(Settings { backoff_cap: ms(5_000), ..exact() });
    resource.connect().await.unwrap();
    let mut watch = resource.watch();
    for (lived, at_once) in [(ms(1_000), true), (ms(999), false), (ms(60_000), true)] {
        sleep(lived).await;
        script.cut();
        assert_eq!(watch.next().await.unwrap().to, State::Reconnecting);
        let back = watch.next().await.unwrap();
        let delays = if at_once { ms(0)..=ms(0) } else { ms(100)..=ms(300) };
        assert_eq!(back.to, State::Ready);
        assert!(delays.contains(&back.in_previous), "{:?} after {lived:?}", back.in_previous);
    }
}

/// What comes after the attempt at once is as if there had been none, whatever came of it.
#[tokio::test(start_paused = true)]
async fn an_attempt_at_once_that_fails_changes_nothing_in_the_delays() {
    for fail in [Fail::Refused, Fail::Password] {
        let (script, resource) = resource(Settings { backoff_cap: ms(5_000), ..exact() });
        resource.connect().await.unwrap();
        sleep(ms(1_000)).await;
        Script::set(&script.connect, Does::Error(fail));
        script.cut();
        assert!(resource.watch().wait_for(State::Reconnecting).await);
        sleep(ms(50)).await;
        Script::set(&script.connect, Does::Ok);
        assert!(resource.watch().wait_for(State::Ready).await);
        let dialled = script.times("connect");
        assert_eq!(dialled[..2], [0, 1_000].map(ms), "{fail:?}");
        assert!((ms(1_100)..=ms(1_300)).contains(&dialled[2]), "{fail:?}: {dialled:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reconnect_never_gives_up_and_a_restored_password_heals_it() {
    let (script, resource) = resource(Settings { backoff_cap: ms(4_000), ..exact() });
    resource.connect().await.unwrap();
    Script::set(&script.connect, Does::Error(Fail::Password));
    script.cut();
    sleep(Duration::from_secs(3_600)).await;
    assert_eq!(resource.state(), State::Reconnecting);
    let attempts = script.count("connect");
    // Slowed to between half of the longest delay and all of it.
    assert!((900..=1_801).contains(&attempts), "{attempts}");
    Script::set(&script.connect, Does::Ok);
    sleep(ms(4_000)).await;
    assert_eq!(resource.state(), State::Ready);
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_heals_itself_keeps_its_client() {
    let script = Script::new();
    let resource: Resource<Healing> = Resource::new("r", common::Scripted(script.clone()), exact());
    resource.connect().await.unwrap();
    Script::set(&script.ping, Does::Error(Fail::Cut));
    sleep(ms(30_000)).await;
    assert_eq!(resource.state(), State::Reconnecting);
    Script::set(&script.ping, Does::Ok);
    sleep(ms(150)).await;
    assert_eq!(resource.state(), State::Ready);
    assert_eq!((script.count("connect"), script.count("close")), (1, 0));
    assert!(resource.close(ms(1_000)).await.is_clean());
    assert_eq!((script.count("close"), script.open.load(Ordering::SeqCst)), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_driver_whose_login_is_refused_is_replaced_by_another_client() {
    let script = Script::new();
    let resource: Resource<Healing> = Resource::new("r", common::Scripted(script.clone()), exact());
    resource.connect().await.unwrap();
    Script::set(&script.ping, Does::Error(Fail::Password));
    sleep(ms(30_000)).await;
    assert_eq!(resource.state(), State::Reconnecting);
    Script::set(&script.ping, Does::Ok);
    assert!(resource.watch().wait_for(State::Ready).await);
    let connects = script.count("connect");
    assert!(connects > 1, "it asks for the login anew each time");
    sleep(ms(1_000)).await;
    assert_eq!(script.count("close"), connects - 1);
    assert_eq!(script.open.load(Ordering::SeqCst), 1);
    assert!(resource.close(ms(1_000)).await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn a_fresh_client_that_is_asked_for_lets_what_is_under_way_on_the_old_one_finish() {
    what_is_under_way_finishes::<true>().await;
    what_is_under_way_finishes::<false>().await;
}

async fn what_is_under_way_finishes<const DRIVER: bool>() {
    let script = Script::new();
    let settings = Settings { operation_timeout: ms(10_000), ..exact() };
    let resource = Resource::new("r", common::Scripted::<DRIVER>(script.clone()), settings);
    resource.connect().await.unwrap();
    for (held_for, closed_after) in [(ms(3_000), ms(3_000)), (ms(60_000), ms(10_000))] {
        let lease = resource.acquire().await.unwrap();
        let (number, asked, closed) = (lease.number, script.elapsed(), script.count("close"));
        let mut watch = resource.watch();
        resource.reconnect();
        assert_eq!(watch.next().await.unwrap().to, State::Ready);
        assert_eq!(resource.acquire().await.unwrap().number, number + 1);
        sleep((asked + held_for).saturating_sub(script.elapsed())).await;
        drop(lease);
        sleep(ms(1)).await;
        let times = script.times("close");
        assert_eq!((times.len(), times[closed]), (closed + 1, asked + closed_after));
    }
    assert!(resource.close(ms(1_000)).await.is_clean());
    assert_eq!(script.open.load(Ordering::SeqCst), 0);
}

/// A driver that heals by itself and has just lost its connection; the next ping is due after 5 s.
async fn lost_by_its_driver() -> (std::sync::Arc<Script>, Resource<Healing>) {
    let script = Script::new();
    let slow = Settings { backoff_floor: ms(5_000), backoff_cap: ms(5_000), ..exact() };
    let resource = Resource::new("r", common::Scripted(script.clone()), slow);
    resource.connect().await.unwrap();
    script.cut();
    assert!(resource.watch().wait_for(State::Reconnecting).await);
    sleep(ms(1_000)).await;
    (script, resource)
}

#[tokio::test(start_paused = true)]
async fn what_a_driver_has_brought_back_is_found_at_once() {
    let (script, resource) = lost_by_its_driver().await;
    script.back.notify_one();
    assert!(resource.watch().wait_for(State::Ready).await);
    assert_eq!(script.elapsed(), ms(1_000));
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_was_wrong_is_not_believed_twice_in_a_row() {
    let (script, resource) = lost_by_its_driver().await;
    let pings = script.count("ping");
    Script::set(&script.ping, Does::Error(Fail::Cut));
    for _ in 0..3 {
        script.back.notify_one();
        sleep(ms(100)).await;
    }
    assert_eq!((resource.state(), script.count("ping")), (State::Reconnecting, pings + 1));
    Script::set(&script.ping, Does::Ok);
    assert!(resource.watch().wait_for(State::Ready).await);
    assert_eq!(script.elapsed(), ms(6_000));
}

#[tokio::test(start_paused = true)]
async fn a_reconnect_proves_itself_as_often_as_asked() {
    let (script, resource) = resource(Settings { health_successes: 3, ..exact() });
    let mut watch = resource.watch();
    resource.connect().await.unwrap();
    script.cut();
    assert!(watch.wait_for(State::Reconnecting).await);
    assert!(watch.wait_for(State::Ready).await);
    // 100 ms of delay, then three pings 2 s apart.
    assert_eq!(script.elapsed(), ms(4_100));
}

/// Two clean minutes, then a server that is there for a second and gone for a second.
#[tokio::test(start_paused = true)]
async fn a_server_that_comes_and_goes_changes_its_health_once_and_is_used_while_it_is_there() {
    let (script, resource) = resource(exact());
    resource.connect().await.unwrap();
    sleep(ms(120_000)).await;
    let (mut up, mut changes) = (true, 0);
    for tick in 0..600 {
        match tick % 20 {
            0 => {
                Script::set(&script.connect, Does::Error(Fail::Refused));
                script.cut();
            }
            10 => Script::set(&script.connect, Does::Ok),
            19 => assert!(resource.try_acquire().is_ok(), "there is a connection, and it is given"),
            _ => {}
        }
        sleep(ms(100)).await;
        let now = resource.health().health == Health::Up;
        changes += usize::from(now != up);
        up = now;
    }
    assert_eq!((changes, up), (1, false));
    sleep(ms(40_000)).await;
    assert_eq!(resource.health().health, Health::Up);
}

#[tokio::test(start_paused = true)]
async fn a_clean_recovery_is_ready_at_once_and_up_after_one_interval() {
    let (script, resource) = resource(exact());
    resource.connect().await.unwrap();
    let lease = resource.acquire().await.unwrap();
    script.cut();
    lease.lost().await;
    sleep(ms(150)).await;
    assert_eq!((resource.state(), resource.health().health), (State::Ready, Health::Degraded));
    assert!(resource.health().error.unwrap().message().contains("is back"));
    sleep(ms(2_000)).await;
    assert_eq!(resource.health().health, Health::Up);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_kept_waiting_is_soon_followed_by_the_next() {
    let settings = Settings { backoff_cap: ms(5_000), connect_timeout: ms(5_000), ..exact() };
    let (script, resource) = resource(settings);
    resource.connect().await.unwrap();
    Script::set(&script.connect, Does::Never);
    script.cut();
    sleep(ms(60_000)).await;
    let dialled = script.times("connect");
    let apart: Vec<_> = dialled[1..].windows(2).map(|two| two[1].saturating_sub(two[0])).collect();
    // The limit of an attempt, and a pause from the floor to ten times that.
    let soon = |apart: &Duration| (ms(5_100)..=ms(6_000)).contains(apart);
    assert!(apart.len() >= 8 && apart.iter().all(soon), "{apart:?}");
}

#[tokio::test(start_paused = true)]
async fn acquire_times_out_with_the_reason() {
    let (script, resource) = resource(exact());
    resource.connect().await.unwrap();
    Script::set(&script.connect, Does::Error(Fail::Refused));
    let lease = resource.acquire().await.unwrap();
    script.cut();
    lease.lost().await;
    let began = Instant::now();
    let error = resource.acquire().await.unwrap_err();
    assert_eq!(began.elapsed(), ms(5_000));
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, Outcome::NotApplied));
    let text = error.to_string();
    for part in [
        "`r`",
        "scripted at nowhere:1/test",
        "reconnecting",
        "49 attempts failed",
        "1 leases",
        "Refused",
    ] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    assert_eq!(resource.try_acquire().unwrap_err().kind(), ErrorKind::Connect);
}

#[tokio::test(start_paused = true)]
async fn a_fresh_connection_can_be_asked_for() {
    let (script, resource) = resource(exact());
    let mut watch = resource.watch();
    resource.reconnect();
    resource.connect().await.unwrap();
    assert_eq!(script.count("connect"), 1);
    assert!(watch.wait_for(State::Ready).await);
    resource.reconnect();
    while watch.next().await.unwrap().generation < 2 {}
    sleep(ms(1)).await;
    assert_eq!((script.count("connect"), script.count("close")), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn endless_times_are_no_overflow() {
    let forever = Duration::MAX;
    let (script, resource) = resource(Settings {
        connect_timeout: forever,
        connect_deadline: forever,
        acquire_timeout: forever,
        operation_timeout: forever,
        close_timeout: forever,
        backoff_floor: ms(100),
        backoff_cap: forever,
        health_interval: forever,
        health_timeout: forever,
        leak_threshold: forever,
        ..Settings::default()
    });
    Script::set(&script.connect, Does::Error(Fail::Refused));
    assert!(resource.connect().await.is_err());
    Script::set(&script.connect, Does::Ok);
    drop(resource.acquire().await.unwrap());
    resource.run(|_lease| async { Ok(()) }).await.unwrap();
    resource.check_now().await;
    script.cut();
    sleep(ms(1_000)).await;
    assert!(resource.close(forever).await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn check_now_pings_at_once() {
    let (script, resource) = resource(exact());
    assert_eq!(resource.check_now().await.health, Health::Unknown);
    resource.connect().await.unwrap();
    sleep(ms(500)).await;
    Script::set(&script.ping, Does::Slow(ms(20)));
    let reading = resource.check_now().await;
    assert_eq!((reading.health, reading.latency), (Health::Up, Some(ms(20))));
    assert_eq!(script.elapsed(), ms(520));
}

#[tokio::test(start_paused = true)]
async fn a_leak_is_reported_once_and_a_long_lived_lease_never() {
    let (_script, resource) = resource(Settings { leak_threshold: ms(2_000), ..exact() });
    let leaked = resource.acquire().await.unwrap();
    let _kept = resource.acquire().await.unwrap().long_lived();
    for _ in 0..1_000 {
        drop(resource.acquire().await.unwrap());
    }
    sleep(ms(2_000)).await;
    assert_eq!(resource.status().stats.leaks, 0);
    sleep(ms(1_000)).await;
    assert_eq!(resource.status().stats.leaks, 1);
    assert!(leaked.age() >= ms(2_500) && leaked.age() <= ms(3_250), "{:?}", leaked.age());
    assert!(leaked.acquired_at().file().ends_with("lifecycle.rs"));
    sleep(ms(60_000)).await;
    assert_eq!(resource.status().stats.leaks, 1);
}

#[test]
fn outside_a_runtime_there_is_a_clear_error() {
    let script = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { Script::new() })
    })
    .join()
    .unwrap();
    let resource: Resource<Plain> = Resource::new("r", common::Scripted(script), exact());
    let error = futures_util::FutureExt::now_or_never(resource.connect()).unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("Tokio runtime"), "{error}");
}
