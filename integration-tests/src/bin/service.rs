//! A service as users write it, for the tests of `qa_pool::run`: a pool from a file, and a main
//! that ends in one of four ways. It prints how the resources stand, then what it does.

use qa_pool::{Config, ResourcePool};
use std::process::ExitCode;
use tracing_subscriber::filter::LevelFilter;

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_max_level(LevelFilter::INFO)
        .init();
    let mut arguments = std::env::args().skip(1);
    let (Some(file), Some(way)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: service FILE serve|done|fail|stubborn");
        return ExitCode::from(2);
    };
    let config = match Config::from_file(&file) {
        Ok(config) => config,
        Err(error) => return usage(&error),
    };
    let pool = match ResourcePool::from_config(&config) {
        Ok(pool) => pool,
        Err(error) => return usage(&error),
    };
    let limit = config.shutdown_timeout;
    qa_pool::run_within(pool, limit, async move |pool: ResourcePool| serve(&pool, &way).await).await
}

fn usage(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("{error}");
    ExitCode::from(2)
}

async fn serve(pool: &ResourcePool, way: &str) -> Result<(), &'static str> {
    for status in pool.status() {
        println!("{} ({}) at {} is {}", status.name, status.system, status.address, status.state);
    }
    println!("serving");
    match way {
        "done" => return Ok(()),
        "fail" => return Err("the market is shut"),
        _ => pool.closing().cancelled().await,
    }
    println!("closing");
    if way == "stubborn" {
        std::future::pending::<()>().await;
    }
    Ok(())
}
