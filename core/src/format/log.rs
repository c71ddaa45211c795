//! Records of the log: their header, and the headers of the operations in them.
//!
//! Source: "Journaling Log", "Log Records", "Log Operations".

use zerocopy::big_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// `h_magicno`; no cycle has this number.
pub const RECORD_MAGIC: u32 = 0xfeed_babe;

/// Bytes of payload that one header block keeps the first words of.
pub const HEADER_COVERS_BYTES: u32 = 32768;

/// Most bytes that a record can have, headers included.
pub const MAX_RECORD_BYTES: u32 = 256 << 10;

/// Bytes of a record header that its checksum covers, on writers with 64-bit alignment.
pub const HEADER_CRC_BYTES: usize = 328;

/// The same on writers built for 32-bit x86.
pub const HEADER_CRC_BYTES_X86: usize = 324;

/// Bytes of each further header block that the checksum covers.
pub const EXTENDED_HEADER_CRC_BYTES: usize = 260;

/// Header of a record; fills its basic block with zeros.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
#[expect(missing_docs, reason = "fields carry the kernel's names and meanings")]
pub struct RecordHeader {
    pub magicno: U32,
    pub cycle: U32,
    pub version: U32,
    /// Bytes of payload, padding included, headers not.
    pub len: U32,
    pub lsn: U64,
    pub tail_lsn: U64,
    /// Little-endian; 0 for none.
    pub crc: [u8; 4],
    /// Basic block of the record before.
    pub prev_block: U32,
    pub num_logops: U32,
    /// First words of the basic blocks of the payload, which carry the cycle instead.
    pub cycle_data: [U32; 64],
    pub fmt: U32,
    pub fs_uuid: [u8; 16],
    /// Bytes that a record of this writer can have at most.
    pub size: U32,
}

const _: () = assert!(size_of::<RecordHeader>() == 324);
const _: () = assert!(core::mem::offset_of!(RecordHeader, crc) == 32);
const _: () = assert!(core::mem::offset_of!(RecordHeader, fs_uuid) == 304);

impl RecordHeader {
    /// Basic blocks of header that come before the payload.
    #[must_use]
    pub fn header_bb(&self) -> u32 {
        self.size.get().div_ceil(HEADER_COVERS_BYTES).max(1)
    }

    /// Basic blocks of payload.
    #[must_use]
    pub fn payload_bb(&self) -> u32 {
        self.len.get().div_ceil(512)
    }
}

/// Header of an operation.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
#[expect(missing_docs, reason = "fields carry the kernel's names and meanings")]
pub struct OpHeader {
    pub tid: U32,
    /// Bytes behind this header.
    pub len: U32,
    pub clientid: u8,
    pub flags: u8,
    pub res2: [u8; 2],
}

const _: () = assert!(size_of::<OpHeader>() == 12);
