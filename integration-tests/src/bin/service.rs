//! A service as users write it, for the tests of `qa_pool::run`: a pool from a file, and a main
//! that ends in one of four ways. It prints how the resources stand, then what it does; with `follow`,
//! what becomes of its resource `cache`.

use qa_pool::{ResourcePool, State};
use std::process::ExitCode;
use std::time::Duration;
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
        eprintln!("usage: service FILE serve|follow|done|fail|stubborn");
        return ExitCode::from(2);
    };
    qa_pool::run_from(file, async move |pool: ResourcePool| serve(&pool, &way).await).await
}

async fn serve(pool: &ResourcePool, way: &str) -> Result<(), &'static str> {
    for status in pool.status() {
        println!("{} ({}) at {} is {}", status.name, status.system, status.address, status.state);
    }
    println!("serving");
    match way {
        "done" => return Ok(()),
        "fail" => return Err("the market is shut"),
        "follow" => follow(pool).await,
        _ => pool.closing().cancelled().await,
    }
    println!("closing");
    if way == "stubborn" {
        std::future::pending::<()>().await;
    }
    Ok(())
}

/// Prints each change of what the resource `cache` goes by, and of its connection.
async fn follow(pool: &ResourcePool) {
    let cache = pool.redis().unwrap_or_else(|error| panic!("{error}"));
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let mut told = String::new();
    while !pool.closing().is_cancelled() {
        ticks.tick().await;
        let status = cache.status().remove(0);
        let limit = cache.settings().acquire_timeout;
        let now = format!("within {limit:?} on connection {}", status.generation);
        if status.state == State::Ready && now != told {
            println!("{now}");
            told = now;
        }
    }
}
