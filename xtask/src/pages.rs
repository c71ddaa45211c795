//! Pages in a real browser: Playwright's tests of the package and the playground, timings, and serving the pages.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::report::{Outcome, Report, Result, failure};
use crate::setup::{self, browsers, node};
use crate::{checks, contained, npm, run, serve, workspace};

/// Where the tests are.
const FOLDER: &str = "tests/browser";
/// Playwright's command.
const PLAYWRIGHT: &str = "node_modules/@playwright/test/cli.js";
/// How long everything may take: many times what it takes on a slow machine.
const TESTS_LIMIT: Duration = Duration::from_secs(30 * 60);
/// How long Chromium may take to come up, tries included.
const START_LIMIT: Duration = Duration::from_secs(8 * 60);

/// Holds the tests and timings to TypeScript's rules.
pub(crate) fn types(report: &mut Report) -> Result<()> {
    report.step("the types of what runs in pages", || {
        if let Some(why) = npm::obstacle() {
            return Ok(Outcome::skipped(why));
        }
        let check = ["run", "typecheck", "--workspace", FOLDER];
        run::logged(node::npm().args(check), "pages-types").map(|_| Outcome::done())
    })
}

/// Runs Playwright's tests, where there is a Chromium that starts.
pub(crate) fn test(report: &mut Report) -> Result<()> {
    report.step("pages in Chromium, by Playwright", || {
        let chromium = match (npm::obstacle(), browsers::chromium()) {
            (Some(why), _) => return Ok(Outcome::skipped(why)),
            (None, None) => return Ok(Outcome::skipped("Chromium is not here")),
            (None, Some(chromium)) => chromium,
        };
        let mut probe = program("chromium.js");
        probe.env("XFSKIT_CHROMIUM", &chromium);
        let (log, starts) = contained::logged_within(&mut probe, "chromium", START_LIMIT)?;
        if !starts {
            return Ok(Outcome::skipped("Chromium does not start here")
                .with_notes(vec![format!("see {}", log.display())]));
        }
        let mut test = program(&workspace::root().join(PLAYWRIGHT).to_string_lossy());
        test.arg("test").env("XFSKIT_CHROMIUM", &chromium);
        test.env("XFSKIT_XFSPROGS_SID", setup::new_xfsprogs());
        let (log, is_passed) = contained::logged_within(&mut test, "pages", TESTS_LIMIT)?;
        match is_passed {
            true => Ok(Outcome::done().with_notes(summary(&log)?)),
            false => failure(format!("the end of {}:\n{}", log.display(), run::tail(&log))),
        }
    })
}

/// What passed, and how much was skipped: Playwright gives no reasons.
fn summary(log: &Path) -> Result<Vec<String>> {
    let mut notes = checks::summary(log)?;
    let text = String::from_utf8_lossy(&fs::read(log)?).into_owned();
    notes.extend(text.lines().filter_map(skipped).map(|count| format!("skipped: {count}")));
    Ok(notes)
}

/// The number in "  2 skipped".
fn skipped(line: &str) -> Option<u64> {
    line.trim().strip_suffix(" skipped")?.parse().ok()
}

/// Times the package beside what else keeps files in a browser; `args` go to the program that does.
pub(crate) fn bench(report: &mut Report, args: &[String]) -> Result<()> {
    setup::for_browsers(report)?;
    npm::run(report)?;
    serve::playground(report)?;
    report.section("bench");
    let Some(chromium) = browsers::chromium() else { return failure("Chromium is not here") };
    let family = contained::Family::new()?;
    let mut bench = program("bench/run.js");
    family.adopt(bench.args(args).env("XFSKIT_CHROMIUM", chromium));
    let status = bench.status()?;
    if status.success() { Ok(()) } else { failure(format!("the timings ended with {status}")) }
}

/// A program of the tests' folder, run by Node.js.
pub(crate) fn program(script: &str) -> Command {
    let mut command = run::command("node");
    command.arg(script).current_dir(workspace::root().join(FOLDER));
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skipped_tests_are_counted() {
        assert_eq!(skipped("  2 skipped"), Some(2));
        assert_eq!(skipped("  18 passed (3.3m)"), None);
    }
}
