//! wasm-bindgen, which writes the JavaScript around a wasm module, and the runner of its tests.

use std::fs;
use std::path::PathBuf;

use super::{or_skipped, tools};
use crate::report::{Outcome, Result, failure};
use crate::workspace;

const PACKAGE: &str = "wasm-bindgen-cli";
const RUNNER: &str = "wasm-bindgen-test-runner";

/// Builds it in the version of the crate that the workspace is locked to; no other one understands its modules.
pub(crate) fn install() -> Result<Outcome> {
    Ok(or_skipped(tools::install(PACKAGE, &version()?, RUNNER), "the package for JavaScript and its tests"))
}

/// Where the program is, once it is installed.
pub(crate) fn program() -> Result<PathBuf> {
    found("wasm-bindgen")
}

/// Where the runner of tests is, once it is installed.
pub(crate) fn runner() -> Result<PathBuf> {
    found(RUNNER)
}

fn found(program: &str) -> Result<PathBuf> {
    match tools::found(PACKAGE, &version()?, program) {
        Some(path) => Ok(path),
        None => failure(format!("{program} is not there; `cargo xtask setup` builds it")),
    }
}

fn version() -> Result<String> {
    let lock = fs::read_to_string(workspace::root().join("Cargo.lock"))?;
    match locked(&lock, "wasm-bindgen") {
        Some(version) => Ok(version.to_owned()),
        None => failure("Cargo.lock has no wasm-bindgen"),
    }
}

/// The version of a package in a lock file.
fn locked<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| **line != *name).skip(1);
    lines.next()?.strip_prefix("version = \"")?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_a_lock_file() {
        let lock = "[[package]]\nname = \"wasm-bindgen-macro\"\nversion = \"0.1.0\"\n\n\
                    [[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.130\"\nsource = \"x\"\n";
        assert_eq!(locked(lock, "wasm-bindgen"), Some("0.2.130"));
        assert_eq!(locked(lock, "walrus"), None);
    }
}
