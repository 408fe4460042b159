//! The ordered shutdown over several resources, in virtual time.

mod common;

use common::{Does, Plain, Script, exact, ms};
use qa_resource_core::{
    Attachment, Forced, Group, Managed, Resource, Shutdown, Stage, State, Undrained, async_trait,
};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

type Log = Arc<Mutex<Vec<String>>>;

fn group(name: &str) -> (Arc<Script>, Group<Plain>) {
    let script = Script::new();
    (script.clone(), Resource::new(name, common::Scripted(script), exact()).into())
}

async fn groups<const N: usize>(names: [&str; N]) -> (Vec<Arc<Script>>, Vec<Group<Plain>>) {
    let (scripts, groups): (Vec<_>, Vec<_>) = names.into_iter().map(group).unzip();
    for group in &groups {
        group.connect().await.unwrap();
    }
    (scripts, groups)
}

fn managed(groups: &[Group<Plain>]) -> Vec<Arc<dyn Managed>> {
    groups.iter().map(|group| Arc::new(group.clone()) as Arc<dyn Managed>).collect()
}

struct Recorder {
    name: &'static str,
    stage: Stage,
    takes: Duration,
    log: Log,
}

#[async_trait]
impl Attachment for Recorder {
    fn name(&self) -> &str {
        self.name
    }
    fn stage(&self) -> Stage {
        self.stage
    }
    fn quiesce(&self) {
        self.log.lock().unwrap().push(format!("quiesce {}", self.name));
    }
    async fn drain(&self) -> Result<(), Undrained> {
        self.log.lock().unwrap().push(format!("drain {}", self.name));
        sleep(self.takes).await;
        self.log.lock().unwrap().push(format!("drained {}", self.name));
        Ok(())
    }
}

fn attach(
    group: &Group<Plain>,
    name: &'static str,
    stage: Stage,
    takes: Duration,
    log: &Log,
) -> Arc<dyn Attachment> {
    let attachment: Arc<dyn Attachment> =
        Arc::new(Recorder { name, stage, takes, log: log.clone() });
    group.attach(&attachment);
    attachment
}

#[tokio::test(start_paused = true)]
async fn quiesces_everything_drains_intakes_then_outlets_then_closes_in_reverse() {
    let (scripts, groups) = groups(["first", "second", "third"]).await;
    for script in &scripts {
        Script::set(&script.close, Does::Slow(ms(100)));
    }
    let log = Log::default();
    let _outlet = attach(&groups[0], "batcher", Stage::Outlet, ms(50), &log);
    let _intake = attach(&groups[2], "consumer", Stage::Intake, ms(200), &log);
    let (tasks, closing) = (TaskTracker::new(), CancellationToken::new());
    // The application's own loop ends when it is told to, and still uses a lease then.
    let (token, lender) = (closing.clone(), groups[0].clone());
    let task = tasks.spawn(async move {
        token.cancelled().await;
        lender.acquire().await.map(drop)
    });
    let report = Shutdown::within(ms(10_000)).run(&managed(&groups), &tasks, &closing).await;
    task.await.unwrap().unwrap();
    assert_eq!(
        *log.lock().unwrap(),
        [
            "quiesce batcher",
            "quiesce consumer",
            "drain consumer",
            "drained consumer",
            "drain batcher",
            "drained batcher"
        ]
    );
    assert!(report.is_clean(), "{report}");
    let order: Vec<_> = report.resources.iter().map(|report| &*report.resource).collect();
    assert_eq!(order, ["third", "second", "first"]);
    assert_eq!(
        scripts.iter().map(|script| script.times("close")).collect::<Vec<_>>(),
        [[ms(450)], [ms(350)], [ms(250)]]
    );
    assert_eq!(report.took, ms(550));
}

#[tokio::test(start_paused = true)]
async fn a_member_that_hangs_costs_its_own_share_only() {
    let (scripts, groups) = groups(["first", "hung", "third"]).await;
    Script::set(&scripts[1].close, Does::Never);
    let _never_back = groups[1].acquire().await.unwrap();
    let report = Shutdown::within(ms(4_000))
        .run(&managed(&groups), &TaskTracker::new(), &CancellationToken::new())
        .await;
    assert!(report.took <= ms(4_000), "{report}");
    let clean: Vec<_> =
        report.resources.iter().map(|report| (&*report.resource, report.is_clean())).collect();
    assert_eq!(clean, [("third", true), ("hung", false), ("first", true)]);
    assert!(matches!(report.resources[1].forced[..], [Forced::Leases(1), Forced::Goodbye(_)]));
    let text = report.to_string();
    assert!(
        text.contains(
            "hung (scripted): closed in 2.0s, forced: 1 lease was still out; goodbye was not heard"
        ),
        "{text}"
    );
    assert!(groups.iter().all(|group| group.state() == State::Closed));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_drain_is_named_and_time_is_left_for_the_rest() {
    let (_scripts, groups) = groups(["first", "second"]).await;
    let log = Log::default();
    let _stuck = attach(&groups[0], "consumer", Stage::Intake, Duration::from_secs(600), &log);
    let _fine = attach(&groups[1], "batcher", Stage::Outlet, ms(100), &log);
    let tasks = TaskTracker::new();
    let stuck_task = tasks.spawn(std::future::pending::<()>());
    let report =
        Shutdown::within(ms(6_000)).run(&managed(&groups), &tasks, &CancellationToken::new()).await;
    stuck_task.abort();
    assert!(report.took <= ms(6_000), "{report}");
    assert_eq!(report.unfinished_tasks, 1);
    assert!(report.resources[0].is_clean(), "{report}");
    assert!(
        matches!(&report.resources[1].forced[..], [Forced::Attachment { name, .. }] if name == "consumer"),
        "{report}"
    );
    assert!(log.lock().unwrap().contains(&"drained batcher".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn hurrying_ends_it_at_once() {
    let (scripts, groups) = groups(["first", "second"]).await;
    Script::set(&scripts[0].close, Does::Never);
    let _lease = groups[1].acquire().await.unwrap();
    let members = managed(&groups);
    let shutdown = Arc::new(Shutdown::within(Duration::from_secs(60)));
    let running = tokio::spawn({
        let shutdown = shutdown.clone();
        async move { shutdown.run(&members, &TaskTracker::new(), &CancellationToken::new()).await }
    });
    sleep(ms(1_000)).await;
    let began = Instant::now();
    shutdown.hurry(Duration::ZERO);
    let report = running.await.unwrap();
    assert!(began.elapsed() <= ms(1), "{:?}", began.elapsed());
    assert!(!report.is_clean());
    assert!(groups.iter().all(|group| group.state() == State::Closed));
}

#[tokio::test(start_paused = true)]
async fn closing_one_resource_drains_its_attachments_while_leases_are_given() {
    let (_script, group) = group("r");
    group.connect().await.unwrap();
    let log = Log::default();
    let _intake = attach(&group, "consumer", Stage::Intake, ms(200), &log);
    let closing = tokio::spawn({
        let group = group.clone();
        async move { group.close(ms(5_000)).await }
    });
    sleep(ms(100)).await;
    assert!(group.quiescing().is_cancelled());
    drop(group.acquire().await.unwrap());
    let report = closing.await.unwrap();
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.took, ms(200));
    assert_eq!(*log.lock().unwrap(), ["quiesce consumer", "drain consumer", "drained consumer"]);
}
