//! Reading: names, attributes, contents.

use alloc::vec::Vec;

use super::Volume;
use super::types::{DirEntry, FileExtent, Follow, Namespace, ParentPointer, Stat, StatFs, XattrName};
use crate::error::{Error, Result};
use crate::units::Ino;

fn soon<T>() -> Result<T> {
    Err(Error::unsupported("reading"))
}

impl Volume {
    /// The inode that `path` names, from the root directory on.
    ///
    /// # Errors
    /// [`Mistake`](crate::error::Mistake) when there is no such thing; those of the device; corruption.
    pub fn resolve(&mut self, _path: &[u8], _follow: Follow) -> Result<Ino> {
        soon()
    }

    /// The directory that the last component of `path` is to be looked up in, and that component.
    ///
    /// # Errors
    /// [`Mistake`](crate::error::Mistake) when the directory does not exist; those of the device; corruption.
    pub fn resolve_parent(&mut self, _path: &[u8]) -> Result<(Ino, Vec<u8>)> {
        soon()
    }

    /// The inode called `name` in a directory; `.` and `..` are known too.
    ///
    /// # Errors
    /// `NotFound`, `NotADirectory`; those of the device; corruption.
    pub fn lookup(&mut self, _dir: Ino, _name: &[u8]) -> Result<Ino> {
        soon()
    }

    /// Attributes of an inode.
    ///
    /// # Errors
    /// Those of the device; corruption.
    pub fn stat(&mut self, _ino: Ino) -> Result<Stat> {
        soon()
    }

    /// The names of an inode, from its parent pointers. Empty on volumes without them.
    ///
    /// # Errors
    /// Those of the device; corruption.
    pub fn parents(&mut self, _ino: Ino) -> Result<Vec<ParentPointer>> {
        soon()
    }

    /// All entries of a directory but `.` and `..`.
    ///
    /// # Errors
    /// `NotADirectory`; those of the device; corruption.
    pub fn read_dir(&mut self, _dir: Ino) -> Result<Vec<DirEntry>> {
        soon()
    }

    /// At most `max` entries of a directory, starting behind the one with this cookie (0: from the start).
    ///
    /// # Errors
    /// `NotADirectory`; those of the device; corruption.
    pub fn read_dir_from(&mut self, _dir: Ino, _cookie: u64, _max: usize) -> Result<Vec<DirEntry>> {
        soon()
    }

    /// Target of a symbolic link.
    ///
    /// # Errors
    /// An invalid argument when it is something else; those of the device; corruption.
    pub fn read_link(&mut self, _ino: Ino) -> Result<Vec<u8>> {
        soon()
    }

    /// Names of all extended attributes.
    ///
    /// # Errors
    /// Those of the device; corruption.
    pub fn list_xattrs(&mut self, _ino: Ino) -> Result<Vec<XattrName>> {
        soon()
    }

    /// Value of an extended attribute.
    ///
    /// # Errors
    /// `NoAttribute`; those of the device; corruption.
    pub fn xattr(&mut self, _ino: Ino, _namespace: Namespace, _name: &[u8]) -> Result<Vec<u8>> {
        soon()
    }

    /// Reads a file from byte `offset` on; returns how many bytes there were, which is less than asked for only at
    /// the end of the file.
    ///
    /// # Errors
    /// `IsADirectory`; those of the device; corruption.
    pub fn read(&mut self, _ino: Ino, _offset: u64, _buf: &mut [u8]) -> Result<usize> {
        soon()
    }

    /// All extents of a file, by rising offset; holes are left out.
    ///
    /// # Errors
    /// Those of the device; corruption.
    pub fn extents(&mut self, _ino: Ino) -> Result<Vec<FileExtent>> {
        soon()
    }

    /// Size and free space of the volume.
    ///
    /// # Errors
    /// None so far.
    pub fn statfs(&mut self) -> Result<StatFs> {
        soon()
    }
}
