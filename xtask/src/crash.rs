//! `cargo xtask crash`: builds the simulator of crashes for speed and hands over to it.

use crate::report::{Outcome, Report, Result, failure};
use crate::{run, workspace};

/// Builds and runs; `args` go to the simulator.
pub(crate) fn run(report: &mut Report, args: &[String]) -> Result<()> {
    report.section("crash");
    report.step("the simulator", || {
        let build = ["build", "--profile", "crash", "--package", "xfskit-tests", "--bin", "crash"];
        run::logged(run::cargo().args(build), "build-crash").map(|_| Outcome::done())
    })?;
    let program = workspace::target().join("crash/crash");
    let status =
        run::command(&program.to_string_lossy()).args(args).current_dir(workspace::root()).status()?;
    if status.success() { Ok(()) } else { failure(format!("the simulator ended with {status}")) }
}
