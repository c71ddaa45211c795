//! Pages in a real browser: Playwright's tests of the package and the playground, timings, and serving the pages.

use std::process::Command;
use std::time::Duration;

use crate::report::{Outcome, Report, Result, failure};
use crate::setup::browsers;
use crate::{checks, contained, npm, run, workspace};

/// Where the tests are.
const FOLDER: &str = "tests/browser";
/// Playwright's command.
const PLAYWRIGHT: &str = "node_modules/@playwright/test/cli.js";
/// How long everything may take: many times what it takes on a slow machine.
const TESTS_LIMIT: Duration = Duration::from_secs(30 * 60);
/// How long Chromium may take to come up, tries included.
const START_LIMIT: Duration = Duration::from_secs(8 * 60);

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
        let (log, is_passed) = contained::logged_within(&mut test, "pages", TESTS_LIMIT)?;
        match is_passed {
            true => Ok(Outcome::done().with_notes(checks::summary(&log)?)),
            false => failure(format!("the end of {}:\n{}", log.display(), run::tail(&log))),
        }
    })
}

/// A program of the tests' folder, run by Node.js.
pub(crate) fn program(script: &str) -> Command {
    let mut command = run::command("node");
    command.arg(script).current_dir(workspace::root().join(FOLDER));
    command
}
