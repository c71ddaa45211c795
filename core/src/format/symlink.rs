//! Blocks of a symlink target that does not fit its inode.
//!
//! Source: "Symbolic Links", "Extent Symbolic Links".

use zerocopy::big_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Longest target that is accepted from disk, in bytes. Linux makes them one byte shorter at most.
pub const MAX_TARGET_BYTES: u64 = 1024;

/// Header of each piece of a target; one piece per mapping, however many blocks that has.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
#[expect(missing_docs, reason = "fields carry the kernel's names and meanings")]
pub struct SymlinkHeader {
    pub magic: U32,
    /// Byte of the target that the piece starts with.
    pub offset: U32,
    /// Bytes in the piece.
    pub bytes: U32,
    pub crc: [u8; 4],
    pub uuid: [u8; 16],
    pub owner: U64,
    pub blkno: U64,
    pub lsn: U64,
}

/// Bytes before the target's.
pub const SYMLINK_HEADER_BYTES: usize = size_of::<SymlinkHeader>();

const _: () = assert!(SYMLINK_HEADER_BYTES == 56);
