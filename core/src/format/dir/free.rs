//! The free index of a directory in node form: the longest unused region of each data block.
//!
//! Source: "Node Directories".

use zerocopy::big_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::error::Problem;
use crate::format::header::be_u16;

/// Header of a free index block.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
#[expect(missing_docs, reason = "fields carry the kernel's names and meanings")]
pub struct FreeHeader {
    pub magic: U32,
    pub crc: [u8; 4],
    pub blkno: U64,
    pub lsn: U64,
    pub uuid: [u8; 16],
    pub owner: U64,
    /// Data block that the first slot speaks of.
    pub firstdb: U32,
    /// Slots in use.
    pub nvalid: U32,
    /// Slots that speak of a data block that exists.
    pub nused: U32,
    pub pad: U32,
}

/// Bytes before the slots.
pub const FREE_HEADER_BYTES: usize = size_of::<FreeHeader>();

const _: () = assert!(FREE_HEADER_BYTES == 64);

/// Slots in a free index block of `len` bytes.
#[must_use]
pub const fn slots(len: usize) -> usize {
    (len - FREE_HEADER_BYTES) / 2
}

/// A free index block, its counts checked against its size.
#[derive(Debug, Clone, Copy)]
pub struct Free<'a> {
    /// The header.
    pub header: &'a FreeHeader,
    bests: &'a [u8],
}

impl<'a> Free<'a> {
    /// Looks at a block whose self-describing part was verified.
    ///
    /// # Errors
    /// Counts that cannot be.
    pub fn new(block: &'a [u8]) -> Result<Self, Problem> {
        let (header, rest) =
            FreeHeader::ref_from_prefix(block).map_err(|_| Problem::Rule("shorter than its header"))?;
        let (nvalid, nused) = (header.nvalid.get(), header.nused.get());
        if nvalid as usize > rest.len() / 2 {
            return Err(Problem::Bounds { field: "nvalid", found: nvalid.into() });
        }
        if nused > nvalid {
            return Err(Problem::Bounds { field: "nused", found: nused.into() });
        }
        Ok(Self { header, bests: &rest[..nvalid as usize * 2] })
    }

    /// The slots in use, in order: bytes, or [`NO_DATA_BLOCK`](super::leaf::NO_DATA_BLOCK).
    pub fn bests(&self) -> impl DoubleEndedIterator<Item = u16> + ExactSizeIterator + use<'a> {
        self.bests.chunks_exact(2).map(|slot| be_u16(slot, 0))
    }

    /// One slot, if it is in use.
    #[must_use]
    pub fn best(&self, slot: usize) -> Option<u16> {
        (slot < self.bests.len() / 2).then(|| be_u16(self.bests, slot * 2))
    }
}
