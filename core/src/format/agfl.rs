//! The AG free list (AGFL): sector 3 of every AG, a ring of blocks kept ready for the free space btrees.
//!
//! Source: "AG Free Space Management", "AG Free List".

use zerocopy::big_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// `agfl_magicnum`, "XAFL".
pub const MAGIC: u32 = 0x5841_464c;

/// Header of the AGFL; slots of four bytes fill the rest of the sector.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
#[expect(missing_docs, reason = "fields carry the kernel's names and meanings")]
pub struct AgflHeader {
    pub magicnum: U32,
    pub seqno: U32,
    pub uuid: [u8; 16],
    pub lsn: U64,
    pub crc: [u8; 4],
}

const _: () = assert!(size_of::<AgflHeader>() == 36);

/// Byte offset of slot `slot` in the sector.
#[must_use]
pub const fn slot_at(slot: u32) -> usize {
    size_of::<AgflHeader>() + slot as usize * 4
}

/// Slots in an AGFL of one sector of `sectsize` bytes.
#[must_use]
pub const fn slots(sectsize: u32) -> u32 {
    (sectsize - size_of::<AgflHeader>() as u32) / 4
}
