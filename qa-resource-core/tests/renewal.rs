//! A fresh connection that is asked for, on a scripted backend, in virtual time: the old one is used
//! until the fresh one is there.

mod common;

use common::{Does, Fail, Healing, Plain, Script, Scripted, exact, ms};
use qa_resource_core::{
    Group, GroupSettings, Health, Policy, Resource, Settings, State, Transition,
};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::time::sleep;

async fn connected<const DRIVER: bool>(
    settings: Settings,
) -> (Arc<Script>, Resource<Scripted<DRIVER>>) {
    let script = Script::new();
    let resource = Resource::new("r", Scripted(script.clone()), settings);
    resource.connect().await.unwrap();
    (script, resource)
}

/// Closes it, which must be clean and leave no client open.
async fn end<const DRIVER: bool>(script: &Script, resource: &Resource<Scripted<DRIVER>>) {
    assert!(resource.close(ms(2_000)).await.is_clean());
    assert_eq!(script.open.load(Ordering::SeqCst), 0);
    assert_eq!(script.count("close"), script.made.load(Ordering::SeqCst));
}

#[tokio::test(start_paused = true)]
async fn the_old_connection_is_used_until_the_fresh_one_is_there() {
    old_is_used_until_the_fresh_one_is_there::<true>().await;
    old_is_used_until_the_fresh_one_is_there::<false>().await;
}

async fn old_is_used_until_the_fresh_one_is_there<const DRIVER: bool>() {
    let (script, resource) = connected::<DRIVER>(exact()).await;
    let mut watch = resource.watch();
    Script::set(&script.connect, Does::Slow(ms(3_000)));
    resource.reconnect();
    sleep(ms(2_999)).await;
    let old = resource.try_acquire().unwrap();
    assert_eq!((old.generation(), old.is_lost()), (1, false));
    sleep(ms(2)).await;
    assert!(old.is_lost(), "who holds it is told");
    assert_eq!(resource.try_acquire().unwrap().generation(), 2);
    let Transition { from, to, cause, .. } = watch.next().await.unwrap();
    assert!(from == State::Ready && to == State::Ready && cause.is_none(), "nothing went wrong");
    let status = resource.status();
    assert_eq!((status.stats.disconnects, status.stats.connects), (0, 2));
    assert_eq!((resource.health().health, status.last_outage), (Health::Up, None));
    drop(old);
    end(&script, &resource).await;
}

#[tokio::test(start_paused = true)]
async fn a_wrong_login_costs_nobody_the_connection_that_is_there() {
    let settings = Settings { backoff_cap: ms(4_000), ..exact() };
    let (script, resource) = connected::<false>(settings).await;
    Script::set(&script.connect, Does::Error(Fail::Password));
    resource.reconnect();
    sleep(ms(60_000)).await;
    assert_eq!(
        (resource.state(), resource.acquire().await.unwrap().generation()),
        (State::Ready, 1)
    );
    let tried = script.count("connect");
    assert!((16..=32).contains(&tried), "between half of the longest delay and all of it: {tried}");
    assert_eq!(resource.status().stats.connect_failures, u64::try_from(tried).unwrap() - 1);
    assert_eq!(resource.health().health, Health::Up);

    // Asked again, as when the file is mended, it does not wait for the end of the delay.
    Script::set(&script.connect, Does::Ok);
    resource.reconnect();
    sleep(ms(1)).await;
    assert_eq!(resource.acquire().await.unwrap().generation(), 2);
    end(&script, &resource).await;
}

#[tokio::test(start_paused = true)]
async fn what_may_be_in_the_way_is_left_after_the_time_of_a_connect() {
    let settings = Settings { connect_deadline: ms(2_000), ..exact() };
    let (script, resource) = connected::<false>(settings).await;
    let (mut watch, lease) = (resource.watch(), resource.acquire().await.unwrap());
    Script::set(&script.connect, Does::Error(Fail::Refused));
    resource.reconnect();
    let lost = watch.next().await.unwrap();
    assert_eq!((lost.to, script.elapsed()), (State::Reconnecting, ms(2_000)));
    let cause = lost.cause.unwrap();
    assert!(cause.message().contains("beside the old one"), "{cause}");
    assert_eq!(script.count("close"), 0, "what is under way on it may finish");
    drop(lease);
    Script::set(&script.connect, Does::Ok);
    assert!(watch.wait_for(State::Ready).await);
    end(&script, &resource).await;
}

#[tokio::test(start_paused = true)]
async fn one_that_is_lost_meanwhile_is_not_waited_for_and_nothing_is_left() {
    lost_meanwhile::<true>().await;
    lost_meanwhile::<false>().await;
}

async fn lost_meanwhile<const DRIVER: bool>() {
    let (script, resource) = connected::<DRIVER>(exact()).await;
    // It is there, and has not answered its first ping yet.
    Script::set(&script.ping, Does::Slow(ms(400)));
    resource.reconnect();
    sleep(ms(200)).await;
    assert_eq!(script.open.load(Ordering::SeqCst), 2);
    let mut watch = resource.watch();
    script.cut();
    assert_eq!(watch.next().await.unwrap().to, State::Reconnecting);
    assert!(watch.wait_for(State::Ready).await);
    // The wish for another login is granted, also where the driver could have healed the old client.
    assert_eq!(resource.acquire().await.unwrap().number, 3);
    end(&script, &resource).await;
}

#[tokio::test(start_paused = true)]
async fn a_close_in_the_middle_says_goodbye_to_both() {
    for ping in [Does::Never, Does::Slow(ms(400))] {
        let (script, resource) = connected::<false>(exact()).await;
        Script::set(&script.ping, ping);
        resource.reconnect();
        sleep(ms(200)).await;
        assert_eq!(script.open.load(Ordering::SeqCst), 2);
        end(&script, &resource).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_for_while_one_is_made_is_done_after_it() {
    let (script, resource) = connected::<false>(exact()).await;
    Script::set(&script.connect, Does::Slow(ms(100)));
    resource.reconnect();
    sleep(ms(50)).await;
    (0..3).for_each(|_| resource.reconnect());
    sleep(ms(10_000)).await;
    assert_eq!(resource.status().generation, 3);
    end(&script, &resource).await;
}

#[tokio::test(start_paused = true)]
async fn the_active_member_of_a_group_stays_it() {
    let members: Vec<(_, Resource<Plain>)> = ["main", "spare"]
        .map(|name| {
            let script = Script::new();
            (script.clone(), Resource::new(name, Scripted(script), exact()))
        })
        .into();
    let resources: Vec<_> = members.iter().map(|(_, resource)| resource.clone()).collect();
    let settings = GroupSettings { policy: Policy::Failover, ..GroupSettings::default() };
    let group = Group::of("pair", resources.clone(), settings).unwrap();
    group.connect().await.unwrap();
    Script::set(&members[0].0.connect, Does::Slow(ms(1_000)));
    let mut watch = resources[0].watch();
    group.reconnect();
    let fresh = watch.next().await.unwrap();
    assert_eq!((fresh.to, fresh.generation), (State::Ready, 2));
    let standing = group.standing();
    assert!(standing[0].active && &**group.acquire().await.unwrap().resource() == "main");
    assert!(group.close(ms(2_000)).await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn a_wish_at_the_moment_of_a_loss_is_granted() {
    let (script, resource): (_, Resource<Healing>) = connected::<true>(exact()).await;
    script.cut();
    resource.reconnect();
    let mut watch = resource.watch();
    assert!(watch.wait_for(State::Reconnecting).await && watch.wait_for(State::Ready).await);
    assert_eq!(resource.acquire().await.unwrap().number, 2, "with the login that is good now");
    end(&script, &resource).await;
}
