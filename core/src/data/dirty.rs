//! File data in memory that waits for writeback.

use alloc::vec::Vec;

use crate::units::FileBlock;
use crate::units::map::Ordered;

/// Longest run of data kept in one piece, in bytes. Writeback writes a run at once.
const RUN_BYTES: usize = 1 << 20;

/// Dirty blocks of one file as runs of whole fsblocks.
#[derive(Debug, Default)]
pub struct Dirty {
    runs: Ordered<FileBlock, Vec<u8>>,
    bytes: usize,
}

impl Dirty {
    /// Bytes of data in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The data from `block` to the end of its run; `None` when the block is clean.
    #[must_use]
    pub fn at(&self, block: FileBlock, blocksize: usize) -> Option<&[u8]> {
        let (start, run) = self.runs.at_or_before(block)?;
        run.get(bytes_of(block.since(start), blocksize)..).filter(|rest| !rest.is_empty())
    }

    /// The first dirty block at or behind `block`.
    #[must_use]
    pub fn next(&self, block: FileBlock, blocksize: usize) -> Option<FileBlock> {
        if self.at(block, blocksize).is_some() {
            return Some(block);
        }
        self.runs.at_or_after(block).map(|(start, _)| start)
    }

    /// Every run, ascending: first block and data.
    pub fn runs(&self) -> impl Iterator<Item = (FileBlock, &[u8])> {
        self.runs.iter().map(|(start, run)| (start, run.as_slice()))
    }

    /// Copies `data` into memory at byte `skip` of `block`. Blocks that were clean must be covered whole.
    pub fn store(&mut self, mut block: FileBlock, mut skip: usize, mut data: &[u8], blocksize: usize) {
        while !data.is_empty() {
            let room = self.run_for(block, skip, data.len(), blocksize);
            let len = room.len().min(data.len());
            room[..len].copy_from_slice(&data[..len]);
            block = block.plus(((skip + len) / blocksize) as u64);
            skip = (skip + len) % blocksize;
            data = &data[len..];
        }
    }

    /// Space for data at byte `skip` of `block`: inside the run that holds it, or in room made for it.
    fn run_for(&mut self, block: FileBlock, skip: usize, want: usize, blocksize: usize) -> &mut [u8] {
        let blocks = (skip + want).div_ceil(blocksize);
        let until_next = match self.runs.at_or_after(block) {
            Some((next, _)) if next > block => usize::try_from(next.since(block)).unwrap_or(usize::MAX),
            _ => usize::MAX,
        };
        let before = self.runs.at_or_before(block).map(|(start, run)| (start, run.len()));
        if let Some((start, len)) = before {
            let offset = bytes_of(block.since(start), blocksize);
            let dirty = offset < len;
            let appends = offset == len && len < RUN_BYTES;
            if dirty || appends {
                let run = self.runs.get_mut(start).expect("found above");
                if appends {
                    let room = (RUN_BYTES - len).max(blocksize);
                    let grow = (blocks.min(until_next) * blocksize).min(room / blocksize * blocksize);
                    // A run that has grown a little will probably fill up.
                    if run.capacity() < len + grow && len + grow > RUN_BYTES / 8 {
                        run.reserve_exact(RUN_BYTES.saturating_sub(len).max(grow));
                    }
                    run.resize(len + grow, 0);
                    self.bytes += grow;
                }
                return &mut run[offset + skip..];
            }
        }
        let len = (blocks.min(until_next) * blocksize).min(RUN_BYTES.max(blocksize));
        self.bytes += len;
        let run = self.runs.get_or_insert_with(block, Vec::new);
        run.resize(len, 0);
        &mut run[skip..]
    }

    /// Forgets the blocks `from..to`.
    pub fn forget(&mut self, from: FileBlock, to: FileBlock, blocksize: usize) {
        let mut first = self.runs.at_or_before(from).map_or(from, |(start, _)| start);
        while let Some((start, _)) = self.runs.at_or_after(first).filter(|&(start, _)| start < to) {
            let mut run = self.runs.remove(start).expect("found above");
            first = start.plus(1);
            let end = start.plus((run.len() / blocksize) as u64);
            self.bytes -= run.len();
            if end > to {
                let tail = run.split_off(bytes_of(to.max(start).since(start), blocksize));
                self.bytes += tail.len();
                self.runs.insert(to.max(start), tail);
            }
            if start < from {
                run.truncate(bytes_of(from.since(start), blocksize));
                self.bytes += run.len();
                self.runs.insert(start, run);
            }
        }
    }
}

/// Bytes of `blocks` fsblocks. More than can be addressed, on hosts where that is little, is behind the end of any run.
fn bytes_of(blocks: u64, blocksize: usize) -> usize {
    usize::try_from(blocks).unwrap_or(usize::MAX).saturating_mul(blocksize)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BS: usize = 4;

    #[test]
    fn agrees_with_a_plain_array() {
        let mut seed = 3_u64;
        let mut random = move |bound: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed % bound as u64) as usize
        };
        let mut dirty = Dirty::default();
        let mut model: Vec<Option<u8>> = alloc::vec![None; 100 * BS];
        for round in 0..4000 {
            let block = random(90);
            let blocks = 1 + random(9);
            let (start, end) = (block * BS, (block + blocks) * BS);
            if random(3) > 0 {
                // Blocks that are clean must be covered whole; the first may be partial when it is dirty.
                let skip = if model[start].is_some() { random(BS) } else { 0 };
                let data = alloc::vec![round as u8; end - start - skip];
                dirty.store(FileBlock(block as u64), skip, &data, BS);
                model[start + skip..end].fill(Some(round as u8));
            } else {
                dirty.forget(FileBlock(block as u64), FileBlock((block + blocks) as u64), BS);
                model[start..end].fill(None);
            }
            for block in 0..100 {
                let expected = &model[block * BS..(block + 1) * BS];
                match dirty.at(FileBlock(block as u64), BS) {
                    Some(data) => assert!(data[..BS].iter().map(|&b| Some(b)).eq(expected.iter().copied())),
                    None => assert!(expected.iter().all(Option::is_none)),
                }
            }
            assert_eq!(dirty.bytes(), model.iter().flatten().count());
        }
    }

    #[test]
    fn blocks_that_lie_gigabytes_apart_are_told_apart() {
        let (blocksize, apart) = (4096, 1 << 20);
        let mut dirty = Dirty::default();
        dirty.store(FileBlock(0), 0, &[1; 4096], blocksize);
        for far in [apart, 2 * apart, 16 * apart] {
            assert_eq!(dirty.at(FileBlock(far), blocksize), None);
            dirty.store(FileBlock(far), 0, &[2; 4096], blocksize);
            assert_eq!(dirty.at(FileBlock(0), blocksize), Some(&[1; 4096][..]));
            assert_eq!(dirty.at(FileBlock(far), blocksize), Some(&[2; 4096][..]));
            dirty.forget(FileBlock(far), FileBlock(u64::MAX), blocksize);
            assert_eq!((dirty.bytes(), dirty.runs().count()), (4096, 1));
        }
    }
}
