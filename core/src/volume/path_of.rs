//! From inodes back to paths, by parent pointers.

use alloc::vec::Vec;

use super::Volume;
use crate::error::{Error, Problem, Result};
use crate::inode::{self, Inode};
use crate::journal::Transaction;
use crate::units::Ino;
use crate::units::map::Hashed;
use crate::{attr, attr::ParentPointer, dir};

/// Most bytes of all paths together: trees can be deep and names many, and in an image that somebody made for that the
/// product has no bound.
const MAX_BYTES: usize = 16 << 20;

impl Volume {
    /// All paths of an inode from the root directory on, one for each of its names, in order; none for one without a
    /// name.
    ///
    /// # Errors
    /// [`Error::Unsupported`] on a volume without parent pointers, and for paths of more than 16 MiB in all; corruption
    /// when a parent pointer leads nowhere, or in a circle; those of the device.
    pub fn path_of(&mut self, ino: Ino) -> Result<Vec<Vec<u8>>> {
        let mut tx = Transaction::new(&mut self.store);
        if !tx.geometry().has_parent_pointers() {
            return Err(Error::unsupported("paths of inodes on a volume without parent pointers"));
        }
        let inode = inode::read(&mut tx, ino)?;
        if ino == tx.geometry().rootino {
            return Ok(alloc::vec![b"/".to_vec()]);
        }
        let mut ways = Ways { root: tx.geometry().rootino, above: Hashed::new(), bytes_left: MAX_BYTES };
        let mut paths = Vec::new();
        for pointer in attr::parents(&mut tx, &inode)? {
            follow(&mut tx, &inode, &pointer)?;
            paths.push(ways.path(&mut tx, pointer)?);
        }
        paths.sort_unstable();
        Ok(paths)
    }
}

/// The ways from directories up to the root.
struct Ways {
    root: Ino,
    /// What the directories that were met say of themselves: each is looked at once.
    above: Hashed<Ino, ParentPointer>,
    bytes_left: usize,
}

impl Ways {
    /// The path that ends in the name of `pointer`, which leads to a directory that has it.
    fn path(&mut self, tx: &mut Transaction<'_>, pointer: ParentPointer) -> Result<Vec<u8>> {
        let mut names: Vec<Vec<u8>> = Vec::new();
        let mut seen: Hashed<Ino, ()> = Hashed::new();
        let mut at = pointer;
        loop {
            let left = self.bytes_left.checked_sub(at.name.len() + 1);
            self.bytes_left = left.ok_or_else(|| Error::unsupported("paths of more than 16 MiB"))?;
            names.push(at.name);
            if at.parent == self.root {
                break;
            }
            let above = self.above(tx, at.parent)?;
            if seen.insert(at.parent, ()).is_some() {
                let parent = inode::read(tx, at.parent)?;
                return Err(parent.corrupt(Problem::Rule("parent pointers lead in a circle")));
            }
            at = above;
        }
        let mut path = Vec::new();
        for name in names.iter().rev() {
            path.push(b'/');
            path.extend_from_slice(name);
        }
        Ok(path)
    }

    /// The one parent pointer of a directory.
    fn above(&mut self, tx: &mut Transaction<'_>, dir: Ino) -> Result<ParentPointer> {
        if let Some(known) = self.above.get(dir) {
            return Ok(known.clone());
        }
        let inode = inode::read(tx, dir)?;
        let mut pointers = attr::parents(tx, &inode)?;
        let (Some(only), true) = (pointers.pop(), pointers.is_empty()) else {
            return Err(inode.corrupt(Problem::Rule("directory without just one parent pointer")));
        };
        follow(tx, &inode, &only)?;
        self.above.insert(dir, only.clone());
        Ok(only)
    }
}

/// Makes sure that a parent pointer of `child` names a directory that has that entry.
fn follow(tx: &mut Transaction<'_>, child: &Inode, pointer: &ParentPointer) -> Result<()> {
    let wrong = || child.corrupt(Problem::Rule("parent pointer leads nowhere"));
    if !tx.geometry().is_valid_ino(pointer.parent) {
        return Err(wrong());
    }
    let parent = inode::read(tx, pointer.parent)?;
    if !parent.is_dir() || parent.core.gen_.get() != pointer.generation {
        return Err(wrong());
    }
    match dir::lookup(tx, &parent, &pointer.name)? {
        Some((ino, _)) if ino == child.ino => Ok(()),
        _ => Err(wrong()),
    }
}
