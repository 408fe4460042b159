//! At most so many dials at once in a process. In a test binary of its own: the limit is the
//! process's.

use qa_resource_core::{Backend, Class, DIAL_LIMIT, ErrorKind, Resource, Settings, async_trait};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep};

#[derive(Default)]
struct Dials {
    now: AtomicUsize,
    most: AtomicUsize,
}

struct Slow(Arc<Dials>);

#[async_trait]
impl Backend for Slow {
    const SYSTEM: &'static str = "slow";
    type Client = ();
    type Error = std::fmt::Error;

    fn address(&self) -> &'static str {
        "nowhere"
    }
    async fn connect(&self) -> Result<(), std::fmt::Error> {
        let now = self.0.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.most.fetch_max(now, Ordering::SeqCst);
        sleep(Duration::from_millis(100)).await;
        self.0.now.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }
    async fn ping(&self, (): &()) -> Result<(), std::fmt::Error> {
        Ok(())
    }
    async fn close(&self, (): ()) -> Result<(), std::fmt::Error> {
        Ok(())
    }
    fn classify(_: &std::fmt::Error) -> Class {
        Class::not_applied(ErrorKind::Connect)
    }
}

#[tokio::test(start_paused = true)]
async fn two_hundred_resources_dial_no_more_at_once_than_allowed() {
    let dials = Arc::new(Dials::default());
    let make = |nth| Resource::new(format!("r{nth}"), Slow(dials.clone()), Settings::default());
    let resources: Vec<_> = (0..200).map(make).collect();
    let began = Instant::now();
    let connects = futures_util::future::join_all(resources.iter().map(Resource::connect)).await;
    assert!(connects.iter().all(Result::is_ok));
    assert_eq!(dials.most.load(Ordering::SeqCst), DIAL_LIMIT);
    // Seven rounds of 32, and no more than that.
    assert_eq!(began.elapsed(), Duration::from_millis(700));
    let closes = resources.iter().map(|resource| resource.close(Duration::from_secs(1)));
    assert!(
        futures_util::future::join_all(closes)
            .await
            .iter()
            .all(qa_resource_core::CloseReport::is_clean)
    );
}
