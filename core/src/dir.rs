//! Directories, in every form.

use alloc::vec::Vec;

use crate::format::inode::FileType;
use crate::units::Ino;

/// A name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// The name.
    pub name: Vec<u8>,
    /// The inode that it names.
    pub ino: Ino,
    /// The inode's type, as the directory remembers it.
    pub file_type: Option<FileType>,
    /// Position in the directory: grows from entry to entry, and stays while the entry does.
    pub cookie: u64,
}
