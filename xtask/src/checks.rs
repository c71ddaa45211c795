//! `cargo xtask test`: set-up, then everything that must hold, quick checks first.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::demo::{self, Form};
use crate::report::{Outcome, Report, Result, failure};
use crate::setup::{self, For};
use crate::{browsers, dist, npm, pages, run, serve, tidy, tour};

/// How long the advisory database may take to come; it is public, but not every machine reaches it.
const ADVISORY_LIMIT: Duration = Duration::from_secs(60);

/// Runs the tests; `--quick` leaves out what takes long, `--browsers` all that needs none.
pub(crate) fn run(report: &mut Report, args: &[String]) -> Result<()> {
    match args {
        [] => {}
        [flag] if flag == "--quick" => {
            report.section("set-up");
            report.step("rustup targets", || setup::install_targets(For::Tests))?;
            form(report)?;
            return tests(report, &["--workspace", "--exclude", "xfskit-tests"]);
        }
        [flag] if flag == "--browsers" => {
            setup::for_browsers(report)?;
            return in_browsers(report);
        }
        _ => return failure("test takes no argument but --quick or --browsers"),
    }
    setup::run(report, For::Tests)?;
    form(report)?;
    deny(report)?;
    tests(report, &["--workspace"])?;
    wasm_unit_tests(report)?;
    docs(report)?;
    dist::run(report)?;
    in_browsers(report)?;
    report.section("from outside");
    tour::run(report)?;
    demo::run(report, Form::Short)
}

/// What can be said without running anything.
fn form(report: &mut Report) -> Result<()> {
    tidy::run(report)?;
    report.section("form");
    report.step("rustfmt", || logged(run::cargo().args(["fmt", "--all", "--check"]), "fmt"))?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    report.step("clippy", || logged(run::cargo().args(clippy), "clippy"))?;
    let wasi = ["clippy", "--package", "xfskit-cli", "--target", "wasm32-wasip1", "--", "-D", "warnings"];
    report.step("clippy for wasm32-wasip1", || logged(run::cargo().args(wasi), "clippy-wasi"))?;
    let web = ["clippy", "--package", "xfskit-wasm", "--all-targets", "--target", "wasm32-unknown-unknown"];
    report.step("clippy for wasm32-unknown-unknown", || {
        logged(run::cargo().args(web).args(["--", "-D", "warnings"]), "clippy-web")
    })?;
    for target in setup::NO_STD_TARGETS {
        let build = ["build", "--package", "xfskit", "--no-default-features", "--target", target];
        report.step(&format!("the core without std, for {target}"), || {
            logged(run::cargo().args(build).env("RUSTFLAGS", "-D warnings"), &format!("no-std-{target}"))
        })?;
    }
    Ok(())
}

fn deny(report: &mut Report) -> Result<()> {
    report.section("dependencies");
    report.step("licences, bans, sources", || {
        logged(run::cargo().args(["deny", "check", "licenses", "bans", "sources"]), "deny")
    })?;
    report.step("advisories", || {
        let mut fetch = run::cargo();
        fetch.args(["deny", "fetch", "db"]).env("GIT_TERMINAL_PROMPT", "0");
        let (_, is_fetched) = run::logged_within(&mut fetch, "deny-fetch", ADVISORY_LIMIT)?;
        if !is_fetched {
            return Ok(Outcome::skipped("the advisory database can't be reached from here"));
        }
        logged(run::cargo().args(["deny", "check", "--disable-fetch", "advisories"]), "deny-advisories")
    })
}

fn tests(report: &mut Report, scope: &[&str]) -> Result<()> {
    report.section("tests");
    report.step("cargo test, every crate (minutes)", || {
        let mut test = run::cargo();
        test.arg("test").args(scope).args(["--", "--show-output"]);
        test.env("XFSKIT_XFSPROGS_SID", setup::new_xfsprogs());
        counted(&mut test, "test")
    })
}

fn wasm_unit_tests(report: &mut Report) -> Result<()> {
    report.step("the core's unit tests as wasm32-wasip1 under wasmtime", || {
        let mut test = run::cargo();
        test.args([
            "test",
            "--package",
            "xfskit",
            "--lib",
            "--target",
            "wasm32-wasip1",
            "--",
            "--show-output",
        ]);
        test.env("CARGO_TARGET_WASM32_WASIP1_RUNNER", "wasmtime run --dir .");
        counted(&mut test, "test-wasm")
    })
}

/// The package for JavaScript: built, and tested in Node.js and in the browsers that are here.
fn in_browsers(report: &mut Report) -> Result<()> {
    match npm::obstacle() {
        None => {
            npm::run(report)?;
            npm::test(report)?;
            serve::playground(report)?;
        }
        Some(why) => report.step("dist/npm", || Ok(Outcome::skipped(why)))?,
    }
    report.section("in browsers");
    browsers::unit_tests(report)?;
    pages::types(report)?;
    pages::test(report)
}

fn docs(report: &mut Report) -> Result<()> {
    report.step("docs, warnings are errors", || {
        let mut doc = run::cargo();
        doc.args(["doc", "--workspace", "--no-deps", "--lib"]).env("RUSTDOCFLAGS", "-D warnings");
        logged(&mut doc, "doc")
    })
}

fn logged(command: &mut Command, name: &str) -> Result<Outcome> {
    run::logged(command, name).map(|_| Outcome::done())
}

/// Runs tests; notes how many passed and what they skipped.
fn counted(command: &mut Command, name: &str) -> Result<Outcome> {
    let log = run::logged(command, name)?;
    Ok(Outcome::done().with_notes(summary(&log)?))
}

/// How many tests passed by a log, and what was skipped.
pub(crate) fn summary(log: &Path) -> Result<Vec<String>> {
    let text = String::from_utf8_lossy(&fs::read(log)?).into_owned();
    let passed: u64 = text.lines().filter_map(passed_in).sum();
    let mut notes = vec![format!("{passed} passed")];
    notes.extend(
        text.lines().filter_map(flaky_in).map(|count| format!("{count} flaky: they passed when tried again")),
    );
    // Many tests skip for one reason, so each reason is told once, with how many gave it.
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for reason in text.lines().filter_map(skipped_in) {
        *reasons.entry(reason).or_default() += 1;
    }
    notes.extend(reasons.into_iter().map(|(reason, count)| format!("skipped: {reason} ({count} times)")));
    Ok(notes)
}

/// The reason in "some::test: skipped: no root", and in "ok 3 - some test # SKIP no root" of Node's tests.
fn skipped_in(line: &str) -> Option<&str> {
    line.split_once("skipped: ").or_else(|| line.split_once("# SKIP ")).map(|(_, reason)| reason.trim())
}

/// The number in "  1 flaky" of Playwright's.
fn flaky_in(line: &str) -> Option<u64> {
    line.trim().strip_suffix(" flaky")?.parse().ok()
}

/// The number in "test result: ok. 12 passed; …" of Rust's tests, "  12 passed (3.4s)" of Playwright's, and "# pass 12"
/// of Node's.
fn passed_in(line: &str) -> Option<u64> {
    if let Some(count) = line.strip_prefix("# pass ") {
        return count.trim().parse().ok();
    }
    let mut words = line.strip_prefix("test result: ok. ").unwrap_or(line).split_whitespace();
    let count = words.next()?.parse().ok()?;
    words.next()?.starts_with("passed").then_some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passed_tests_are_counted() {
        let line = "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(passed_in(line), Some(12));
        assert_eq!(passed_in("  12 passed (1.7s)"), Some(12));
        assert_eq!(passed_in("# pass 12"), Some(12));
        assert_eq!(skipped_in("ok 3 - a test # SKIP no root"), Some("no root"));
        assert_eq!(passed_in("running 3 tests"), None);
        assert_eq!((flaky_in("  1 flaky"), flaky_in("  2 passed (1.7s)")), (Some(1), None));
        assert_eq!(skipped_in("a::b: skipped: no root or no XFS"), Some("no root or no XFS"));
    }
}
