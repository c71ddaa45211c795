//! Node.js, npm, and the packages of the root's `package-lock.json`.

use std::fs;
use std::process::Command;

use super::debian;
use crate::report::{Outcome, Result, failure};
use crate::{run, workspace};

/// The oldest that the package runs on.
const OLDEST: u32 = 20;
/// Says of which lock file the installed packages are.
const STAMP: &str = "node_modules/.xfskit-lock";

/// What npm says when package.json and the lock file disagree: a mistake in the repository, not of this machine.
const OUT_OF_SYNC: &str = "in sync";

/// `npm`, at the root of the workspace.
pub(crate) fn npm() -> Command {
    let mut command = run::command("npm");
    command.current_dir(workspace::root());
    command
}

/// Why what is written in JavaScript can't be built here; `None` when it can.
pub(crate) fn obstacle() -> Option<String> {
    match version() {
        Some(version) if version >= OLDEST && run::found("npm").is_some() => {}
        _ => return Some(format!("Node.js {OLDEST} or newer with npm is not here")),
    }
    (!is_current()).then(|| "the npm packages are not installed".to_owned())
}

/// Installs the packages as locked, unless those are there.
pub(crate) fn install() -> Result<Outcome> {
    if version().is_none() {
        // What apt can't do is told below.
        let _ = debian::install_all(&["nodejs", "npm"]);
    }
    if version().is_none_or(|version| version < OLDEST) || run::found("npm").is_none() {
        let why =
            format!("Node.js {OLDEST} or newer with npm is not here; nothing of JavaScript will be built");
        return Ok(Outcome::skipped(why));
    }
    if is_current() {
        return Ok(Outcome::already());
    }
    if let Err(problem) = run::logged(npm().args(["ci", "--no-progress"]), "npm-ci") {
        if problem.0.contains(OUT_OF_SYNC) {
            return failure(problem.0);
        }
        let said = problem.0.lines().find(|line| line.contains("npm error")).unwrap_or_default().to_owned();
        return Ok(Outcome::skipped(format!("nothing of JavaScript will be built ({said})")));
    }
    fs::write(workspace::root().join(STAMP), lock())?;
    Ok(Outcome::done())
}

fn is_current() -> bool {
    fs::read(workspace::root().join(STAMP)).is_ok_and(|installed| installed == lock())
}

fn lock() -> Vec<u8> {
    fs::read(workspace::root().join("package-lock.json")).unwrap_or_default()
}

/// The first number of Node's version.
fn version() -> Option<u32> {
    major(&run::output(run::command("node").arg("--version")).ok()?)
}

fn major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(major("v20.20.2\n"), Some(20));
        assert_eq!(major("node: not found"), None);
    }
}
