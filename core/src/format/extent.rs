//! Extent records: 128 bits that map a run of file blocks to a run of fsblocks.
//!
//! Source: "Data Extents", "Extent List".

use crate::format::header::{be_u64, put};
use crate::units::{FileBlock, FsBlock};

/// One mapping of a fork, on disk 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// First file block.
    pub file_block: FileBlock,
    /// First fsblock; all of an extent lies in one AG.
    pub start: FsBlock,
    /// Length in fsblocks, `1..=MAX_EXTENT_FSBLOCKS`.
    pub len: u32,
    /// Allocated but never written: reads as zeros.
    pub unwritten: bool,
}

impl Extent {
    /// Bytes of the record.
    pub const BYTES: usize = 16;

    /// Reads the record at the start of `b`.
    #[must_use]
    #[inline]
    pub fn decode(b: &[u8]) -> Self {
        let (l0, l1) = (be_u64(b, 0), be_u64(b, 8));
        Self {
            file_block: FileBlock((l0 >> 9) & ((1 << 54) - 1)),
            start: FsBlock(((l0 & 0x1ff) << 43) | (l1 >> 21)),
            len: (l1 & 0x1f_ffff) as u32,
            unwritten: l0 >> 63 != 0,
        }
    }

    /// Writes the record to the start of `b`.
    #[inline]
    pub fn encode(&self, b: &mut [u8]) {
        let l0 = (u64::from(self.unwritten) << 63) | (self.file_block.0 << 9) | (self.start.0 >> 43);
        let l1 = (self.start.0 << 21) | u64::from(self.len);
        put(b, 0, &l0.to_be_bytes());
        put(b, 8, &l1.to_be_bytes());
    }

    /// File block behind the last one.
    #[must_use]
    pub fn file_end(&self) -> FileBlock {
        self.file_block.plus(u64::from(self.len))
    }

    /// The part from `skip` blocks on, at most `len` long. `skip` must be inside the extent.
    #[must_use]
    pub fn part(&self, skip: u32, len: u32) -> Self {
        Self {
            file_block: self.file_block.plus(u64::from(skip)),
            start: FsBlock(self.start.0 + u64::from(skip)),
            len: len.min(self.len - skip),
            unwritten: self.unwritten,
        }
    }

    /// The part inside `from..to`, if any.
    #[must_use]
    pub fn within(&self, from: FileBlock, to: FileBlock) -> Option<Self> {
        let start = self.file_block.max(from);
        let end = self.file_end().min(to);
        (start < end).then(|| self.part(start.since(self.file_block) as u32, end.since(start) as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extremes_round_trip() {
        let all = Extent {
            file_block: FileBlock((1 << 54) - 1),
            start: FsBlock((1 << 52) - 1),
            len: (1 << 21) - 1,
            unwritten: true,
        };
        let one = Extent { file_block: FileBlock(0), start: FsBlock(1), len: 1, unwritten: false };
        for extent in [all, one] {
            let mut bytes = [0; 16];
            extent.encode(&mut bytes);
            assert_eq!(Extent::decode(&bytes), extent);
        }
    }
}
