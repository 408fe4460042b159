//! What figures are measured on, and when: the same for the experiments and the benchmarks.

use anyhow::{Context, Result};
use std::fs;
use std::thread::available_parallelism;
use time::OffsetDateTime;
use time::macros::format_description;

/// This day in UTC, as `2026-11-22`.
pub(crate) fn today() -> Result<String> {
    let day = format_description!("[year]-[month]-[day]");
    Ok(OffsetDateTime::now_utc().date().format(day)?)
}

/// Cores, memory, kernel, and how this program was built.
pub(crate) fn machine() -> Result<String> {
    let cores = available_parallelism()?;
    let memory = fs::read_to_string("/proc/meminfo")?;
    let kib = memory.split_whitespace().nth(1).and_then(|word| word.parse::<u64>().ok());
    let gib = kib.context("no total in /proc/meminfo")? / (1024 * 1024);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let kernel = kernel.split('-').next().unwrap_or_default().trim();
    let build = if cfg!(debug_assertions) { "debug build" } else { "release build" };
    Ok(format!("{cores} cores, {gib} GiB, Linux {kernel}, {build}"))
}

/// The version of a crate in the lock file.
pub(crate) fn locked(name: &str) -> &'static str {
    const LOCK: &str = include_str!("../../../../Cargo.lock");
    let entry = LOCK.split(&format!("name = \"{name}\"\nversion = \"")).nth(1);
    entry.and_then(|rest| rest.split('"').next()).unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_and_the_lock_file_can_be_read() {
        let machine = machine().unwrap();
        assert!(machine.contains("GiB") && !machine.starts_with('0'), "{machine}");
        assert!(locked("lapin").starts_with("4."), "{}", locked("lapin"));
        assert_eq!(today().unwrap().len(), 10);
    }
}
