//! cargo-deny, which judges licences, sources and duplicates of what we depend on.

use crate::report::{Outcome, Result};
use crate::run;

/// Installs it unless some version is there.
pub(crate) fn install() -> Result<Outcome> {
    if run::found("cargo-deny").is_some() {
        return Ok(Outcome::already());
    }
    run::logged(run::cargo().args(["install", "cargo-deny", "--locked"]), "cargo-deny-install")?;
    Ok(Outcome::done())
}
