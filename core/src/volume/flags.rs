//! Flags, hints and project ids of inodes.

use super::Volume;
use crate::error::Result;
use crate::format::inode::Flags;
use crate::inode;
use crate::inode::core::touch;
use crate::inode::flags::{self, XFlags};
use crate::units::Ino;

/// Changes to flags, hints and the project id of an inode; `None` leaves one as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FlagChanges {
    /// Project id.
    pub project_id: Option<u32>,
    /// Extent size hint of an empty file, or the one that a directory passes on, in bytes; 0 removes it. Blocks for the
    /// file are then allocated in whole units of it.
    pub extsize: Option<u64>,
    /// Hint for the size of copy-on-write extents of a file, or the one that a directory passes on, in bytes; 0 removes
    /// it.
    pub cowextsize: Option<u64>,
    /// Flags that go. A hint whose flag goes does too.
    pub remove: XFlags,
    /// Flags that come. Those that nobody sets ([`XFlags::PREALLOC`] and the like) stay as they are.
    pub add: XFlags,
}

impl Volume {
    /// The flags of an inode.
    ///
    /// # Errors
    /// Those of the device; corruption.
    pub fn flags(&mut self, ino: Ino) -> Result<XFlags> {
        Ok(flags::of(&inode::read(&mut self.transaction(), ino)?))
    }

    /// Changes flags, hints and the project id of an inode, all of them or none.
    ///
    /// # Errors
    /// [`Mistake::Argument`](crate::error::Mistake::Argument) for a flag that this type of file can't have, for a size
    /// that Linux refuses, for an extent size hint of a file with data, and for one of copy-on-write without reflink;
    /// [`Error::Unsupported`](crate::Error::Unsupported) for inheritance of the realtime device; those of the device;
    /// corruption. Nothing has changed then.
    pub fn change_flags(&mut self, ino: Ino, changes: &FlagChanges) -> Result<()> {
        self.check_writable()?;
        let has_data = self.files.get(ino).is_some_and(|file| !file.dirty.is_empty());
        let now = self.now;
        let mut tx = self.transaction();
        let inode = inode::read(&mut tx, ino)?;
        if let Some(project_id) = changes.project_id {
            flags::set_project(&mut tx, ino, project_id)?;
        }
        if let Some(bytes) = changes.extsize {
            flags::set_extsize(&mut tx, &inode, bytes, has_data)?;
        }
        if let Some(bytes) = changes.cowextsize {
            flags::set_cowextsize(&mut tx, &inode, bytes)?;
        }
        if !changes.remove.union(changes.add).is_empty() {
            let inode = inode::read(&mut tx, ino)?;
            let wanted = flags::of(&inode).difference(changes.remove).union(changes.add);
            if inode.core.flags().contains(Flags::EXTSIZE) && !wanted.contains(XFlags::EXTSIZE) {
                // Refused for a file with blocks.
                flags::set_extsize(&mut tx, &inode, 0, false)?;
            }
            flags::set(&mut tx, &inode, wanted)?;
        }
        touch(&mut tx, ino, now)?;
        tx.commit()
    }

    /// Sets the flags of an inode to `flags`, as [`Volume::change_flags`] does.
    ///
    /// # Errors
    /// Those of [`Volume::change_flags`].
    pub fn set_flags(&mut self, ino: Ino, flags: XFlags) -> Result<()> {
        self.change_flags(ino, &FlagChanges { remove: XFlags::all(), add: flags, ..FlagChanges::default() })
    }

    /// Sets the extent size hint of an empty file, or the one that a directory passes on, in bytes; 0 removes it.
    ///
    /// # Errors
    /// Those of [`Volume::change_flags`].
    pub fn set_extsize(&mut self, ino: Ino, bytes: u64) -> Result<()> {
        self.change_flags(ino, &FlagChanges { extsize: Some(bytes), ..FlagChanges::default() })
    }

    /// Sets the hint for the size of copy-on-write extents, in bytes; 0 removes it.
    ///
    /// # Errors
    /// Those of [`Volume::change_flags`].
    pub fn set_cowextsize(&mut self, ino: Ino, bytes: u64) -> Result<()> {
        self.change_flags(ino, &FlagChanges { cowextsize: Some(bytes), ..FlagChanges::default() })
    }

    /// Sets the project id of an inode.
    ///
    /// # Errors
    /// Those of [`Volume::change_flags`].
    pub fn set_project(&mut self, ino: Ino, project_id: u32) -> Result<()> {
        self.change_flags(ino, &FlagChanges { project_id: Some(project_id), ..FlagChanges::default() })
    }
}
