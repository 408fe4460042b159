//! Does one thing again and again, for callgrind to count its instructions: `counted lease 1000`.
//!
//! Nothing else happens meanwhile: one thread, no server, and no ping for an hour.

#[path = "../../../shared/nothing.rs"]
mod nothing;

use nothing::Nothing;
use qa_resource_core::{Resource, Settings};
use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [what, times] = &arguments[..] else { return Err("usage: counted WHAT TIMES".into()) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(count(what, times.parse()?))
}

async fn count(what: &str, times: u32) -> Result<(), Box<dyn Error>> {
    let settings = Settings { health_interval: Duration::from_secs(3600), ..Settings::default() };
    let resource = Resource::new("counted", Nothing, settings);
    resource.connect().await?;
    let arc = Arc::new(7_u64);
    match what {
        "arc" => (0..times).for_each(|_| {
            black_box(Arc::clone(&arc));
        }),
        "lease" => {
            for _ in 0..times {
                drop(black_box(resource.try_acquire()?));
            }
        }
        "awaited" => {
            for _ in 0..times {
                drop(black_box(resource.acquire().await?));
            }
        }
        "run" => {
            for _ in 0..times {
                resource.run(async |_| Ok(())).await?;
            }
        }
        _ => return Err(format!("there is no `{what}` to count").into()),
    }
    resource.close(Duration::from_secs(10)).await;
    Ok(())
}
