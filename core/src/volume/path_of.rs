//! From inodes back to paths, by parent pointers.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::Volume;
use crate::error::{Error, Problem, Result};
use crate::inode::{self, Inode};
use crate::journal::Transaction;
use crate::units::Ino;
use crate::{attr, attr::ParentPointer, dir};

impl Volume {
    /// All paths of an inode from the root directory on, one for each of its names, in order; none for one without a
    /// name.
    ///
    /// # Errors
    /// [`Error::Unsupported`] on a volume without parent pointers; corruption when a parent pointer leads nowhere, or in
    /// a circle; those of the device.
    pub fn path_of(&mut self, ino: Ino) -> Result<Vec<Vec<u8>>> {
        let mut tx = Transaction::new(&mut self.store);
        if !tx.geometry().has_parent_pointers() {
            return Err(Error::unsupported("paths of inodes on a volume without parent pointers"));
        }
        let inode = inode::read(&mut tx, ino)?;
        if ino == tx.geometry().rootino {
            return Ok(alloc::vec![b"/".to_vec()]);
        }
        let mut paths = Vec::new();
        for pointer in attr::parents(&mut tx, &inode)? {
            paths.push(path(&mut tx, &inode, pointer)?);
        }
        paths.sort_unstable();
        Ok(paths)
    }
}

/// The path that ends in the name of `inode` that `pointer` remembers.
fn path(tx: &mut Transaction<'_>, inode: &Inode, pointer: ParentPointer) -> Result<Vec<u8>> {
    let root = tx.geometry().rootino;
    let mut names: Vec<Vec<u8>> = Vec::new();
    let mut seen: BTreeSet<Ino> = BTreeSet::new();
    let (mut child, mut pointer) = (inode.clone(), pointer);
    loop {
        let parent = follow(tx, &child, &pointer)?;
        names.push(pointer.name);
        if parent.ino == root {
            break;
        }
        if !seen.insert(parent.ino) {
            return Err(parent.corrupt(Problem::Rule("parent pointers lead in a circle")));
        }
        let mut above = attr::parents(tx, &parent)?;
        pointer = match (above.pop(), above.is_empty()) {
            (Some(only), true) => only,
            _ => return Err(parent.corrupt(Problem::Rule("directory without just one parent pointer"))),
        };
        child = parent;
    }
    let mut path = Vec::new();
    for name in names.iter().rev() {
        path.push(b'/');
        path.extend_from_slice(name);
    }
    Ok(path)
}

/// The directory that a parent pointer of `child` names, which must have that entry.
fn follow(tx: &mut Transaction<'_>, child: &Inode, pointer: &ParentPointer) -> Result<Inode> {
    let wrong = || child.corrupt(Problem::Rule("parent pointer leads nowhere"));
    if !tx.geometry().is_valid_ino(pointer.parent) {
        return Err(wrong());
    }
    let parent = inode::read(tx, pointer.parent)?;
    if !parent.is_dir() || parent.core.gen_.get() != pointer.generation {
        return Err(wrong());
    }
    match dir::lookup(tx, &parent, &pointer.name)? {
        Some((ino, _)) if ino == child.ino => Ok(parent),
        _ => Err(wrong()),
    }
}
