//! Leases against drains on real threads: what was given is waited for, what was not is refused.

mod common;

use common::{Does, Plain, Script, exact, ms};
use qa_resource_core::{ErrorKind, Resource};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Tasks take and drop leases while the resource is closed under them. No client is said goodbye
/// to while a lease is out, and no lease is given afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_lease_is_out_when_goodbye_is_said() {
    for round in 0..200 {
        let script = Script::new();
        Script::set(&script.close, Does::Ok);
        let resource: Resource<Plain> =
            Resource::new("r", common::Scripted(script.clone()), exact());
        resource.connect().await.unwrap();
        let (held, closed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let users = (0..4).map(|_| {
            let (resource, held, closed) = (resource.clone(), held.clone(), closed.clone());
            tokio::spawn(async move {
                loop {
                    match resource.acquire().await {
                        Ok(lease) => {
                            held.fetch_add(1, Ordering::SeqCst);
                            assert!(
                                !closed.load(Ordering::SeqCst),
                                "a lease was given after the close"
                            );
                            tokio::task::yield_now().await;
                            assert!(!closed.load(Ordering::SeqCst), "closed while a lease was out");
                            held.fetch_sub(1, Ordering::SeqCst);
                            drop(lease);
                        }
                        Err(error) => return error.kind(),
                    }
                }
            })
        });
        let users: Vec<_> = users.collect();
        for _ in 0..round % 11 {
            tokio::task::yield_now().await;
        }
        let report = resource.close(ms(10_000)).await;
        closed.store(true, Ordering::SeqCst);
        assert!(report.is_clean(), "{report}");
        assert_eq!(held.load(Ordering::SeqCst), 0);
        for user in users {
            assert_eq!(user.await.unwrap(), ErrorKind::Closed);
        }
        assert_eq!(script.open.load(Ordering::SeqCst), 0);
    }
}
