//! Turning a free inode into a new file.
//!
//! Source: "On-Disk Inode", inheritance of flags in "Inode Core".

use crate::btree::bmap::inode_locator;
use crate::format::features::Incompat;
use crate::format::header::put;
use crate::format::inode::{CORE_BYTES, Dinode, FileType, Flags, Flags2, fork_format};
use crate::format::time::Timestamp;
use crate::geometry::Geometry;
use crate::journal::Transaction;
use crate::units::Ino;

use super::core::core_mut;
use super::forkoff;
use crate::error::Result;

/// Attributes of a new inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewInode {
    /// Permission bits, setuid, setgid and sticky included; without the type.
    pub mode: u16,
    /// Owning user.
    pub uid: u32,
    /// Owning group.
    pub gid: u32,
}

const S_ISGID: u16 = 0o2000;

/// Makes `ino` an empty file of type `file_type` in the directory with core `parent`. Anything but a symlink without
/// parent pointers has an empty attribute fork.
///
/// # Errors
/// Those of reading the inode.
pub fn initialise(
    tx: &mut Transaction<'_>,
    ino: Ino,
    file_type: FileType,
    new: &NewInode,
    parent: &Dinode,
    now: Timestamp,
) -> Result<()> {
    let geometry = tx.geometry().clone();
    let is_dir = file_type == FileType::Directory;
    let core = core_mut(tx, ino)?;
    core.version = 3;
    core.format = match file_type {
        FileType::Regular | FileType::Directory | FileType::Symlink => fork_format::EXTENTS,
        _ => fork_format::DEV,
    };
    core.aformat = fork_format::EXTENTS;
    // Linux readies new inodes for the labels of security modules and for inherited access control lists.
    let has_attrs = geometry.has_parent_pointers() || file_type != FileType::Symlink;
    core.forkoff = if has_attrs { forkoff::initial(core.format) } else { 0 };
    core.metatype.set(0);
    core.uid.set(new.uid);
    core.gid.set(new.gid);
    core.nlink.set(if is_dir { 2 } else { 1 });
    core.size.set(0);
    core.nblocks.set(0);
    core.big_nextents.set(0);
    core.nextents.set(0);
    core.anextents.set(0);
    core.extsize.set(0);
    core.cowextsize.set(0);
    core.dmevmask.set(0);
    core.dmstate.set(0);
    core.changecount.set(1);
    core.projid_lo.set(0);
    core.projid_hi.set(0);
    let mut mode = new.mode & 0o7777;
    if parent.mode.get() & S_ISGID != 0 {
        core.gid = parent.gid;
        if is_dir {
            mode |= S_ISGID;
        }
    }
    core.mode.set(file_type.mode_bits() | mode);
    inherit(core, parent, file_type, &geometry);
    let time = core.encode_time(now);
    core.atime = time;
    core.mtime = time;
    core.ctime = time;
    core.crtime = time;
    Ok(())
}

/// Makes a node lead to that device; fifos and sockets have zeros there.
///
/// # Errors
/// Those of reading the inode.
pub fn set_rdev(tx: &mut Transaction<'_>, ino: Ino, major: u32, minor: u32) -> Result<()> {
    let at = inode_locator(tx.geometry(), ino);
    let packed = (major << 18) | minor;
    put(tx.modify(&at, CORE_BYTES..CORE_BYTES + 4)?, CORE_BYTES, &packed.to_be_bytes());
    Ok(())
}

/// Flags and hints that come from the directory.
fn inherit(core: &mut Dinode, parent: &Dinode, file_type: FileType, geometry: &Geometry) {
    let is_dir = file_type == FileType::Directory;
    let (theirs, theirs2) = match file_type {
        FileType::Regular | FileType::Directory => (parent.flags(), parent.flags2()),
        // The others are of the directory's project, and that is all.
        _ => (parent.flags() & Flags::PROJINHERIT, Flags2::empty()),
    };
    // NOSYMLINKS is not among them: by default Linux passes all of these on, but not that one.
    let mut flags =
        theirs & (Flags::SYNC | Flags::NOATIME | Flags::NODUMP | Flags::NODEFRAG | Flags::FILESTREAM);
    if theirs.contains(Flags::PROJINHERIT) {
        core.projid_lo = parent.projid_lo;
        core.projid_hi = parent.projid_hi;
    }
    if is_dir {
        flags |= theirs & (Flags::PROJINHERIT | Flags::RTINHERIT | Flags::EXTSZINHERIT);
    }
    if theirs.contains(Flags::EXTSZINHERIT) {
        core.extsize = parent.extsize;
        if !is_dir {
            flags |= Flags::EXTSIZE;
        }
    }
    let mut flags2 = theirs2 & Flags2::DAX;
    if geometry.incompat.contains(Incompat::BIGTIME) {
        flags2 |= Flags2::BIGTIME;
    }
    if geometry.incompat.contains(Incompat::NREXT64) {
        flags2 |= Flags2::NREXT64;
    }
    if theirs2.contains(Flags2::COWEXTSIZE) {
        flags2 |= Flags2::COWEXTSIZE;
        core.cowextsize = parent.cowextsize;
    }
    core.flags.set(flags.bits());
    core.flags2.set(flags2.bits());
}
