//! Debian packages: what populates, judges and unpacks images.

use std::process::Command;

use crate::report::{Outcome, Result};
use crate::run;

const PACKAGES: [&str; 7] = ["acl", "attr", "debootstrap", "mount", "time", "xfsprogs", "zstd"];

/// Installs the missing ones by apt-get, where that is possible.
pub(crate) fn install() -> Result<Outcome> {
    install_all(&PACKAGES)
}

/// Installs those of `packages` that are missing by apt-get, where that is possible.
pub(super) fn install_all(packages: &[&'static str]) -> Result<Outcome> {
    if run::found("dpkg-query").is_none() || run::found("apt-get").is_none() {
        return Ok(Outcome::skipped(format!("no apt-get here; wanted are {}", packages.join(", "))));
    }
    let missing: Vec<_> = packages.iter().copied().filter(|name| !is_installed(name)).collect();
    if missing.is_empty() {
        return Ok(Outcome::already());
    }
    if !run::is_root() {
        let why = format!("not root; as root: apt-get install {}", missing.join(" "));
        return Ok(Outcome::skipped(why));
    }
    // The lists of a fresh machine are empty or stale, so a first failure means no more than that.
    if run::logged(&mut apt(&missing), "apt-install").is_err() {
        run::logged(run::command("apt-get").args(["update"]), "apt-update")?;
        run::logged(&mut apt(&missing), "apt-install")?;
    }
    Ok(Outcome::done())
}

fn apt(packages: &[&str]) -> Command {
    let mut command = run::command("apt-get");
    command.args(["install", "-y", "--no-install-recommends"]).args(packages);
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn is_installed(package: &str) -> bool {
    run::output(run::command("dpkg-query").args(["-W", "-f=${Status}", package]))
        .is_ok_and(|status| status.ends_with("ok installed"))
}
