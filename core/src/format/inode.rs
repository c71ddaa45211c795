//! The inode, version 3.
//!
//! Source: "On-Disk Inode", "Inode Core".

use zerocopy::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::time::Timestamp;

/// `di_magic`, "IN".
pub const MAGIC: u16 = 0x494e;
/// Bytes before the forks.
pub const CORE_BYTES: usize = 176;
/// Mode bits that say what kind of file it is.
pub const S_IFMT: u16 = 0o170_000;

/// Core of an inode as it stands on disk; the forks fill the rest of the inode.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
#[expect(missing_docs, reason = "fields carry the kernel's names and meanings")]
pub struct Dinode {
    pub magic: U16,
    pub mode: U16,
    pub version: u8,
    pub format: u8,
    pub metatype: U16,
    pub uid: U32,
    pub gid: U32,
    pub nlink: U32,
    pub projid_lo: U16,
    pub projid_hi: U16,
    /// Data extents with NREXT64, else 0.
    pub big_nextents: U64,
    pub atime: U64,
    pub mtime: U64,
    pub ctime: U64,
    /// Bytes.
    pub size: U64,
    /// Fsblocks of both forks, bmbt blocks included.
    pub nblocks: U64,
    /// Fsblocks.
    pub extsize: U32,
    /// Data extents, or with NREXT64 attribute extents.
    pub nextents: U32,
    /// Attribute extents, or with NREXT64 0.
    pub anextents: U16,
    /// Start of the attribute fork behind the core, in units of 8 bytes; 0 for none.
    pub forkoff: u8,
    pub aformat: u8,
    pub dmevmask: U32,
    pub dmstate: U16,
    pub flags: U16,
    pub gen_: U32,
    pub next_unlinked: U32,
    pub crc: [u8; 4],
    pub changecount: U64,
    pub lsn: U64,
    pub flags2: U64,
    /// Fsblocks.
    pub cowextsize: U32,
    pub pad2: [u8; 12],
    pub crtime: U64,
    pub ino: U64,
    pub uuid: [u8; 16],
}

const _: () = assert!(size_of::<Dinode>() == CORE_BYTES);
const _: () = assert!(core::mem::offset_of!(Dinode, crc) == 100);
const _: () = assert!(core::mem::offset_of!(Dinode, ino) == 152);

bitflags::bitflags! {
    /// `di_flags`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Flags: u16 {
        /// Data on the realtime device.
        const REALTIME = 0x1;
        /// Blocks beyond the end of file are wanted.
        const PREALLOC = 0x2;
        /// The realtime bitmap's new format.
        const NEWRTBM = 0x4;
        /// May not change.
        const IMMUTABLE = 0x8;
        /// May only grow at its end.
        const APPEND = 0x10;
        /// Writes are synchronous.
        const SYNC = 0x20;
        /// Reading does not touch the access time.
        const NOATIME = 0x40;
        /// Not for dump.
        const NODUMP = 0x80;
        /// New files in this directory get REALTIME.
        const RTINHERIT = 0x100;
        /// New files in this directory get its project id.
        const PROJINHERIT = 0x200;
        /// No symlinks in this directory.
        const NOSYMLINKS = 0x400;
        /// `di_extsize` is a hint for allocation.
        const EXTSIZE = 0x800;
        /// New files in this directory get its extent size hint.
        const EXTSZINHERIT = 0x1000;
        /// Not for defragmentation.
        const NODEFRAG = 0x2000;
        /// Allocates by file streams.
        const FILESTREAM = 0x4000;
    }

    /// `di_flags2`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Flags2: u64 {
        /// Direct access to persistent memory.
        const DAX = 0x1;
        /// May share blocks.
        const REFLINK = 0x2;
        /// `di_cowextsize` is a hint for CoW staging.
        const COWEXTSIZE = 0x4;
        /// Timestamps of 64 bits.
        const BIGTIME = 0x8;
        /// Large extent counters.
        const NREXT64 = 0x10;
        /// Metadata file.
        const METADATA = 0x20;
    }
}

/// Formats of a fork, `di_format` and `di_aformat`.
pub mod fork_format {
    /// Device number.
    pub const DEV: u8 = 0;
    /// Contents in the inode.
    pub const LOCAL: u8 = 1;
    /// Extent list in the inode.
    pub const EXTENTS: u8 = 2;
    /// Root of a bmbt in the inode.
    pub const BTREE: u8 = 3;
    /// Root of a realtime btree in the inode.
    pub const META_BTREE: u8 = 5;
}

/// Type of a file, from its mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the POSIX file types")]
pub enum FileType {
    Regular,
    Directory,
    CharDevice,
    BlockDevice,
    Fifo,
    Socket,
    Symlink,
}

impl FileType {
    /// The type that `mode` names, if it names one.
    #[must_use]
    pub fn from_mode(mode: u16) -> Option<Self> {
        Some(match mode & S_IFMT {
            0o100_000 => Self::Regular,
            0o040_000 => Self::Directory,
            0o020_000 => Self::CharDevice,
            0o060_000 => Self::BlockDevice,
            0o010_000 => Self::Fifo,
            0o140_000 => Self::Socket,
            0o120_000 => Self::Symlink,
            _ => return None,
        })
    }

    /// The mode bits of the type.
    #[must_use]
    pub const fn mode_bits(self) -> u16 {
        match self {
            Self::Regular => 0o100_000,
            Self::Directory => 0o040_000,
            Self::CharDevice => 0o020_000,
            Self::BlockDevice => 0o060_000,
            Self::Fifo => 0o010_000,
            Self::Socket => 0o140_000,
            Self::Symlink => 0o120_000,
        }
    }

    /// The type byte of a directory entry.
    #[must_use]
    pub const fn dir_code(self) -> u8 {
        match self {
            Self::Regular => 1,
            Self::Directory => 2,
            Self::CharDevice => 3,
            Self::BlockDevice => 4,
            Self::Fifo => 5,
            Self::Socket => 6,
            Self::Symlink => 7,
        }
    }

    /// The type that a directory entry's type byte names.
    #[must_use]
    pub const fn from_dir_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::Regular,
            2 => Self::Directory,
            3 => Self::CharDevice,
            4 => Self::BlockDevice,
            5 => Self::Fifo,
            6 => Self::Socket,
            7 => Self::Symlink,
            _ => return None,
        })
    }
}

impl Dinode {
    /// `di_flags`, unknown bits kept.
    #[must_use]
    pub fn flags(&self) -> Flags {
        Flags::from_bits_retain(self.flags.get())
    }

    /// `di_flags2`, unknown bits kept.
    #[must_use]
    pub fn flags2(&self) -> Flags2 {
        Flags2::from_bits_retain(self.flags2.get())
    }

    /// Whether the timestamps have 64 bits.
    #[must_use]
    pub fn is_bigtime(&self) -> bool {
        self.flags2().contains(Flags2::BIGTIME)
    }

    /// Number of extents of the data fork.
    #[must_use]
    pub fn data_nextents(&self) -> u64 {
        if self.flags2().contains(Flags2::NREXT64) {
            self.big_nextents.get()
        } else {
            self.nextents.get().into()
        }
    }

    /// Number of extents of the attribute fork.
    #[must_use]
    pub fn attr_nextents(&self) -> u64 {
        if self.flags2().contains(Flags2::NREXT64) {
            self.nextents.get().into()
        } else {
            self.anextents.get().into()
        }
    }

    /// Stores the number of extents of the data fork (which must fit its field).
    pub fn set_data_nextents(&mut self, count: u64) {
        if self.flags2().contains(Flags2::NREXT64) {
            self.big_nextents.set(count);
        } else {
            self.nextents.set(count as u32);
        }
    }

    /// Stores the number of extents of the attribute fork (which must fit its field).
    pub fn set_attr_nextents(&mut self, count: u64) {
        if self.flags2().contains(Flags2::NREXT64) {
            self.nextents.set(count as u32);
        } else {
            self.anextents.set(count as u16);
        }
    }

    /// Most extents that the data fork's counter can hold.
    #[must_use]
    pub fn max_data_nextents(&self) -> u64 {
        if self.flags2().contains(Flags2::NREXT64) { (1 << 48) - 1 } else { (1 << 31) - 1 }
    }

    /// Most extents that the attribute fork's counter can hold.
    #[must_use]
    pub fn max_attr_nextents(&self) -> u64 {
        if self.flags2().contains(Flags2::NREXT64) { u32::MAX.into() } else { (1 << 15) - 1 }
    }

    /// Decodes one of the timestamps.
    #[must_use]
    pub fn time(&self, raw: U64) -> Timestamp {
        Timestamp::decode(raw.get(), self.is_bigtime())
    }

    /// Encodes a timestamp as this inode stores it.
    #[must_use]
    pub fn encode_time(&self, time: Timestamp) -> U64 {
        U64::new(time.encode(self.is_bigtime()))
    }

    /// Notes that attributes of the inode changed at `now`.
    pub fn note_change(&mut self, now: Timestamp) {
        self.ctime = self.encode_time(now);
        self.changecount.set(self.changecount.get().wrapping_add(1));
    }

    /// Notes that its contents changed at `now`.
    pub fn note_contents_changed(&mut self, now: Timestamp) {
        self.mtime = self.encode_time(now);
        self.note_change(now);
    }

    /// Project id.
    #[must_use]
    pub fn projid(&self) -> u32 {
        (u32::from(self.projid_hi.get()) << 16) | u32::from(self.projid_lo.get())
    }
}
