//! The tests that run in browsers, as steps of `cargo xtask test`. What this machine has no browser for is left out.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::report::{Outcome, Report, Result, failure};
use crate::setup::{browsers, wasm_bindgen};
use crate::{checks, contained, run, workspace};

/// Where the tests of the crate for JavaScript look for `webdriver.json`.
const CRATE: &str = "wasm";
/// How long one binary of tests may take in one browser: many times what it takes on a slow machine.
const TESTS_LIMIT: Duration = Duration::from_secs(20 * 60);
/// What a runner waits for a driver to answer, and for the tests to end, in seconds.
const DRIVER_LIMIT: &str = "120";
const RUNNER_LIMIT: &str = "1140";
/// How often a browser that did not come up is started in all.
const STARTS: usize = 3;

/// A browser and what drives it.
struct Browser {
    name: &'static str,
    variable: &'static str,
    program: Option<PathBuf>,
    driver: Option<PathBuf>,
}

/// How a run of tests in a browser ended.
enum Ended {
    Passed(Vec<String>),
    Failed(String),
    /// No test had begun: the driver or the browser did not come up.
    NotStarted(String),
}

/// Runs the tests of the crate for JavaScript in every browser that is there.
pub(crate) fn unit_tests(report: &mut Report) -> Result<()> {
    let known = [
        Browser {
            name: "Chromium",
            variable: "CHROMEDRIVER",
            program: browsers::chromium(),
            driver: browsers::chromedriver(),
        },
        Browser {
            name: "Firefox",
            variable: "GECKODRIVER",
            program: browsers::firefox(),
            driver: browsers::geckodriver(),
        },
    ];
    let Ok(runner) = wasm_bindgen::runner() else {
        let what = "the tests of xfskit-wasm in browsers";
        return report.step(what, || Ok(Outcome::skipped("wasm-bindgen-test-runner is not there")));
    };
    let mut binaries = Vec::new();
    report.step("the tests of xfskit-wasm, built", || {
        binaries = build()?;
        Ok(Outcome::done())
    })?;
    for browser in known {
        report.step(&format!("the tests of xfskit-wasm in {}", browser.name), || {
            match (&browser.program, &browser.driver) {
                (Some(_), Some(driver)) => browser.run(&runner, driver, &binaries),
                _ => Ok(Outcome::skipped(format!("{} or its driver is not here", browser.name))),
            }
        })?;
    }
    Ok(())
}

/// Builds the tests; returns the binaries that hold any.
fn build() -> Result<Vec<PathBuf>> {
    let mut build = run::cargo();
    build.args(["test", "--no-run", "--package", "xfskit-wasm", "--target", "wasm32-unknown-unknown"]);
    let log = run::logged(&mut build, "build-browser-tests")?;
    let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    let found: Vec<PathBuf> =
        text.lines().filter_map(executable).map(|path| workspace::root().join(path)).collect();
    match found.is_empty() {
        true => failure(format!("cargo named no binary of tests; see {}", log.display())),
        false => Ok(found),
    }
}

/// The path in "  Executable tests/web.rs (target/…/web-1234.wasm)".
fn executable(line: &str) -> Option<&str> {
    let line = line.trim().strip_prefix("Executable ")?;
    line.strip_suffix(')')?.rsplit_once('(').map(|(_, path)| path)
}

impl Browser {
    /// Runs every binary, each in a browser of its own.
    fn run(&self, runner: &Path, driver: &Path, binaries: &[PathBuf]) -> Result<Outcome> {
        let mut notes = Vec::new();
        for binary in binaries {
            match self.run_one(runner, driver, binary)? {
                Ended::Passed(said) => {
                    notes.extend(said.iter().map(|note| format!("{}: {note}", stem(binary))))
                }
                Ended::Failed(text) => return failure(text),
                Ended::NotStarted(text) => {
                    return Ok(
                        Outcome::skipped(format!("{} does not start here", self.name)).with_notes(vec![text])
                    );
                }
            }
        }
        Ok(Outcome::done().with_notes(notes))
    }

    fn run_one(&self, runner: &Path, driver: &Path, binary: &Path) -> Result<Ended> {
        let log_name = format!("browser-{}-{}", self.name.to_lowercase(), stem(binary));
        let mut ended = Ended::NotStarted(String::new());
        for _ in 0..STARTS {
            let mut command = run::command(&runner.to_string_lossy());
            command.arg(binary).current_dir(workspace::root().join(CRATE)).env(self.variable, driver);
            command.env("WASM_BINDGEN_TEST_DRIVER_TIMEOUT", DRIVER_LIMIT);
            command.env("WASM_BINDGEN_TEST_TIMEOUT", RUNNER_LIMIT);
            command.env("RUST_BACKTRACE", "0");
            // Pages of our users' carry no headers for it, so the tests get none either.
            command.env("WASM_BINDGEN_TEST_NO_ORIGIN_ISOLATION", "1");
            let (log, is_passed) = contained::logged_within(&mut command, &log_name, TESTS_LIMIT)?;
            ended = judge(&log, is_passed)?;
            if !matches!(ended, Ended::NotStarted(_)) {
                break;
            }
        }
        Ok(ended)
    }
}

/// The name of a test's binary without the hash that cargo puts behind it.
fn stem(binary: &Path) -> String {
    let stem = binary.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    stem.rsplit_once('-').map_or(stem.clone(), |(name, _)| name.to_owned())
}

fn judge(log: &Path, is_passed: bool) -> Result<Ended> {
    if is_passed {
        let notes = checks::summary(log)?;
        return Ok(Ended::Passed(notes.into_iter().filter(|note| note != "0 passed").collect()));
    }
    let shown = log.display();
    let text = String::from_utf8_lossy(&fs::read(log)?).into_owned();
    Ok(match has_begun(&text) {
        true => Ended::Failed(format!("tests failed; the end of {shown}:\n{}", run::tail(log))),
        false => Ended::NotStarted(format!("see {shown}")),
    })
}

/// Whether the page with the tests was seen in the browser.
fn has_begun(output: &str) -> bool {
    output.lines().any(|line| line.starts_with("Loading ") || line.starts_with("running "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binaries_are_found_in_cargos_output() {
        let line = "  Executable tests/web.rs (target/wasm32-unknown-unknown/debug/deps/web-0dbb.wasm)";
        assert_eq!(executable(line), Some("target/wasm32-unknown-unknown/debug/deps/web-0dbb.wasm"));
        assert_eq!(executable("   Compiling wbt v0.1.0 (/x)"), None);
    }

    #[test]
    fn a_browser_that_never_came_up_is_told_from_tests_that_failed() {
        assert!(!has_begun("Running headless tests in Chrome on `http://x/`\ndriver status: 1\n"));
        assert!(has_begun("Running headless tests in Chrome\nLoading Wasm module...\n"));
    }
}
