//! Flags, hints and project ids of inodes.

use super::Volume;
use crate::error::Result;
use crate::format::inode::Flags;
use crate::inode::core::touch;
use crate::inode::flags::{self, XFlags};
use crate::inode::{self, Inode};
use crate::journal::Transaction;
use crate::units::Ino;

impl Volume {
    /// The flags of an inode.
    ///
    /// # Errors
    /// Those of the device; corruption.
    pub fn flags(&mut self, ino: Ino) -> Result<XFlags> {
        Ok(flags::of(&inode::read(&mut self.transaction(), ino)?))
    }

    /// Sets the flags of an inode to `flags`. Those that nobody sets ([`XFlags::PREALLOC`] and the like) stay as they
    /// are; a hint whose flag is missing goes, and [`Volume::set_extsize`] is the way to a new one.
    ///
    /// # Errors
    /// [`Mistake::Argument`](crate::error::Mistake::Argument) for a flag that this type of file can't have;
    /// [`Error::Unsupported`](crate::Error::Unsupported) for inheritance of the realtime device; those of the device;
    /// corruption. Nothing has changed then.
    pub fn set_flags(&mut self, ino: Ino, flags: XFlags) -> Result<()> {
        self.change_inode(ino, |tx, inode, _| {
            let is_hinted = inode.core.flags().contains(Flags::EXTSIZE);
            if is_hinted && !flags.contains(XFlags::EXTSIZE) {
                // Refused for a file with blocks.
                flags::set_extsize(tx, inode, 0, false)?;
            }
            flags::set(tx, inode, flags)
        })
    }

    /// Sets the extent size hint of an empty file, or the one that a directory passes on, in bytes; 0 removes it.
    /// Blocks for the file are then allocated in whole units of it.
    ///
    /// # Errors
    /// [`Mistake::Argument`](crate::error::Mistake::Argument) for a size that Linux refuses, other types of files, and a
    /// file with data; those of the device; corruption. Nothing has changed then.
    pub fn set_extsize(&mut self, ino: Ino, bytes: u64) -> Result<()> {
        self.change_inode(ino, |tx, inode, has_data| flags::set_extsize(tx, inode, bytes, has_data))
    }

    /// Sets the hint for the size of copy-on-write extents of a file, or the one that a directory passes on, in bytes; 0
    /// removes it.
    ///
    /// # Errors
    /// [`Mistake::Argument`](crate::error::Mistake::Argument) for a size that Linux refuses, for other types of files,
    /// and without reflink; those of the device; corruption. Nothing has changed then.
    pub fn set_cowextsize(&mut self, ino: Ino, bytes: u64) -> Result<()> {
        self.change_inode(ino, |tx, inode, _| flags::set_cowextsize(tx, inode, bytes))
    }

    /// Sets the project id of an inode.
    ///
    /// # Errors
    /// Those of the device; corruption. Nothing has changed then.
    pub fn set_project(&mut self, ino: Ino, project_id: u32) -> Result<()> {
        self.change_inode(ino, |tx, inode, _| flags::set_project(tx, inode.ino, project_id))
    }

    /// Changes something of an inode in a transaction of its own. `change` is told whether data of it wait for writeback.
    fn change_inode(
        &mut self,
        ino: Ino,
        change: impl FnOnce(&mut Transaction<'_>, &Inode, bool) -> Result<()>,
    ) -> Result<()> {
        self.check_writable()?;
        let has_data = self.files.get(ino).is_some_and(|file| !file.dirty.is_empty());
        let now = self.now;
        let mut tx = self.transaction();
        let inode = inode::read(&mut tx, ino)?;
        change(&mut tx, &inode, has_data)?;
        touch(&mut tx, ino, now)?;
        tx.commit()
    }
}
