//! Test suites for filesystems, which judge a mounted image: fsx and pjdfstest, built by cargo.

use std::path::PathBuf;

use crate::report::{Outcome, Result};
use crate::{run, workspace};

/// Each with the version that the tests know.
const SUITES: [(&str, &str); 2] = [("fsx", "0.3.2"), ("pjdfstest", "0.2.2")];

/// Where they lie; not on the path, as nobody else needs them.
fn folder() -> PathBuf {
    workspace::cache().join("suites")
}

/// Installs those that are not there.
pub(crate) fn install() -> Result<Outcome> {
    if !cfg!(target_os = "linux") {
        return Ok(Outcome::skipped("Linux alone mounts images".to_owned()));
    }
    let mut outcome = Outcome::already();
    for (name, version) in SUITES {
        if folder().join("bin").join(name).is_file() {
            continue;
        }
        let mut install = run::cargo();
        install.args(["install", "--locked", "--root"]).arg(folder()).args([name, "--version", version]);
        run::logged(&mut install, &format!("{name}-install"))?;
        outcome = Outcome::done();
    }
    Ok(outcome)
}
