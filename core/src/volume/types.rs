//! What the reading half of the public face hands out.

use alloc::vec::Vec;

pub use crate::attr::{Namespace, ParentPointer, XattrName};
pub use crate::data::extents::{ExtentPlace, FileExtent};
pub use crate::dir::DirEntry;
pub use crate::format::inode::{FileType, Flags, Flags2};
pub use crate::format::time::Timestamp;
use crate::units::Ino;

/// Whether a symbolic link in the last component of a path is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follow {
    /// The link itself is meant.
    No,
    /// What it points at is meant.
    Yes,
}

/// All attributes of an inode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// Inode number.
    pub ino: Ino,
    /// Type of the file.
    pub file_type: FileType,
    /// Permission bits, setuid, setgid and sticky included; without the type.
    pub mode: u16,
    /// Owning user.
    pub uid: u32,
    /// Owning group.
    pub gid: u32,
    /// Number of names.
    pub nlink: u32,
    /// Bytes; of a directory, what its entries take.
    pub size: u64,
    /// Space in use, in units of 512 bytes.
    pub blocks_512: u64,
    /// Bytes in a fsblock.
    pub blocksize: u32,
    /// Last access.
    pub atime: Timestamp,
    /// Last change of the contents.
    pub mtime: Timestamp,
    /// Last change of contents or attributes.
    pub ctime: Timestamp,
    /// Creation.
    pub crtime: Timestamp,
    /// Major and minor number of a device node; zeros for everything else.
    pub rdev: (u32, u32),
    /// Generation of the inode: tells apart files that had the same inode number one after the other.
    pub generation: u32,
    /// Project id.
    pub project_id: u32,
    /// `di_flags`.
    pub flags: Flags,
    /// `di_flags2`.
    pub flags2: Flags2,
    /// Extent size hint, in fsblocks.
    pub extsize: u32,
    /// Extent size hint for copy-on-write, in fsblocks.
    pub cowextsize: u32,
    /// Extents of the data fork.
    pub extents: u64,
    /// Extents of the attribute fork.
    pub attr_extents: u64,
    /// Format of the data fork: see [`fork_format`](crate::format::inode::fork_format).
    pub format: u8,
    /// Format of the attribute fork.
    pub attr_format: u8,
    /// The names that lead here, filled in by [`Volume::parents`](crate::Volume::parents) alone.
    pub parents: Vec<ParentPointer>,
}

/// Size and free space of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatFs {
    /// Bytes in a fsblock.
    pub blocksize: u32,
    /// Fsblocks of the volume without its log.
    pub total_fsblocks: u64,
    /// Free fsblocks.
    pub free_fsblocks: u64,
    /// Inodes that exist, free ones included.
    pub inodes: u64,
    /// Free inodes among them.
    pub free_inodes: u64,
}
