//! Room in a data block: taken for entries, given back, and the three longest unused regions that its header names.
//!
//! The header is kept as Linux keeps it. Which of several regions of one length it names decides where the next entry
//! goes, and with that, in the end, how many blocks a directory takes.
//!
//! Source: "Block Directories", "Leaf Directories".

use alloc::vec::Vec;
use core::mem::offset_of;
use core::ops::Range;

use zerocopy::big_endian::U16;

use crate::error::Problem;
use crate::format::dir::DATA_HEADER_BYTES;
use crate::format::dir::data::{
    BEST_FREE, BestFree, DataHeader, best_free, entry_at, entry_bytes, header, set_best_free, unused_at,
    write_entry, write_unused,
};
use crate::format::header::be_u16;
use crate::units::Ino;

/// A data block that changes, and which bytes of it did.
pub(super) struct DataBlock<'a> {
    bytes: &'a mut [u8],
    /// Byte behind the area for entries.
    end: usize,
    touched: Vec<Range<usize>>,
}

impl<'a> DataBlock<'a> {
    /// A block whose area for entries ends at byte `end`.
    pub(super) fn new(bytes: &'a mut [u8], end: usize) -> Self {
        Self { bytes, end, touched: Vec::new() }
    }

    /// The bytes that changed.
    pub(super) fn into_touched(self) -> Vec<Range<usize>> {
        self.touched
    }

    /// Makes all of it one unused region.
    pub(super) fn initialise(&mut self) {
        let len = self.end - DATA_HEADER_BYTES;
        self.put_unused(DATA_HEADER_BYTES, len);
        self.set_bests([region(DATA_HEADER_BYTES, len), BestFree::default(), BestFree::default()]);
    }

    /// The longest unused regions by the header, longest first.
    pub(super) fn bests(&self) -> [BestFree; BEST_FREE] {
        header(self.bytes).map_or_else(Default::default, |header| header.bestfree)
    }

    /// Length of the longest unused region.
    pub(super) fn longest(&self) -> usize {
        self.bests()[0].length.get().into()
    }

    /// Puts an entry at the front of the longest unused region. Returns where it is.
    pub(super) fn add(&mut self, name: &[u8], ino: Ino, ftype: u8) -> Result<usize, Problem> {
        let at = usize::from(self.bests()[0].offset.get());
        self.add_at(at, at, name, ino, ftype)?;
        Ok(at)
    }

    /// Puts an entry at byte `at` of the unused region that begins at byte `start`.
    pub(super) fn add_at(
        &mut self,
        start: usize,
        at: usize,
        name: &[u8],
        ino: Ino,
        ftype: u8,
    ) -> Result<(), Problem> {
        let (bests, must_scan) = self.take(start, at, entry_bytes(name.len()))?;
        let len = write_entry(self.bytes, at, ino, name, ftype);
        self.touched.push(at..at + len);
        self.finish(bests, must_scan)
    }

    /// Makes the area for entries end `len` bytes earlier; the last of it must be unused.
    pub(super) fn give_up_end(&mut self, len: usize) -> Result<(), Problem> {
        let at = self.end.checked_sub(len).ok_or(Problem::Rule("index of a block is too large"))?;
        let last =
            self.unused_before(self.end).ok_or(Problem::Rule("no room before the index of a block"))?;
        let (bests, must_scan) = self.take(last, at, len)?;
        self.end = at;
        self.finish(bests, must_scan)
    }

    /// Makes the entry at byte `at` unused.
    pub(super) fn remove(&mut self, at: usize) -> Result<(), Problem> {
        let len = entry_bytes(entry_at(self.bytes, at, self.end)?.name.len());
        self.give(at, len)
    }

    /// Takes `len` bytes from byte `at` on out of the unused region that begins at byte `start`. Returns what the header
    /// will name, and whether that has to be found by looking at all of the block once the bytes are in use.
    fn take(
        &mut self,
        start: usize,
        at: usize,
        len: usize,
    ) -> Result<([BestFree; BEST_FREE], bool), Problem> {
        let end = start + unused_at(self.bytes, start, self.end)?;
        if at < start || at + len > end {
            return Err(Problem::Bounds { field: "length of unused region", found: (end - start) as u64 });
        }
        let front = (at > start).then(|| region(start, at - start));
        let back = (at + len < end).then(|| region(at + len, end - at - len));
        for part in [front, back].into_iter().flatten() {
            self.put_unused(part.offset.get().into(), part.length.get().into());
        }
        let mut bests = self.bests();
        let Some(slot) = slot_of(&bests, start) else { return Ok((bests, false)) };
        // Of regions that are not among the three nothing is known without looking.
        let may_be_more = bests[BEST_FREE - 1].length.get() != 0;
        let must_scan = match (front, back) {
            (Some(rest), None) | (None, Some(rest)) => {
                forget(&mut bests, slot);
                enter(&mut bests, rest) == Some(BEST_FREE - 1)
            }
            _ => {
                forget(&mut bests, slot);
                for part in [front, back].into_iter().flatten() {
                    enter(&mut bests, part);
                }
                may_be_more
            }
        };
        Ok((bests, must_scan))
    }

    /// Makes `len` bytes from byte `at` on unused, and one with the unused regions beside them.
    pub(super) fn give(&mut self, at: usize, len: usize) -> Result<(), Problem> {
        let before = self.unused_before(at);
        let after = unused_at(self.bytes, at + len, self.end).ok().map(|_| at + len);
        let start = before.unwrap_or(at);
        let after_len = after.map_or(Ok(0), |after| unused_at(self.bytes, after, self.end))?;
        let total = at + len + after_len - start;
        self.put_unused(start, total);
        let (new, mut bests) = (region(start, total), self.bests());
        let least = usize::from(bests[BEST_FREE - 1].length.get());
        let must_scan = match (before, after) {
            (Some(before), Some(after)) if least == 0 => {
                for old in [before, after] {
                    if let Some(slot) = slot_of(&bests, old) {
                        forget(&mut bests, slot);
                    }
                }
                enter(&mut bests, new);
                false
            }
            (Some(_), Some(_)) => true,
            (Some(old), None) | (None, Some(old)) => match slot_of(&bests, old) {
                Some(slot) => {
                    forget(&mut bests, slot);
                    enter(&mut bests, new);
                    false
                }
                None => total > least,
            },
            (None, None) => {
                enter(&mut bests, new);
                false
            }
        };
        self.finish(bests, must_scan)
    }

    /// Where the unused region begins that ends at byte `at`.
    pub(super) fn unused_before(&self, at: usize) -> Option<usize> {
        let start = usize::from(be_u16(self.bytes, at.checked_sub(2)?));
        let len = unused_at(self.bytes, start, self.end).ok()?;
        (start + len == at).then_some(start)
    }

    fn finish(&mut self, bests: [BestFree; BEST_FREE], must_scan: bool) -> Result<(), Problem> {
        let bests = if must_scan { best_free(self.bytes, self.end)? } else { bests };
        self.set_bests(bests);
        Ok(())
    }

    fn set_bests(&mut self, bests: [BestFree; BEST_FREE]) {
        const AT: usize = offset_of!(DataHeader, bestfree);
        if self.bests() != bests {
            set_best_free(self.bytes, bests);
            self.touched.push(AT..AT + size_of_val(&bests));
        }
    }

    fn put_unused(&mut self, at: usize, len: usize) {
        write_unused(self.bytes, at, len);
        self.touched.extend([at..at + 4, at + len - 2..at + len]);
    }
}

fn region(at: usize, len: usize) -> BestFree {
    BestFree { offset: U16::new(at as u16), length: U16::new(len as u16) }
}

fn slot_of(bests: &[BestFree], at: usize) -> Option<usize> {
    bests.iter().position(|best| usize::from(best.offset.get()) == at)
}

fn forget(bests: &mut [BestFree; BEST_FREE], slot: usize) {
    bests.copy_within(slot + 1.., slot);
    bests[BEST_FREE - 1] = BestFree::default();
}

/// Enters a region behind those that are as long; returns where, if it is among the longest.
fn enter(bests: &mut [BestFree; BEST_FREE], new: BestFree) -> Option<usize> {
    let slot = bests.iter().position(|best| best.length.get() < new.length.get())?;
    bests.copy_within(slot..BEST_FREE - 1, slot + 1);
    bests[slot] = new;
    Some(slot)
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::format::dir::data::{Tile, tiles};

    /// Entries come and go at random; the header names longest regions all along.
    #[test]
    fn the_header_always_names_the_longest_regions() {
        let mut bytes = vec![0; 1024];
        let end = bytes.len();
        DataBlock::new(&mut bytes, end).initialise();
        let mut entries = Vec::new();
        let mut seed = 1_u32;
        for round in 0..3000_u32 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let mut block = DataBlock::new(&mut bytes, end);
            let name = &b"abcdefghijklmnopqrstuvwxyz0123456789"[..1 + (seed >> 24) as usize % 35];
            if seed >> 16 & 1 == 0 && block.longest() >= entry_bytes(name.len()) {
                entries.push(block.add(name, Ino(99), 1).expect("has room"));
            } else if !entries.is_empty() {
                block.remove(entries.swap_remove((seed >> 8) as usize % entries.len())).expect("is there");
            }
            let lens = |bests: [BestFree; BEST_FREE]| bests.map(|best| best.length.get());
            let (stored, scanned) = (block.bests(), best_free(&bytes, end).expect("tiles"));
            assert_eq!(lens(stored), lens(scanned), "round {round}");
            for best in stored.iter().filter(|best| best.length.get() > 0) {
                let len = unused_at(&bytes, best.offset.get().into(), end).expect("unused");
                assert_eq!(len, usize::from(best.length.get()));
            }
            let count = tiles(&bytes, end).filter(|tile| matches!(tile, Ok(Tile::Entry(_)))).count();
            assert_eq!(count, entries.len());
        }
    }
}
