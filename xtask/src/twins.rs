//! `cargo xtask twins`: builds the search for what the kernel and xfskit do differently, and hands over to it.

use crate::report::{Outcome, Report, Result, failure};
use crate::{run, workspace};

/// Builds and runs; `args` go to the search.
pub(crate) fn run(report: &mut Report, args: &[String]) -> Result<()> {
    report.section("twins");
    report.step("the search", || {
        let build = ["build", "--profile", "crash", "--package", "xfskit-tests", "--bin", "twins"];
        run::logged(run::cargo().args(build), "build-twins").map(|_| Outcome::done())
    })?;
    let program = workspace::target().join("crash/twins");
    let status =
        run::command(&program.to_string_lossy()).args(args).current_dir(workspace::root()).status()?;
    if status.success() { Ok(()) } else { failure(format!("the search ended with {status}")) }
}
