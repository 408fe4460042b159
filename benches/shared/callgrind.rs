//! Instructions, counted by callgrind, of one of the small programs: for the budgets and for the benchmark.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");

/// So often a thing is done, and then twice as often.
const TIMES: u32 = 20_000;

/// The program that does what is counted.
pub(crate) struct Counted {
    program: PathBuf,
}

impl Counted {
    /// Builds it as what is shipped is built, whatever we are: in the same folder, so that it is built once.
    pub(crate) fn build() -> Result<Self> {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(["build", "--release", "--locked", "--quiet", "--manifest-path", MANIFEST]);
        command.args(["-p", "programs", "--bin", "counted", "--features", "counted"]);
        command.args(["--message-format", "json-render-diagnostics"]).stderr(Stdio::inherit());
        let output = command.output().context("starting cargo, to build what is counted")?;
        ensure!(output.status.success(), "what is counted could not be built; see cargo's error");
        let said = String::from_utf8(output.stdout)?;
        let mut programs = said.lines().filter_map(|line| {
            let message: Value = serde_json::from_str(line).ok()?;
            Some(message.get("executable")?.as_str()?.into())
        });
        Ok(Self { program: programs.next_back().context("cargo says nothing of a program")? })
    }

    /// What it takes to do this once more: start and end of the program are in both runs, and so in neither. A
    /// whole number, as it is each time the same; by some thousand instructions two starts differ.
    pub(crate) fn once(&self, what: &str) -> Result<f64> {
        let (few, many) = (self.all(what, TIMES)?, self.all(what, 2 * TIMES)?);
        Ok(((many - few) / f64::from(TIMES)).round())
    }

    /// All instructions of a run.
    fn all(&self, what: &str, times: u32) -> Result<f64> {
        let mut command = Command::new("valgrind");
        command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
        command.arg(&self.program).args([what, &times.to_string()]);
        let output = command.output().context(
            "valgrind could not be started; install it with scripts/install-valgrind.sh, or your system's way",
        )?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "counting `{what}` failed: {said}");
        let count =
            said.split("Collected :").nth(1).and_then(|rest| rest.split_whitespace().next());
        let count = count.with_context(|| format!("callgrind said no count: {said}"))?;
        Ok(count.parse()?)
    }
}
