//! B6: a connection for each operation, or one that is kept.

use super::operations::{Bare, Ours, bare_each, bare_kept, ours_kept, prepared, words};
use super::{AS_BARE_TIME, NO_LONGER};
use crate::bench::Bench;
use crate::contest::Contest;
use anyhow::Result;
use qa_servers::System;
use std::sync::Arc;

pub(crate) async fn hold(bench: &mut Bench) -> Result<()> {
    for driver in ["mongodb", "lapin", "clickhouse", "redis"] {
        bench.driver(driver);
    }
    for system in System::ALL {
        let url = prepared(&*bench.servers.get(system).await?).await?;
        let ours = Arc::new(Ours::connect(system, &url).await?);
        let bare = Arc::new(Bare::connect(system, &url).await?);
        let (kept, anew) = (bench.pick(20, 500), bench.pick(2, 25));
        let contest = Contest::new(words(system), &["ms"], "ours, kept", ours_kept(&ours, kept))
            .beside("bare driver, kept", &[AS_BARE_TIME], bare_kept(&bare, kept))
            .beside("bare driver, a client each", &[NO_LONGER], bare_each(system, &url, anew));
        bench.hold(contest).await?;
        ours.close().await;
        if let Some(bare) = Arc::into_inner(bare) {
            bare.close().await?;
        }
    }
    Ok(())
}
