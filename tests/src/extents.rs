//! Where the blocks of a file lie, as FIEMAP tells it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::referee::run;

/// One mapped range of a file; all lengths and positions in units of 512 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// Position in the file.
    pub logical: u64,
    /// Position on the device.
    pub physical: u64,
    /// Length.
    pub count: u64,
    /// Allocated, and reads as zeros.
    pub unwritten: bool,
    /// Some of it belongs to another file too.
    pub shared: bool,
}

const FIEMAP_UNWRITTEN: u64 = 0x800;
const FIEMAP_SHARED: u64 = 0x2000;

/// Joins neighbours that differ in nothing: how a range is cut into records is nobody's promise.
pub fn joined(extents: &[Extent]) -> Vec<Extent> {
    let mut joined: Vec<Extent> = Vec::with_capacity(extents.len());
    for &next in extents {
        if let Some(last) = joined.last_mut()
            && last.logical + last.count == next.logical
            && last.physical + last.count == next.physical
            && (last.unwritten, last.shared) == (next.unwritten, next.shared)
        {
            last.count += next.count;
        } else {
            joined.push(next);
        }
    }
    joined
}

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
