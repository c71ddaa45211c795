//! The superblock: one per AG, of which only the first is kept up to date.
//!
//! Source: "Superblocks".

use zerocopy::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// `sb_magicnum`, "XFSB".
pub const MAGIC: u32 = 0x5846_5342;

/// Offset of `sb_crc`.
pub const CRC_AT: usize = 224;

/// The superblock as it stands on disk; the rest of its sector is zero.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
#[expect(missing_docs, reason = "fields carry the kernel's names and meanings")]
pub struct RawSuperblock {
    pub magicnum: U32,
    /// Bytes in a fsblock.
    pub blocksize: U32,
    /// Size of the data device in fsblocks.
    pub dblocks: U64,
    pub rblocks: U64,
    pub rextents: U64,
    pub uuid: [u8; 16],
    /// Packed fsblock of the internal log; 0 when the log is external.
    pub logstart: U64,
    pub rootino: U64,
    pub rbmino: U64,
    pub rsumino: U64,
    pub rextsize: U32,
    /// Fsblocks in every AG but the last.
    pub agblocks: U32,
    pub agcount: U32,
    pub rbmblocks: U32,
    /// Length of the log in fsblocks.
    pub logblocks: U32,
    pub versionnum: U16,
    pub sectsize: U16,
    pub inodesize: U16,
    pub inopblock: U16,
    pub fname: [u8; 12],
    pub blocklog: u8,
    pub sectlog: u8,
    pub inodelog: u8,
    pub inopblog: u8,
    pub agblklog: u8,
    pub rextslog: u8,
    pub inprogress: u8,
    pub imax_pct: u8,
    pub icount: U64,
    pub ifree: U64,
    pub fdblocks: U64,
    pub frextents: U64,
    pub uquotino: U64,
    pub gquotino: U64,
    pub qflags: U16,
    pub flags: u8,
    pub shared_vn: u8,
    /// Alignment of inode chunks, fsblocks.
    pub inoalignmt: U32,
    /// Stripe unit, fsblocks.
    pub unit: U32,
    /// Stripe width, fsblocks.
    pub width: U32,
    pub dirblklog: u8,
    pub logsectlog: u8,
    pub logsectsize: U16,
    /// Log stripe unit in bytes; 1 for none.
    pub logsunit: U32,
    pub features2: U32,
    pub bad_features2: U32,
    pub features_compat: U32,
    pub features_ro_compat: U32,
    pub features_incompat: U32,
    pub features_log_incompat: U32,
    /// Little-endian, unlike everything around it.
    pub crc: [u8; 4],
    /// Alignment of sparse inode pieces, fsblocks.
    pub spino_align: U32,
    pub pquotino: U64,
    pub lsn: U64,
    pub meta_uuid: [u8; 16],
    pub metadirino: U64,
    pub rgcount: U32,
    pub rgextents: U32,
    pub rgblklog: u8,
    pub pad: [u8; 7],
}

const _: () = assert!(size_of::<RawSuperblock>() == 288);
const _: () = assert!(core::mem::offset_of!(RawSuperblock, crc) == CRC_AT);
const _: () = assert!(core::mem::offset_of!(RawSuperblock, icount) == 128);
const _: () = assert!(core::mem::offset_of!(RawSuperblock, meta_uuid) == 248);
