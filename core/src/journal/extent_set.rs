//! A set of AG blocks kept as disjoint extents.

use core::ops::Range;

use alloc::vec::Vec;

use crate::intervals::Intervals;
use crate::units::{AgBlock, AgNumber};

/// Extents of AG blocks; neighbours are merged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExtentSet {
    /// AG number above AG block.
    blocks: Intervals,
}

fn key(ag: AgNumber, start: AgBlock, len_fsblocks: u32) -> Range<u64> {
    let start = (u64::from(ag.0) << 32) | u64::from(start.0);
    start..start + u64::from(len_fsblocks)
}

fn extent(range: &Range<u64>) -> (AgNumber, AgBlock, u32) {
    (AgNumber((range.start >> 32) as u32), AgBlock(range.start as u32), (range.end - range.start) as u32)
}

impl ExtentSet {
    /// Whether the set holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Number of blocks in the set.
    #[must_use]
    pub fn count_fsblocks(&self) -> u64 {
        self.blocks.count()
    }

    /// Removes everything.
    pub fn clear(&mut self) {
        self.blocks.clear();
    }

    /// Every extent: AG, first block, length in fsblocks.
    pub fn iter(&self) -> impl Iterator<Item = (AgNumber, AgBlock, u32)> {
        self.blocks.iter().map(|range| extent(&range))
    }

    /// Adds an extent, which may overlap what is there.
    pub fn insert(&mut self, ag: AgNumber, start: AgBlock, len_fsblocks: u32) {
        self.blocks.insert(key(ag, start, len_fsblocks));
    }

    /// Removes an extent, of which any part may be missing.
    pub fn remove(&mut self, ag: AgNumber, start: AgBlock, len_fsblocks: u32) {
        self.blocks.remove(key(ag, start, len_fsblocks));
    }

    /// The first part of an extent that is in the set: first block and length.
    #[must_use]
    pub fn first_within(&self, ag: AgNumber, start: AgBlock, len_fsblocks: u32) -> Option<(AgBlock, u32)> {
        let within = key(ag, start, len_fsblocks);
        let found = self.blocks.iter_from(within.start).next()?;
        let part = found.start.max(within.start)..found.end.min(within.end);
        (!part.is_empty()).then(|| (extent(&part).1, extent(&part).2))
    }

    /// The parts of an extent that are not in the set: first block and length of each.
    #[must_use]
    pub fn gaps(&self, ag: AgNumber, start: AgBlock, len_fsblocks: u32) -> Vec<(AgBlock, u32)> {
        let gaps = self.blocks.gaps(key(ag, start, len_fsblocks));
        gaps.iter().map(|gap| (extent(gap).1, extent(gap).2)).collect()
    }
}
