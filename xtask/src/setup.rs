//! Set-up: each step first looks whether its result is already there, so that a second run costs next to nothing.

pub(crate) mod browsers;
mod debian;
mod deny;
pub(crate) mod node;
mod suites;
mod targets;
mod tools;
pub(crate) mod wasm_bindgen;
mod wasm_opt;
mod wasmtime;
mod xfsprogs;

pub(crate) use targets::NO_STD as NO_STD_TARGETS;
pub(crate) use xfsprogs::chroot as new_xfsprogs;

use crate::report::{Outcome, Report, Result};

/// What the set-up is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    /// The wasip1 build, wasmtime, and xfsprogs for Linux's opinion.
    Demo,
    /// Everything.
    Tests,
    /// What the timings need.
    Bench,
}

/// Sets up what `purpose` needs. What this machine can't have is named and left out.
pub(crate) fn run(report: &mut Report, purpose: For) -> Result<()> {
    report.section("set-up");
    report.step("rustup targets", || install_targets(purpose))?;
    report.step("Debian packages: xfsprogs and friends", debian::install)?;
    if purpose != For::Bench {
        report
            .step("a current xfsprogs beside Debian's (about 1 minute, 430 MB, once)", xfsprogs::install)?;
    }
    report.step("wasm-opt", wasm_opt::install)?;
    report.step("wasmtime (about 8 minutes, once)", wasmtime::install)?;
    if purpose == For::Tests {
        report.step("cargo-deny (about 5 minutes, once)", deny::install)?;
        report.step("fsx and pjdfstest (about 2 minutes, once)", suites::install)?;
        javascript(report)?;
        browsers(report)?;
    }
    Ok(())
}

/// What builds the package for JavaScript, beside the rustup target.
fn javascript(report: &mut Report) -> Result<()> {
    report.step("wasm-bindgen (about 2 minutes, once)", wasm_bindgen::install)?;
    report.step("npm packages", node::install)
}

/// Browsers, and what drives them.
fn browsers(report: &mut Report) -> Result<()> {
    report.step("Chromium and its driver", browsers::install_chromium)?;
    report.step("Firefox and its driver (about 1 minute, once)", browsers::install_firefox)
}

/// Only what a build of both commands needs.
pub(crate) fn targets_only(report: &mut Report) -> Result<()> {
    report.step("rustup targets", || install_targets(For::Demo))?;
    report.step("wasm-opt", wasm_opt::install)
}

/// As [`for_package`], with the browsers to try it in.
pub(crate) fn for_browsers(report: &mut Report) -> Result<()> {
    for_package(report)?;
    browsers(report)
}

/// What can't be had here is no reason to stop: it is said, with what is left out for it.
fn or_skipped(installed: Result<Outcome>, left_out: &str) -> Outcome {
    installed.unwrap_or_else(|failure| {
        let last = failure.0.lines().last().unwrap_or_default().trim().to_owned();
        Outcome::skipped(format!("{left_out} will be left out ({last})"))
    })
}

/// What a build of the package for JavaScript needs.
pub(crate) fn for_package(report: &mut Report) -> Result<()> {
    report.section("set-up");
    report.step("rustup targets", || targets::install(vec![targets::WEB]))?;
    javascript(report)
}

/// Adds the rustup targets that `purpose` builds for.
pub(crate) fn install_targets(purpose: For) -> Result<Outcome> {
    targets::install(targets::for_purpose(purpose))
}
