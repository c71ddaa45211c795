//! wasm-opt, which takes a tenth off the size of the wasm module: from Debian, or built by cargo.

use crate::report::{Outcome, Result};
use crate::run;

use super::debian;

/// Installs it unless there is one on the path.
pub(crate) fn install() -> Result<Outcome> {
    if is_there() {
        return Ok(Outcome::already());
    }
    // What apt can't do is tried another way, so its reasons are of no interest.
    let _ = debian::install_all(&["binaryen"]);
    if !is_there() {
        run::logged(run::cargo().args(["install", "--locked", "wasm-opt"]), "wasm-opt-install")?;
    }
    Ok(Outcome::done())
}

fn is_there() -> bool {
    run::output(run::command("wasm-opt").arg("--version")).is_ok()
}
