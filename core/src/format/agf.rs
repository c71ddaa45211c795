//! The AG free space header (AGF): sector 1 of every AG.
//!
//! Source: "AG Free Space Management", "AG Free Space Block".

use zerocopy::big_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// `agf_magicnum`, "XAGF".
pub const MAGIC: u32 = 0x5841_4746;

/// The AGF as it stands on disk; the rest of its sector is zero.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
#[expect(missing_docs, reason = "fields carry the kernel's names and meanings")]
pub struct Agf {
    pub magicnum: U32,
    pub versionnum: U32,
    pub seqno: U32,
    /// Fsblocks in this AG.
    pub length: U32,
    #[doc(alias = "agf_bno_root")]
    pub bno_root: U32,
    pub cnt_root: U32,
    pub rmap_root: U32,
    pub bno_level: U32,
    pub cnt_level: U32,
    pub rmap_level: U32,
    /// First used slot of the AGFL.
    pub flfirst: U32,
    /// Last used slot of the AGFL.
    pub fllast: U32,
    /// Used slots of the AGFL.
    pub flcount: U32,
    /// Sum of the bnobt's records, fsblocks.
    pub freeblks: U32,
    /// Longest of the bnobt's records, fsblocks.
    pub longest: U32,
    /// Blocks of bnobt, cntbt and rmapbt beyond their first roots.
    pub btreeblks: U32,
    pub uuid: [u8; 16],
    /// Blocks of the rmapbt, root included.
    pub rmap_blocks: U32,
    /// Blocks of the refcountbt, root included.
    pub refcount_blocks: U32,
    #[doc(alias = "agf_refcount_root")]
    pub refcount_root: U32,
    pub refcount_level: U32,
    pub spare64: [u8; 112],
    pub lsn: U64,
    pub crc: [u8; 4],
    pub spare2: U32,
}

const _: () = assert!(size_of::<Agf>() == 224);
const _: () = assert!(core::mem::offset_of!(Agf, crc) == 216);
