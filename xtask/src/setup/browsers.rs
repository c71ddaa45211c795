//! Chromium and Firefox with what drives them, for the tests in browsers. What can't be had leaves its tests out.

use std::path::PathBuf;

use super::{debian, or_skipped, tools};
use crate::report::{Outcome, Result};
use crate::run;

/// Drives Firefox. Debian has no package of it.
const GECKODRIVER: (&str, &str) = ("geckodriver", "0.37.1");

/// Where Chromium is.
pub(crate) fn chromium() -> Option<PathBuf> {
    ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(run::found)
}

/// Where Chromium's driver is.
pub(crate) fn chromedriver() -> Option<PathBuf> {
    run::found("chromedriver")
}

/// Where Firefox is.
pub(crate) fn firefox() -> Option<PathBuf> {
    ["firefox-esr", "firefox"].into_iter().find_map(run::found)
}

/// Where Firefox's driver is.
pub(crate) fn geckodriver() -> Option<PathBuf> {
    run::found("geckodriver").or_else(|| tools::found(GECKODRIVER.0, GECKODRIVER.1, "geckodriver"))
}

/// Installs Chromium and its driver, which must be of one version and so come together.
pub(crate) fn install_chromium() -> Result<Outcome> {
    if chromium().is_some() && chromedriver().is_some() {
        return Ok(Outcome::already());
    }
    Ok(or_skipped(debian::install_all(&["chromium", "chromium-driver"]), "tests in Chromium"))
}

/// Installs Firefox and builds its driver.
pub(crate) fn install_firefox() -> Result<Outcome> {
    if firefox().is_some() && geckodriver().is_some() {
        return Ok(Outcome::already());
    }
    if firefox().is_none() {
        let installed = debian::install_all(&["firefox-esr"]);
        if firefox().is_none() {
            return Ok(or_skipped(installed, "tests in Firefox"));
        }
    }
    Ok(or_skipped(tools::install(GECKODRIVER.0, GECKODRIVER.1, "geckodriver"), "tests in Firefox"))
}
