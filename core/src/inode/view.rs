//! One inode in memory.
//!
//! Source: "On-Disk Inode".

use alloc::vec::Vec;

use zerocopy::FromBytes;

use super::fork::Fork;
use super::verify;
use crate::btree::bmap::inode_locator;
use crate::error::{Error, Place, Problem, Result};
use crate::format::header::be_u32;
use crate::format::inode::{CORE_BYTES, Dinode, FileType, Flags, fork_format};
use crate::journal::Transaction;
use crate::units::Ino;

/// A copy of an inode that is in use: its core was checked, and its forks lie inside it.
#[derive(Debug, Clone)]
pub struct Inode {
    /// Its number.
    pub ino: Ino,
    /// Its core.
    pub core: Dinode,
    /// What the mode says it is.
    pub file_type: FileType,
    /// The bytes behind the core, which hold the forks.
    pub literal: Vec<u8>,
}

/// Reads an inode that is in use.
///
/// # Errors
/// [`Error::Corrupt`] for a number that cannot be an inode, an inode that is free, or one that breaks the format;
/// those of the device.
pub fn read(tx: &mut Transaction<'_>, ino: Ino) -> Result<Inode> {
    let fail = |problem| Err(Error::corrupt("inode", Place::ino(ino), problem));
    if !tx.geometry().is_valid_ino(ino) {
        return fail(Problem::Bounds { field: "inode number", found: ino.0 });
    }
    let at = inode_locator(tx.geometry(), ino);
    let bytes = tx.read(&at)?;
    let Ok((core, literal)) = Dinode::read_from_prefix(bytes) else {
        return fail(Problem::Rule("shorter than its core"));
    };
    let literal = literal.to_vec();
    if core.mode.get() == 0 {
        return fail(Problem::Rule("inode is free"));
    }
    let Some(file_type) = FileType::from_mode(core.mode.get()) else {
        return fail(Problem::Bounds { field: "mode", found: core.mode.get().into() });
    };
    let inode = Inode { ino, core, file_type, literal };
    match verify::problem(&inode, tx.geometry()) {
        Some(problem) => fail(problem),
        None => Ok(inode),
    }
}

impl Inode {
    /// Bytes of the data fork.
    #[must_use]
    pub fn data_fork(&self) -> &[u8] {
        self.literal.get(..self.data_fork_bytes()).unwrap_or_default()
    }

    /// Bytes of the attribute fork; none when there is no such fork.
    #[must_use]
    pub fn attr_fork(&self) -> &[u8] {
        self.literal.get(self.data_fork_bytes()..).unwrap_or_default()
    }

    /// Bytes of a fork.
    #[must_use]
    pub fn fork(&self, fork: Fork) -> &[u8] {
        match fork {
            Fork::Data => self.data_fork(),
            Fork::Attr => self.attr_fork(),
        }
    }

    /// Format of a fork: one of [`fork_format`].
    #[must_use]
    pub fn fork_format(&self, fork: Fork) -> u8 {
        match fork {
            Fork::Data => self.core.format,
            Fork::Attr => self.core.aformat,
        }
    }

    /// Number of extents of a fork, as the core says.
    #[must_use]
    pub fn nextents(&self, fork: Fork) -> u64 {
        match fork {
            Fork::Data => self.core.data_nextents(),
            Fork::Attr => self.core.attr_nextents(),
        }
    }

    /// Length of the data fork in bytes.
    #[must_use]
    pub fn data_fork_bytes(&self) -> usize {
        match self.core.forkoff {
            0 => self.literal.len(),
            forkoff => usize::from(forkoff) * 8,
        }
    }

    /// Whether there is an attribute fork, be it empty.
    #[must_use]
    pub fn has_attr_fork(&self) -> bool {
        self.core.forkoff != 0
    }

    /// Size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.core.size.get()
    }

    /// Whether this is a directory.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        self.file_type == FileType::Directory
    }

    /// Whether the data lie on the realtime device.
    #[must_use]
    pub fn is_realtime(&self) -> bool {
        self.core.flags().contains(Flags::REALTIME)
    }

    /// Major and minor number of a device node; zeros for everything else.
    #[must_use]
    pub fn rdev(&self) -> (u32, u32) {
        let is_device = matches!(self.file_type, FileType::CharDevice | FileType::BlockDevice);
        if !is_device || self.core.format != fork_format::DEV {
            return (0, 0);
        }
        let packed = be_u32(self.data_fork(), 0);
        (packed >> 18, packed & ((1 << 18) - 1))
    }

    /// Corruption of this inode, to be returned as an error.
    #[must_use]
    pub fn corrupt(&self, problem: Problem) -> Error {
        Error::corrupt("inode", Place::ino(self.ino), problem)
    }
}

const _: () = assert!(CORE_BYTES == size_of::<Dinode>());
