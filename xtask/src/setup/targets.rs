//! Compilation targets, by rustup; and the components that the checks use.

use super::For;
use crate::report::{Outcome, Result, failure};
use crate::run;

/// The target of the command under wasmtime.
const WASI: &str = "wasm32-wasip1";
/// The target of the package for JavaScript.
pub(crate) const WEB: &str = "wasm32-unknown-unknown";
/// Targets without std, where the core must build: one with a browser around it, one with nothing at all.
pub(crate) const NO_STD: [&str; 2] = [WEB, "x86_64-unknown-none"];

/// The targets that `purpose` builds for.
pub(crate) fn for_purpose(purpose: For) -> Vec<&'static str> {
    match purpose {
        For::Demo | For::Bench => vec![WASI],
        For::Tests => [WASI].into_iter().chain(NO_STD).collect(),
    }
}

/// Adds those targets that are missing.
pub(crate) fn install(wanted: Vec<&'static str>) -> Result<Outcome> {
    let sysroot = run::output(run::command("rustc").args(["--print", "sysroot"]))?;
    let rustlib = std::path::Path::new(sysroot.trim()).join("lib/rustlib");
    let missing: Vec<_> =
        wanted.into_iter().filter(|name| !rustlib.join(name).join("lib").is_dir()).collect();
    if missing.is_empty() {
        return Ok(Outcome::already());
    }
    if run::found("rustup").is_none() {
        return failure(format!("rustup is not here, and rustc lacks {}", missing.join(", ")));
    }
    run::logged(run::command("rustup").args(["target", "add"]).args(&missing), "rustup")?;
    Ok(Outcome::done())
}
