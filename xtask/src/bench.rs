//! `cargo xtask bench`: builds what is timed and hands over to the bench crate, or with `--browser` to a page.

use crate::report::{Report, Result, failure};
use crate::{dist, pages, run, setup, workspace};

/// Builds and runs; `args` go to the bench program.
pub(crate) fn run(report: &mut Report, args: &[String]) -> Result<()> {
    if let Some((_, rest)) = args.split_first().filter(|(flag, _)| *flag == "--browser") {
        return pages::bench(report, rest);
    }
    setup::run(report, setup::For::Bench)?;
    dist::run(report)?;
    report.step("the bench program", || {
        let build = ["build", "--release", "--package", "xfskit-bench"];
        run::logged(run::cargo().args(build), "build-bench")?;
        run::logged(
            run::cargo().args(build).args(["--target", "wasm32-wasip1", "--bin", "worker"]),
            "build-bench-wasm",
        )?;
        Ok(crate::report::Outcome::done())
    })?;
    report.section("bench");
    let program = workspace::target().join("release/xfskit-bench");
    let status =
        run::command(&program.to_string_lossy()).args(args).current_dir(workspace::root()).status()?;
    if status.success() { Ok(()) } else { failure(format!("xfskit-bench ended with {status}")) }
}
