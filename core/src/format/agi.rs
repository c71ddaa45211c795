//! The AG inode header (AGI): sector 2 of every AG.
//!
//! Source: "AG Inode Management", "Inode B+tree".

use zerocopy::big_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// `agi_magicnum`, "XAGI".
pub const MAGIC: u32 = 0x5841_4749;

/// Buckets of the unlinked lists.
pub const UNLINKED_BUCKETS: usize = 64;

/// The AGI as it stands on disk; the rest of its sector is zero.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
#[expect(missing_docs, reason = "fields carry the kernel's names and meanings")]
pub struct Agi {
    pub magicnum: U32,
    pub versionnum: U32,
    pub seqno: U32,
    /// Fsblocks in this AG.
    pub length: U32,
    /// Inodes that exist in this AG.
    pub count: U32,
    pub root: U32,
    pub level: U32,
    /// Free inodes among them.
    pub freecount: U32,
    /// First inode of the chunk made last.
    pub newino: U32,
    pub dirino: U32,
    pub unlinked: [U32; UNLINKED_BUCKETS],
    pub uuid: [u8; 16],
    pub crc: [u8; 4],
    pub pad32: U32,
    pub lsn: U64,
    pub free_root: U32,
    pub free_level: U32,
    /// Blocks of the inobt, root included.
    pub iblocks: U32,
    /// Blocks of the finobt, root included.
    pub fblocks: U32,
}

const _: () = assert!(size_of::<Agi>() == 344);
const _: () = assert!(core::mem::offset_of!(Agi, crc) == 312);
const _: () = assert!(core::mem::offset_of!(Agi, lsn) == 320);
