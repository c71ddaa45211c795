//! Walking a tree inside an image.
//!
//! No recursion: the depth of a tree is up to the image. A directory that is reached a second time (which a sound
//! volume has none of) is refused, so that a walk always ends.

use std::collections::HashSet;
use std::vec;

use xfskit::units::Ino;
use xfskit::volume::{DirEntry, FileType};

use crate::address;
use crate::failure::Failure;
use crate::image::Image;
use crate::name;

/// A walk below one directory. Entries come in the order of their names' bytes.
pub(crate) struct Walk {
    levels: Vec<Level>,
    seen: HashSet<Ino>,
    path: Vec<u8>,
}

struct Level {
    entries: vec::IntoIter<DirEntry>,
    path_bytes: usize,
}

/// Where a walk has come to; [`Walk::path`] is its path.
pub(crate) enum Step {
    /// An entry. If it is a directory, [`Walk::enter`] goes into it.
    Entry(DirEntry),
    /// The end of a directory that was entered.
    Leave,
}

impl Walk {
    /// A walk that starts outside of everything: the first thing to do is to enter a directory.
    pub(crate) fn new(path: &[u8]) -> Self {
        Self { levels: Vec::new(), seen: HashSet::new(), path: path.to_vec() }
    }

    /// Enters the directory that the walk is at.
    pub(crate) fn enter(&mut self, image: &mut Image, dir: Ino) -> Result<(), Failure> {
        if !self.seen.insert(dir) {
            let why = format!("corrupt directory tree: directory inode {dir} is reached a second time");
            return Err(Failure::new(image.place(&self.path), "", why));
        }
        let mut entries = image
            .volume
            .read_dir(dir)
            .map_err(|error| image.fail(&self.path, "cannot read directory", &error))?;
        name::sort(&mut entries, |entry| &entry.name);
        self.levels.push(Level { entries: entries.into_iter(), path_bytes: self.path.len() });
        Ok(())
    }

    /// The next entry, or the end of a directory; `None` when all is done.
    pub(crate) fn next(&mut self) -> Option<Step> {
        let level = self.levels.last_mut()?;
        self.path.truncate(level.path_bytes);
        match level.entries.next() {
            Some(entry) => {
                address::push(&mut self.path, &entry.name);
                Some(Step::Entry(entry))
            }
            None => {
                self.levels.pop();
                Some(Step::Leave)
            }
        }
    }

    /// Path of what the last step told of.
    pub(crate) fn path(&self) -> &[u8] {
        &self.path
    }

    /// How many directories are open: the top directory's own entries are at depth 1.
    pub(crate) fn depth(&self) -> usize {
        self.levels.len()
    }

    /// What comes after the last entry in its directory.
    pub(crate) fn rest(&self) -> &[DirEntry] {
        self.levels.last().map_or(&[], |level| level.entries.as_slice())
    }
}

/// Type of an entry, from the inode where the directory does not keep it.
pub(crate) fn type_of(image: &mut Image, entry: &DirEntry, path: &[u8]) -> Result<FileType, Failure> {
    match entry.file_type {
        Some(file_type) => Ok(file_type),
        None => {
            let stat =
                image.volume.stat(entry.ino).map_err(|error| image.fail(path, "cannot stat", &error))?;
            Ok(stat.file_type)
        }
    }
}
