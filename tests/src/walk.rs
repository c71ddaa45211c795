//! Everything that reading can do, done to an image that may be hostile.

use std::collections::HashSet;

use xfskit::Volume;
use xfskit::device::BlockDevice;
use xfskit::units::Ino;
use xfskit::volume::{FileType, Follow, OpenOptions};

/// Inodes looked at; directories of a hostile image may be as many as it likes.
const MOST_INODES: usize = 4000;

/// Opens a volume and looks at all of it. Errors are fine; each operation has to end, and soon.
pub fn walk(device: impl BlockDevice) {
    let Ok(mut volume) = Volume::open(Box::new(device), &OpenOptions::default()) else { return };
    let _ = volume.statfs();
    let root = volume.root();
    let mut seen = HashSet::from([root]);
    let mut pending = vec![root];
    while let Some(ino) = pending.pop() {
        for child in look(&mut volume, ino) {
            if seen.len() < MOST_INODES && seen.insert(child) {
                pending.push(child);
            }
        }
    }
    let _ = volume.check(&mut |finding| drop(finding.to_string()));
    for path in
        [&b"/symlinks/good/x"[..], b"/dirs/../files/size-1", b"/symlinks/loop", b"/dirs/of-1200/nothing"]
    {
        let _ = volume.resolve(path, Follow::Yes);
    }
}

/// Looks at one inode in every way; returns what its directory names.
fn look(volume: &mut Volume, ino: Ino) -> Vec<Ino> {
    let Ok(stat) = volume.stat(ino) else { return Vec::new() };
    let _ = volume.parents(ino);
    let _ = volume.path_of(ino);
    let _ = volume.extents(ino);
    for name in volume.list_xattrs(ino).unwrap_or_default() {
        let _ = volume.xattr(ino, name.namespace, &name.name);
    }
    match stat.file_type {
        FileType::Directory => {
            let entries = volume.read_dir(ino).unwrap_or_default();
            for entry in entries.iter().take(50) {
                let _ = volume.lookup(ino, &entry.name);
            }
            let _ = volume.lookup(ino, b"no such name");
            if let Some(entry) = entries.get(entries.len() / 2) {
                let _ = volume.read_dir_from(ino, entry.cookie, 3);
            }
            return entries.into_iter().map(|entry| entry.ino).collect();
        }
        FileType::Symlink => drop(volume.read_link(ino)),
        FileType::Regular => {
            let mut buffer = vec![0; 1 << 16];
            for offset in [0, 4095, stat.size / 2, stat.size.saturating_sub(100), u64::MAX - 5] {
                let _ = volume.read(ino, offset, &mut buffer);
            }
        }
        _ => {}
    }
    Vec::new()
}
