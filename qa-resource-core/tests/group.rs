//! Groups of several on scripted backends, in virtual time: who gives leases, and what is told.

mod common;

use common::{Does, Fail, Plain, Script, exact, ms};
use qa_resource_core::{
    ErrorKind, Forced, Group, GroupEvent, GroupEvents, GroupSettings, Health, Member, Policy,
    Resource, State, SwitchReason,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

const GRACE: Duration = Duration::from_secs(30);

fn member(name: &str) -> (Arc<Script>, Resource<Plain>) {
    let script = Script::new();
    (script.clone(), Resource::new(name, common::Scripted(script), exact()))
}

fn group(policy: Policy, names: &[&str]) -> (Vec<Arc<Script>>, Group<Plain>) {
    let (scripts, resources): (Vec<_>, Vec<_>) = names.iter().map(|name| member(name)).unzip();
    let settings = GroupSettings { policy, ..GroupSettings::default() };
    (scripts, Group::of("bars", resources, settings).unwrap())
}

/// With every member connected.
async fn connected(policy: Policy, names: &[&str]) -> (Vec<Arc<Script>>, Group<Plain>) {
    let (scripts, group) = group(policy, names);
    group.connect().await.unwrap();
    for member in group.members() {
        assert!(member.watch().wait_for(State::Ready).await);
    }
    (scripts, group)
}

/// How many of so many leases, each given back at once, each member gave.
async fn shares(group: &Group<Plain>, leases: usize) -> BTreeMap<String, usize> {
    let mut shares = BTreeMap::new();
    for _ in 0..leases {
        let lease = group.acquire().await.unwrap();
        *shares.entry(lease.resource().to_string()).or_default() += 1;
    }
    shares
}

async fn asked(group: &Group<Plain>) -> String {
    group.acquire().await.unwrap().resource().to_string()
}

fn map<const N: usize>(shares: [(&str, usize); N]) -> BTreeMap<String, usize> {
    shares.into_iter().map(|(name, share)| (name.to_owned(), share)).collect()
}

async fn switched(events: &mut GroupEvents) -> (String, String, SwitchReason) {
    loop {
        if let GroupEvent::Switched { from, to, reason, .. } = events.next().await.unwrap() {
            return (from.to_string(), to.to_string(), reason);
        }
    }
}

fn switch(from: &str, to: &str, reason: SwitchReason) -> (String, String, SwitchReason) {
    (from.to_owned(), to.to_owned(), reason)
}

/// Cuts a member off, for as long as `does` says.
fn lose(script: &Script, does: Does) {
    Script::set(&script.connect, does);
    script.cut();
}

#[tokio::test(start_paused = true)]
async fn in_turn_by_weight_and_only_those_that_are_there() {
    let (scripts, group) = connected(Policy::RoundRobin, &["one", "two", "three"]).await;
    assert_eq!(shares(&group, 9).await, map([("one", 3), ("two", 3), ("three", 3)]));
    group.set_weight("two", 4).unwrap();
    assert_eq!(shares(&group, 12).await, map([("one", 2), ("two", 8), ("three", 2)]));
    lose(&scripts[1], Does::Error(Fail::Refused));
    let two = &group.members()[1];
    assert!(two.watch().wait_for(State::Reconnecting).await);
    assert_eq!(shares(&group, 8).await, map([("one", 4), ("three", 4)]));
    assert_eq!(group.health().health, Health::Degraded);
    assert!(group.set_weight("four", 1).unwrap_err().message().contains("one, two, three"));
}

#[tokio::test(start_paused = true)]
async fn the_least_loaded_gets_the_next() {
    let (_scripts, group) = connected(Policy::LeastLoaded, &["one", "two"]).await;
    let held: Vec<_> = (0..10).map(|_| group.try_acquire().unwrap()).collect();
    let of_one = held.iter().filter(|lease| &**lease.resource() == "one").count();
    assert_eq!(of_one, 5, "with two members both are drawn each time");
    let loads: Vec<_> = group.standing().iter().map(|member| member.leases).collect();
    assert_eq!(loads, [5, 5]);
    let kept: Vec<_> = held.into_iter().filter(|lease| &**lease.resource() == "one").collect();
    for _ in 0..5 {
        assert_eq!(asked(&group).await, "two");
    }
    drop(kept);
    assert!(group.standing().iter().all(|member| member.leases == 0));
}

#[tokio::test(start_paused = true)]
async fn a_failover_is_at_once_and_the_way_back_after_the_grace() {
    let (scripts, group) = connected(Policy::Failover, &["main", "spare"]).await;
    let mut events = group.events();
    assert_eq!(shares(&group, 3).await, map([("main", 3)]));
    lose(&scripts[0], Does::Error(Fail::Refused));
    assert_eq!(switched(&mut events).await, switch("main", "spare", SwitchReason::Failover));
    assert_eq!(asked(&group).await, "spare");
    Script::set(&scripts[0].connect, Does::Ok);
    assert!(group.members()[0].watch().wait_for(State::Ready).await);
    let back = Instant::now();
    assert_eq!(asked(&group).await, "spare", "it has to hold first");
    assert_eq!(switched(&mut events).await, switch("spare", "main", SwitchReason::Failback));
    assert_eq!(back.elapsed(), GRACE);
    assert_eq!(asked(&group).await, "main");
    assert!(group.standing()[0].active);
}

#[tokio::test(start_paused = true)]
async fn a_main_server_that_takes_longer_to_connect_is_active_all_the_same() {
    let (scripts, group) = group(Policy::Failover, &["main", "spare"]);
    Script::set(&scripts[0].connect, Does::Slow(ms(800)));
    let mut events = group.events();
    group.connect().await.unwrap();
    assert_eq!(asked(&group).await, "spare", "nobody waits for it");
    assert!(group.members()[0].watch().wait_for(State::Ready).await);
    assert_eq!(asked(&group).await, "main");
    assert!(timeout(GRACE, switched(&mut events)).await.is_err(), "nothing was switched");
}

#[tokio::test(start_paused = true)]
async fn a_main_server_that_comes_and_goes_is_left_once_and_not_gone_back_to() {
    let (scripts, group) = connected(Policy::Failover, &["main", "spare"]).await;
    let mut events = group.events();
    for _ in 0..15 {
        lose(&scripts[0], Does::Error(Fail::Refused));
        sleep(ms(2_000)).await;
        Script::set(&scripts[0].connect, Does::Ok);
        sleep(ms(2_000)).await;
        assert_eq!(group.members()[0].state(), State::Ready);
        assert_eq!(asked(&group).await, "spare");
    }
    assert_eq!(switched(&mut events).await, switch("main", "spare", SwitchReason::Failover));
    assert_eq!(switched(&mut events).await, switch("spare", "main", SwitchReason::Failback));
    assert!(timeout(10 * GRACE, switched(&mut events)).await.is_err(), "nothing else happened");
}

#[tokio::test(start_paused = true)]
async fn who_was_made_active_by_hand_stays_until_it_is_lost() {
    let (scripts, group) = connected(Policy::Failover, &["main", "spare"]).await;
    let mut events = group.events();
    group.switch_to("spare").unwrap();
    assert_eq!(switched(&mut events).await, switch("main", "spare", SwitchReason::Forced));
    assert!(timeout(10 * GRACE, switched(&mut events)).await.is_err());
    assert_eq!(asked(&group).await, "spare");
    lose(&scripts[1], Does::Error(Fail::Refused));
    assert_eq!(switched(&mut events).await, switch("spare", "main", SwitchReason::Failover));
    assert_eq!(asked(&group).await, "main");
    assert!(group.switch_to("nobody").unwrap_err().message().contains("main, spare"));
    let (_scripts, other) = connected(Policy::RoundRobin, &["one"]).await;
    assert_eq!(other.switch_to("one").unwrap_err().kind(), ErrorKind::Config);
}

#[tokio::test(start_paused = true)]
async fn an_operation_goes_on_elsewhere_without_a_pause_where_that_is_safe() {
    let (_scripts, group) = connected(Policy::Failover, &["main", "spare"]).await;
    let on_main = |fail: Fail| {
        let group = group.clone();
        async move {
            let op = |lease: qa_resource_core::Lease<Plain>| async move {
                if &**lease.resource() == "main" { Err(fail) } else { Ok(()) }
            };
            (group.run(op).await.map_err(|error| error.kind()), group.run_idempotent(op).await)
        }
    };
    let began = Instant::now();
    let (once, again) = on_main(Fail::Refused).await;
    assert!(once.is_ok() && again.is_ok());
    let (once, again) = on_main(Fail::Cut).await;
    assert!(once == Err(ErrorKind::Connect) && again.is_ok(), "it may have been applied");
    assert_eq!(began.elapsed(), Duration::ZERO);
    // After three in a row it is left out, and the fourth is not sent there.
    assert_eq!(group.members()[0].status().stats.errors, 3);
}

#[tokio::test(start_paused = true)]
async fn one_on_which_operations_fail_is_left_out_and_probed() {
    let (_scripts, group) = connected(Policy::RoundRobin, &["good", "bad"]).await;
    let mut events = group.events();
    let run = |sick: bool| {
        let group = group.clone();
        async move {
            let op = |lease: qa_resource_core::Lease<Plain>| async move {
                let bad = &**lease.resource() == "bad";
                if bad && sick { Err(Fail::Overloaded) } else { Ok(lease.resource().clone()) }
            };
            group.run(op).await.unwrap().to_string()
        }
    };
    for _ in 0..6 {
        assert_eq!(run(true).await, "good", "the others are done again elsewhere");
    }
    let ejected = events.next().await.unwrap();
    assert!(
        matches!(&ejected, GroupEvent::Ejected { member, failures: 3, length } if &**member == "bad" && *length == ms(1_000)),
        "{ejected:?}"
    );
    assert!(group.standing()[1].ejected);
    assert_eq!(shares(&group, 10).await, map([("good", 10)]));
    sleep(ms(1_000)).await;
    assert_eq!(run(true).await, "good");
    assert!(
        matches!(events.next().await, Some(GroupEvent::Ejected { length, .. }) if length == ms(2_000))
    );
    sleep(ms(2_000)).await;
    assert_eq!(run(false).await, "bad", "the probe");
    assert!(
        matches!(events.next().await, Some(GroupEvent::Readmitted { member }) if &*member == "bad")
    );
    assert_eq!(shares(&group, 10).await, map([("good", 5), ("bad", 5)]));
}

#[tokio::test(start_paused = true)]
async fn what_fails_on_a_connection_that_was_lost_is_not_held_against_the_next() {
    let (scripts, group) = connected(Policy::Failover, &["main", "spare"]).await;
    let late = Arc::new(Notify::new());
    let mut running = JoinSet::new();
    for _ in 0..5 {
        let (group, late) = (group.clone(), late.clone());
        running.spawn(async move {
            let op = |_lease| async {
                Err::<(), _>({
                    late.notified().await;
                    Fail::Cut
                })
            };
            group.run(op).await.unwrap_err()
        });
    }
    tokio::task::yield_now().await;
    scripts[0].cut();
    let main = group.members().remove(0);
    assert!(main.watch().wait_for(State::Reconnecting).await);
    assert!(main.watch().wait_for(State::Ready).await);
    late.notify_waiters();
    assert_eq!(running.join_all().await.len(), 5);
    assert!(!group.standing()[0].ejected);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_given_back_without_a_word_is_no_probe() {
    let (_scripts, group) = connected(Policy::Failover, &["main", "spare"]).await;
    let lease = group.acquire().await.unwrap();
    (0..3).for_each(|_| lease.report(&Fail::Overloaded));
    drop(lease);
    assert_eq!(asked(&group).await, "spare");
    sleep(ms(1_000)).await;
    let probe = group.acquire().await.unwrap();
    assert_eq!(&**probe.resource(), "main");
    assert_eq!(asked(&group).await, "spare", "one probe at a time");
    drop(probe);
    let probe = group.acquire().await.unwrap();
    assert_eq!(&**probe.resource(), "main", "the one before said nothing");
    probe.report_success();
    assert!(!group.standing()[0].ejected);
}

#[tokio::test(start_paused = true)]
async fn nobody_there_is_told_once_and_waiters_get_the_first_who_is_back() {
    let (scripts, group) = connected(Policy::LeastLoaded, &["one", "two"]).await;
    let (mut events, mut watch) = (group.events(), group.watch());
    for script in &scripts {
        lose(script, Does::Error(Fail::Refused));
    }
    assert!(watch.wait_for(State::Reconnecting).await);
    assert!(matches!(events.next().await, Some(GroupEvent::AllDown)));
    let lost = Instant::now();
    let error = group.acquire().await.unwrap_err();
    assert_eq!((error.kind(), lost.elapsed()), (ErrorKind::Timeout, exact().acquire_timeout));
    assert_eq!(error.message().matches("reconnecting").count(), 2, "{error}");
    let waiter = tokio::spawn({
        let group = group.clone();
        async move { asked(&group).await }
    });
    sleep(ms(1_050)).await;
    Script::set(&scripts[1].connect, Does::Ok);
    assert_eq!(waiter.await.unwrap(), "two");
    let back = events.next().await;
    assert!(
        matches!(&back, Some(GroupEvent::Back { member, after }) if &**member == "two" && *after == lost.elapsed()),
        "{back:?}"
    );
    assert!(timeout(GRACE, events.next()).await.is_err(), "nothing else happened");
}

#[tokio::test(start_paused = true)]
async fn one_that_can_be_connected_is_enough_and_the_others_are_tried_again() {
    let (scripts, group) = group(Policy::RoundRobin, &["one", "two"]);
    Script::set(&scripts[0].connect, Does::Error(Fail::Password));
    group.connect().await.unwrap();
    assert_eq!(shares(&group, 2).await, map([("two", 2)]));
    Script::set(&scripts[0].connect, Does::Ok);
    assert!(group.members()[0].watch().wait_for(State::Ready).await);
    assert_eq!(shares(&group, 2).await, map([("one", 1), ("two", 1)]));
}

#[tokio::test(start_paused = true)]
async fn where_none_can_be_connected_the_error_says_why_of_each() {
    let (scripts, group) = group(Policy::RoundRobin, &["one", "two"]);
    for script in &scripts {
        Script::set(&script.connect, Does::Error(Fail::Password));
    }
    for error in [group.connect().await.unwrap_err(), group.acquire().await.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Auth);
        assert_eq!(error.message().matches("Password").count(), 2, "{error}");
        assert_eq!(error.resource(), "bars");
    }
    assert_eq!(group.try_acquire().unwrap_err().kind(), ErrorKind::Connect);
}

#[tokio::test(start_paused = true)]
async fn members_come_and_go_while_it_is_used() {
    let (scripts, group) = connected(Policy::RoundRobin, &["one", "two"]).await;
    let mut events = group.events();
    let (added, three) = member("three");
    group.add(Member::new(three.clone()).weight(2)).unwrap();
    assert!(
        matches!(events.next().await, Some(GroupEvent::Added { member }) if &*member == "three")
    );
    assert!(three.watch().wait_for(State::Ready).await, "connected by itself");
    assert_eq!(shares(&group, 4).await, map([("one", 1), ("two", 1), ("three", 2)]));
    assert!(group.add(member("one").1).unwrap_err().message().contains("`one`"));
    let held = group.acquire().await.unwrap();
    let name = held.resource().to_string();
    let removing = tokio::spawn({
        let (group, name) = (group.clone(), name.clone());
        async move { group.remove(&name, GRACE).await }
    });
    assert!(matches!(events.next().await, Some(GroupEvent::Removed { .. })));
    assert!(!shares(&group, 12).await.contains_key(&name), "no lease of it any more");
    assert!(!removing.is_finished(), "and it waits for the one that is out");
    drop(held);
    assert!(removing.await.unwrap().unwrap().is_clean());
    for left in group.members().iter().skip(1) {
        group.remove(left.name(), GRACE).await.unwrap();
    }
    let last = group.members()[0].clone();
    assert!(group.remove(last.name(), GRACE).await.unwrap_err().message().contains("last"));
    assert!(group.close(GRACE).await.is_clean());
    let open = |script: &Arc<Script>| script.open.load(Ordering::SeqCst);
    assert_eq!(scripts.iter().map(open).sum::<usize>() + open(&added), 0);
}

#[tokio::test(start_paused = true)]
async fn the_active_one_stays_active_where_another_is_removed() {
    let (_scripts, group) = connected(Policy::Failover, &["one", "two", "three"]).await;
    group.switch_to("three").unwrap();
    group.remove("one", GRACE).await.unwrap();
    assert_eq!(asked(&group).await, "three");
    group.remove("three", GRACE).await.unwrap();
    assert_eq!(asked(&group).await, "two");
}

#[tokio::test(start_paused = true)]
async fn a_close_ends_all_members_at_once_and_names_what_hung() {
    let (scripts, group) = connected(Policy::RoundRobin, &["one", "two"]).await;
    Script::set(&scripts[0].close, Does::Slow(ms(500)));
    Script::set(&scripts[1].close, Does::Never);
    let (began, mut watch) = (Instant::now(), group.watch());
    let report = group.close(ms(10_000)).await;
    assert_eq!(began.elapsed(), exact().close_timeout, "the longest, not the sum");
    assert_eq!(&*report.resource, "bars");
    let [Forced::Member { name, forced }] = &report.forced[..] else { panic!("{report}") };
    assert!(&**name == "two" && matches!(**forced, Forced::Goodbye(_)), "{report}");
    assert_eq!(group.state(), State::Closed);
    assert_eq!(group.acquire().await.unwrap_err().kind(), ErrorKind::Closed);
    assert!(group.add(member("three").1).unwrap_err().kind() == ErrorKind::Closed);
    while watch.next().await.is_some() {}
    assert_eq!(group.close(ms(1)).await.forced.len(), 1, "the same report");
}

#[tokio::test(start_paused = true)]
async fn a_group_that_is_dropped_leaves_nothing_behind() {
    let (scripts, group) = connected(Policy::Failover, &["one", "two"]).await;
    let (lease, mut watch) = (group.acquire().await.unwrap(), group.watch());
    drop((group, lease));
    assert!(watch.wait_for(State::Closed).await, "who watches keeps nobody");
    let tasks = tokio::runtime::Handle::current().metrics();
    timeout(GRACE, async {
        while scripts.iter().any(|script| script.open.load(Ordering::SeqCst) > 0)
            || tasks.num_alive_tasks() > 0
        {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_lease_of_a_group_allocates_nothing() {
    for policy in [Policy::LeastLoaded, Policy::RoundRobin, Policy::Failover] {
        let (_scripts, group) = connected(policy, &["one", "two", "three"]).await;
        // The first lease of each makes its register.
        group.members().iter().for_each(|member| drop(member.try_acquire().unwrap()));
        let allocated = allocation_counter::measure(|| {
            (0..1_000).for_each(|_| drop(group.try_acquire().unwrap()));
        });
        assert_eq!(allocated.count_total, 0, "{policy:?} {allocated:?}");
    }
}
