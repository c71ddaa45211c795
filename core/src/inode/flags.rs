//! Flags and hints of an inode as programs know them, and the rules of setting them.
//!
//! Source: "Inode Core", `di_flags`; `ioctl_xfs_fsgetxattr(2)`.

use super::core::core_mut;
use super::view::Inode;
use crate::error::{Error, Mistake, Result};
use crate::format::inode::{Dinode, FileType, Flags, Flags2};
use crate::journal::Transaction;
use crate::units::{Ino, MAX_EXTENT_FSBLOCKS};

bitflags::bitflags! {
    /// `fsx_xflags`: both words of flags of an inode in one, as FS_IOC_FSGETXATTR has them.
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
    pub struct XFlags: u32 {
        /// Data on the realtime device.
        const REALTIME = 0x1;
        /// Blocks were preallocated.
        const PREALLOC = 0x2;
        /// May not change.
        const IMMUTABLE = 0x8;
        /// May only grow at its end.
        const APPEND = 0x10;
        /// Writes are durable when they return.
        const SYNC = 0x20;
        /// Reading does not touch the access time.
        const NOATIME = 0x40;
        /// Not for dump.
        const NODUMP = 0x80;
        /// New files in this directory lie on the realtime device.
        const RTINHERIT = 0x100;
        /// New files in this directory get its project id.
        const PROJINHERIT = 0x200;
        /// No symbolic links are made in this directory.
        const NOSYMLINKS = 0x400;
        /// There is an extent size hint.
        const EXTSIZE = 0x800;
        /// New files in this directory get its extent size hint.
        const EXTSZINHERIT = 0x1000;
        /// Not for defragmentation.
        const NODEFRAG = 0x2000;
        /// Allocates by file streams.
        const FILESTREAM = 0x4000;
        /// Direct access to persistent memory.
        const DAX = 0x8000;
        /// There is a hint for the size of copy-on-write extents.
        const COWEXTSIZE = 0x10000;
        /// There are extended attributes.
        const HASATTR = 0x8000_0000;
    }
}

impl XFlags {
    /// What every inode may have.
    const ANY: Self = Self::IMMUTABLE
        .union(Self::APPEND)
        .union(Self::SYNC)
        .union(Self::NOATIME)
        .union(Self::NODUMP)
        .union(Self::NODEFRAG)
        .union(Self::FILESTREAM);
    /// What only directories may have.
    const DIRECTORY: Self = Self::PROJINHERIT.union(Self::NOSYMLINKS).union(Self::RTINHERIT);
    /// What comes and goes with a hint.
    pub const HINTS: Self = Self::EXTSIZE.union(Self::EXTSZINHERIT).union(Self::COWEXTSIZE);
    /// What nobody sets.
    const SHOWN_ONLY: Self = Self::REALTIME.union(Self::PREALLOC).union(Self::HASATTR);
}

/// The flags of an inode.
#[must_use]
pub fn of(inode: &Inode) -> XFlags {
    let core = &inode.core;
    let own = (core.flags() & !Flags::NEWRTBM).bits();
    let mut flags = XFlags::from_bits_truncate(own.into());
    flags.set(XFlags::DAX, core.flags2().contains(Flags2::DAX));
    flags.set(XFlags::COWEXTSIZE, core.flags2().contains(Flags2::COWEXTSIZE));
    flags.set(XFlags::HASATTR, inode.has_attr_fork());
    flags
}

/// Sets the flags of an inode to `flags`. Those that are only shown stay as they are; a hint whose flag is missing goes.
///
/// Times are the caller's business.
///
/// # Errors
/// [`Mistake::Argument`] for a flag that this type of file can't have, and for that of a hint that is not there;
/// [`Error::Unsupported`] for inheritance of the realtime device.
pub fn set(tx: &mut Transaction<'_>, inode: &Inode, flags: XFlags) -> Result<()> {
    let before = of(inode);
    let added = flags.difference(before.union(XFlags::SHOWN_ONLY));
    if added.contains(XFlags::RTINHERIT) {
        return Err(Error::unsupported("inheritance of the realtime device"));
    }
    let may_have = match inode.file_type {
        FileType::Directory => XFlags::ANY | XFlags::DIRECTORY | XFlags::DAX,
        FileType::Regular => XFlags::ANY | XFlags::DAX,
        _ => XFlags::ANY,
    };
    if added.intersects(XFlags::HINTS) {
        return Err(Mistake::Argument("a hint is set by its size").into());
    }
    if !may_have.contains(added) {
        return Err(Mistake::Argument("flag for this type of file").into());
    }
    let keep = Flags::REALTIME | Flags::PREALLOC | Flags::NEWRTBM;
    let new = flags - XFlags::SHOWN_ONLY - XFlags::DAX - XFlags::COWEXTSIZE;
    let core = core_mut(tx, inode.ino)?;
    let low = Flags::from_bits_truncate(new.bits() as u16) - keep;
    core.flags.set((core.flags() & keep | low).bits());
    let mut flags2 = core.flags2();
    flags2.set(Flags2::DAX, flags.contains(XFlags::DAX));
    flags2.set(Flags2::COWEXTSIZE, flags.contains(XFlags::COWEXTSIZE));
    core.flags2.set(flags2.bits());
    if !flags.intersects(XFlags::EXTSIZE | XFlags::EXTSZINHERIT) {
        core.extsize.set(0);
    }
    if !flags.contains(XFlags::COWEXTSIZE) {
        core.cowextsize.set(0);
    }
    Ok(())
}

/// A hint in fsblocks.
fn hint_fsblocks(tx: &Transaction<'_>, bytes: u64) -> Result<u32> {
    let geometry = tx.geometry();
    if !bytes.is_multiple_of(geometry.blocksize.into()) {
        return Err(Mistake::Argument("a hint must be a multiple of the block size").into());
    }
    let most = MAX_EXTENT_FSBLOCKS.min(geometry.agblocks / 2);
    match u32::try_from(bytes >> geometry.blocklog) {
        Ok(fsblocks) if fsblocks <= most => Ok(fsblocks),
        _ => Err(Mistake::Argument("a hint must not exceed half an allocation group").into()),
    }
}

/// Sets the extent size hint of a file, or the one that a directory passes on, in bytes; 0 removes it. `has_data` says that
/// the file has data besides what is on disk.
///
/// # Errors
/// [`Mistake::Argument`] for a size that Linux refuses, other types of files, and a file with blocks.
pub fn set_extsize(tx: &mut Transaction<'_>, inode: &Inode, bytes: u64, has_data: bool) -> Result<()> {
    let flag = match inode.file_type {
        FileType::Regular => Flags::EXTSIZE,
        FileType::Directory => Flags::EXTSZINHERIT,
        _ => return Err(Mistake::Argument("extent size hint for this type of file").into()),
    };
    let has_blocks = has_data || inode.core.data_nextents() > 0;
    let fsblocks = hint_fsblocks(tx, bytes)?;
    if inode.file_type == FileType::Regular && has_blocks && fsblocks != inode.core.extsize.get() {
        return Err(Mistake::Argument("extent size hint of a file that has blocks").into());
    }
    let core = core_mut(tx, inode.ino)?;
    core.extsize.set(fsblocks);
    let mut flags = core.flags();
    flags.set(flag, fsblocks > 0);
    core.flags.set(flags.bits());
    Ok(())
}

/// Sets the hint for the size of copy-on-write extents of a file, or the one that a directory passes on, in bytes; 0 removes it.
///
/// # Errors
/// [`Mistake::Argument`] for a size that Linux refuses, for other types of files, and without reflink.
pub fn set_cowextsize(tx: &mut Transaction<'_>, inode: &Inode, bytes: u64) -> Result<()> {
    if !matches!(inode.file_type, FileType::Regular | FileType::Directory) {
        return Err(Mistake::Argument("extent size hint for this type of file").into());
    }
    if bytes > 0 && !tx.geometry().has_reflink() {
        return Err(Mistake::Argument("hint for copy-on-write on a volume without reflink").into());
    }
    let fsblocks = hint_fsblocks(tx, bytes)?;
    let core = core_mut(tx, inode.ino)?;
    core.cowextsize.set(fsblocks);
    let mut flags2 = core.flags2();
    flags2.set(Flags2::COWEXTSIZE, fsblocks > 0);
    core.flags2.set(flags2.bits());
    Ok(())
}

/// Sets the project id of an inode.
///
/// # Errors
/// Those of reading the inode.
pub fn set_project(tx: &mut Transaction<'_>, ino: Ino, project_id: u32) -> Result<()> {
    let core = core_mut(tx, ino)?;
    core.projid_lo.set(project_id as u16);
    core.projid_hi.set((project_id >> 16) as u16);
    Ok(())
}

/// The extent size hint that allocation for a file follows, in fsblocks; 0 when there is none. What is stored may be more
/// than any extent is long: no whole unit would ever fit one.
#[must_use]
pub fn extsize_of(core: &Dinode) -> u32 {
    if core.flags().contains(Flags::EXTSIZE) { core.extsize.get().min(MAX_EXTENT_FSBLOCKS) } else { 0 }
}

#[cfg(test)]
mod tests {
    use zerocopy::FromZeros as _;

    use super::*;

    #[test]
    fn a_stored_hint_is_no_longer_than_an_extent() {
        let mut core = Dinode::new_zeroed();
        core.extsize.set(u32::MAX);
        assert_eq!(extsize_of(&core), 0);
        core.flags.set(Flags::EXTSIZE.bits());
        assert_eq!(extsize_of(&core), MAX_EXTENT_FSBLOCKS);
    }
}
