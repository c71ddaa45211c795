//! The kernel's word on extents.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use super::Extent;
use crate::referee::run;

const FIEMAP_UNWRITTEN: u64 = 0x800;
const FIEMAP_SHARED: u64 = 0x2000;

/// Asks the kernel for the extents of many files in a few processes. The paths must be plain.
pub fn fiemap(files: &[PathBuf]) -> BTreeMap<PathBuf, Vec<Extent>> {
    let mut found = BTreeMap::new();
    for some in files.chunks(400) {
        let output = run(Command::new("xfs_io").args(["-r", "-c", "fiemap -v"]).args(some));
        let text = String::from_utf8(output.stdout).expect("xfs_io speaks ASCII");
        parse(&text, &mut found);
    }
    for file in files {
        assert!(found.contains_key(file), "no FIEMAP of {}", file.display());
    }
    found
}

/// Reads lines such as `   3: [8..15]:  16360..16367   8   0x801` that follow the file's name; holes are left out.
fn parse(text: &str, found: &mut BTreeMap<PathBuf, Vec<Extent>>) {
    let mut current: Option<&mut Vec<Extent>> = None;
    for line in text.lines() {
        if let Some(path) = line.strip_suffix(':') {
            current = Some(found.entry(PathBuf::from(path)).or_default());
            continue;
        }
        let words: Vec<_> = line.split_whitespace().collect();
        let [_, logical, physical, count, flags] = words[..] else { continue };
        let Some((logical, _)) = logical.trim_start_matches('[').split_once("..") else { continue };
        let Some((physical, _)) = physical.split_once("..") else { continue };
        let flags = u64::from_str_radix(flags.trim_start_matches("0x"), 16).expect("flags");
        current.as_mut().expect("a name comes first").push(Extent {
            logical: logical.parse().expect("a number"),
            physical: physical.parse().expect("a number"),
            count: count.parse().expect("a number"),
            unwritten: flags & FIEMAP_UNWRITTEN != 0,
            shared: flags & FIEMAP_SHARED != 0,
        });
    }
}
