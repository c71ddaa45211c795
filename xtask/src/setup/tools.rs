//! Programs that cargo builds for us in one version, each in a folder of its own that no other version disturbs.

use std::path::PathBuf;
use std::process::Command;

use crate::report::{Outcome, Result};
use crate::{run, workspace};

fn folder(package: &str, version: &str) -> PathBuf {
    workspace::cache().join("tools").join(format!("{package}-{version}"))
}

/// Where a program of a package is, once that is installed.
pub(crate) fn found(package: &str, version: &str, program: &str) -> Option<PathBuf> {
    Some(folder(package, version).join("bin").join(program)).filter(|path| path.is_file())
}

/// Installs a package unless `program`, one of its programs, is there.
pub(crate) fn install(package: &str, version: &str, program: &str) -> Result<Outcome> {
    if found(package, version, program).is_some() {
        return Ok(Outcome::already());
    }
    // A published lock file may name versions that are no longer served, and newer dependencies may not build.
    let name = format!("{package}-install");
    if run::logged(&mut cargo_install(package, version), &name).is_err() {
        run::logged(cargo_install(package, version).arg("--locked"), &name)?;
    }
    Ok(Outcome::done())
}

fn cargo_install(package: &str, version: &str) -> Command {
    let mut install = run::cargo();
    install.args(["install", package, "--version", version, "--root"]).arg(folder(package, version));
    install
}
