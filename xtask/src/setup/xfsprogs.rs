//! A current xfsprogs beside Debian's: the newest mkfs.xfs turns on features that the stable release's refuses.
//!
//! It comes from Debian's unstable suite in a folder of its own, entered by chroot, so nothing of the host changes.

use std::fs;
use std::path::{Path, PathBuf};

use crate::report::{Outcome, Result};
use crate::{run, workspace};

/// The folder to chroot into, once it is set up.
pub(crate) fn chroot() -> PathBuf {
    workspace::cache().join("xfsprogs-sid")
}

/// Makes the folder by debootstrap.
pub(crate) fn install() -> Result<Outcome> {
    let folder = chroot();
    if !run::is_root() {
        return Ok(Outcome::skipped(
            "not root, and chroot wants that; only the installed xfsprogs will judge",
        ));
    }
    if works(&folder) {
        return Ok(Outcome::already());
    }
    if run::found("debootstrap").is_none() {
        return Ok(Outcome::skipped("debootstrap is not installed; only the installed xfsprogs will judge"));
    }
    // Built aside and renamed, so that an interrupted run never leaves half a system that looks whole.
    let partial = folder.with_extension("partial");
    for leftover in [&folder, &partial] {
        if leftover.exists() {
            fs::remove_dir_all(leftover)?;
        }
    }
    fs::create_dir_all(&partial)?;
    let mut debootstrap = run::command("debootstrap");
    debootstrap.args(["--variant=minbase", "--include=xfsprogs", "sid"]).arg(&partial).arg(mirror());
    if let Err(failure) = run::logged(&mut debootstrap, "debootstrap") {
        let first = failure.0.lines().last().unwrap_or_default().to_owned();
        return Ok(Outcome::skipped(format!(
            "debootstrap failed ({first}); only the installed xfsprogs will judge"
        )));
    }
    fs::rename(&partial, &folder)?;
    Ok(Outcome::done())
}

fn works(folder: &Path) -> bool {
    folder.is_dir() && run::output(run::command("chroot").arg(folder).args(["mkfs.xfs", "-V"])).is_ok()
}

/// The mirror that apt is set up with.
fn mirror() -> String {
    let mut texts = vec![fs::read_to_string("/etc/apt/sources.list").unwrap_or_default()];
    if let Ok(entries) = fs::read_dir("/etc/apt/sources.list.d") {
        let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        texts.extend(paths.iter().filter_map(|path| fs::read_to_string(path).ok()));
    }
    let fallback = "http://deb.debian.org/debian".to_owned();
    texts.iter().find_map(|text| mirror_in(text)).unwrap_or(fallback)
}

/// The first address of a Debian archive in a sources file of either form.
fn mirror_in(sources: &str) -> Option<String> {
    let lines =
        sources.lines().map(str::trim).filter(|line| line.starts_with("deb ") || line.starts_with("URIs:"));
    let mut addresses = lines.flat_map(str::split_whitespace).filter(|word| word.starts_with("http"));
    addresses.find(|address| address.trim_end_matches('/').ends_with("/debian")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_sources_name_a_mirror() {
        let old = "deb [arch=amd64] http://mirror.example/debian bookworm main\n";
        assert_eq!(mirror_in(old).as_deref(), Some("http://mirror.example/debian"));
        let new = "Types: deb\nURIs: https://other.example/debian/\nSuites: bookworm\n";
        assert_eq!(mirror_in(new).as_deref(), Some("https://other.example/debian/"));
        assert_eq!(mirror_in("URIs: https://third.example/packages\n"), None);
    }
}
