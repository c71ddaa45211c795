//! What is neither directory nor regular file, and further names of what was copied already.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use xfskit::volume::Stat;

use super::{CopyOut, Place};
use crate::address::show_path;
use crate::failure::Failure;
use crate::host;

impl CopyOut<'_> {
    /// Gives what this copy made of the same inode one more name; false when it made nothing of it.
    pub(super) fn link(&mut self, from: &[u8], stat: &Stat, place: Place<'_>) -> Result<bool, Failure> {
        let Some(first) = self.links.get(&stat.ino) else { return Ok(false) };
        let path = place.path();
        let linked = match (fs::hard_link(first, path), place) {
            (Err(error), Place::Inside(_, true)) if error.kind() == ErrorKind::AlreadyExists => {
                return Err(self.twice(from, path));
            }
            (Err(error), _) if error.kind() == ErrorKind::AlreadyExists => link_over(first, path),
            (linked, _) => linked,
        };
        linked.map_err(|error| Failure::io(show_path(path), "cannot link", &error))?;
        Ok(true)
    }

    /// Remembers what was made of an inode that has more names.
    pub(super) fn remember(&mut self, stat: &Stat, place: Place<'_>) {
        if self.options.archive && stat.nlink > 1 {
            self.links.insert(stat.ino, place.path().to_owned());
        }
    }

    pub(super) fn symlink(&mut self, from: &[u8], stat: &Stat, place: Place<'_>) -> Result<(), Failure> {
        let target = self.image.volume.read_link(stat.ino);
        let target = target.map_err(|error| self.image.fail(from, "cannot read symbolic link", &error))?;
        let path = place.path();
        host::symlink(&target, path).map_err(|error| match (error.kind(), place) {
            (ErrorKind::AlreadyExists, Place::Inside(_, true)) => self.twice(from, path),
            _ => Failure::io(show_path(path), "cannot make symbolic link", &error),
        })
    }

    pub(super) fn node(&mut self, from: &[u8], stat: &Stat, place: Place<'_>) -> Result<(), Failure> {
        let path = place.path();
        let made = host::make_node(path, stat.file_type, stat.rdev, stat.mode);
        made.map_err(|error| match (error.kind(), place) {
            (ErrorKind::AlreadyExists, Place::Inside(_, true)) => self.twice(from, path),
            _ => Failure::io(show_path(path), "cannot make node", &error),
        })?;
        if self.options.preserve {
            let kept = host::preserve_node(path, stat);
            kept.map_err(|error| Failure::io(show_path(path), "cannot set attributes", &error))?;
        }
        Ok(())
    }
}

/// Links beside what has the name, then moves over it. Nothing is followed on the way.
fn link_over(first: &Path, path: &Path) -> std::io::Result<()> {
    let mut number = 0_u64;
    loop {
        let aside = path.with_file_name(format!(".xfskit-{number}"));
        match fs::hard_link(first, &aside) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error),
            Ok(()) => {
                let moved = fs::rename(&aside, path);
                // It is there still as well where both were names of one file.
                let _ = fs::remove_file(&aside);
                return moved;
            }
        }
    }
}
