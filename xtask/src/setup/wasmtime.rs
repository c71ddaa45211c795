//! wasmtime, built by cargo with the few features that running and precompiling a wasip1 command takes.

use std::fs;

use crate::report::{Outcome, Result};
use crate::{run, workspace};

/// The newest that the workspace's rust-version builds.
const VERSION: &str = "48.0.8";
const FEATURES: &str =
    "run,cranelift,wat,cache,parallel-compilation,threads,gc,gc-drc,gc-null,component-model,compile";

/// Installs it unless one at least as new that can precompile is on the path.
pub(crate) fn install() -> Result<Outcome> {
    if is_usable() {
        return Ok(Outcome::already());
    }
    let package = format!("wasmtime-cli@{VERSION}");
    let mut install = run::cargo();
    install.args(["install", "--locked", &package, "--no-default-features", "--features", FEATURES]);
    run::logged(&mut install, "wasmtime-install")?;
    Ok(Outcome::done())
}

fn is_usable() -> bool {
    let Ok(version) = run::output(run::command("wasmtime").arg("--version")) else { return false };
    major(&version) >= major(VERSION) && can_compile().unwrap_or(false)
}

/// Whether it precompiles, which a build may lack; so lean a build has no help to ask.
fn can_compile() -> Result<bool> {
    let folder = workspace::target().join("xtask");
    fs::create_dir_all(&folder)?;
    let (module, compiled) = (folder.join("probe.wat"), folder.join("probe.cwasm"));
    fs::write(&module, "(module)")?;
    Ok(run::output(run::command("wasmtime").arg("compile").arg("-o").args([compiled, module])).is_ok())
}

fn major(version: &str) -> Option<u32> {
    let number = version.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    number.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(major("wasmtime 48.0.8 (abc 2026-01-01)"), Some(48));
        assert_eq!(major("wasmtime"), None);
    }
}
