//! The bytes of a chunk, as far as they are known.

use std::ops::Range;

/// The unit in which a chunk is known, in bytes.
pub(super) const SECTOR_BYTES: usize = 512;

/// Bytes, and which sectors of them are known.
#[derive(Debug, Clone)]
pub(super) struct Content {
    bytes: Vec<u8>,
    /// A bit for each sector that is known; `None` when all are.
    valid: Option<Vec<u64>>,
}

impl Content {
    /// A chunk of which nothing is known.
    pub(super) fn unknown(len: usize) -> Self {
        Self { bytes: vec![0; len], valid: Some(vec![0; len.div_ceil(SECTOR_BYTES).div_ceil(64)]) }
    }

    /// A chunk of zeros.
    pub(super) fn zeros(len: usize) -> Self {
        Self { bytes: vec![0; len], valid: None }
    }

    /// A chunk of those bytes.
    pub(super) fn known(bytes: Vec<u8>) -> Self {
        Self { bytes, valid: None }
    }

    /// All bytes; where they are not known, zeros.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn is_whole(&self) -> bool {
        self.valid.is_none()
    }

    /// Whether all bytes of a range are known.
    pub(super) fn is_valid(&self, range: Range<usize>) -> bool {
        let Some(valid) = &self.valid else { return true };
        sectors(range).all(|sector| is_set(valid, sector))
    }

    /// Changes bytes. Those in sectors that are covered in part must be known.
    pub(super) fn write(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
        let Some(valid) = &mut self.valid else { return };
        sectors(at..at + bytes.len()).for_each(|sector| valid[sector / 64] |= 1 << (sector % 64));
        let count = self.bytes.len().div_ceil(SECTOR_BYTES);
        if valid.iter().map(|word| word.count_ones() as usize).sum::<usize>() == count {
            self.valid = None;
        }
    }

    /// Takes what is not known from `below`; where that ends before, it is zeros.
    pub(super) fn fill(&mut self, below: &[u8]) {
        let Some(valid) = self.valid.take() else { return };
        for (sector, bytes) in self.bytes.chunks_mut(SECTOR_BYTES).enumerate() {
            if is_set(&valid, sector) {
                continue;
            }
            let there = below.get(sector * SECTOR_BYTES..).unwrap_or_default();
            let count = there.len().min(bytes.len());
            bytes[..count].copy_from_slice(&there[..count]);
        }
    }
}

fn sectors(range: Range<usize>) -> Range<usize> {
    range.start / SECTOR_BYTES..range.end.div_ceil(SECTOR_BYTES)
}

fn is_set(words: &[u64], sector: usize) -> bool {
    words[sector / 64] >> (sector % 64) & 1 != 0
}
