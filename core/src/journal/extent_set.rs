//! A set of AG blocks kept as disjoint extents.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::units::{AgBlock, AgNumber};

/// Extents of AG blocks; neighbours are merged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExtentSet {
    /// First block to end (exclusive), by AG.
    extents: BTreeMap<(AgNumber, u32), u32>,
}

impl ExtentSet {
    /// Whether the set holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.extents.is_empty()
    }

    /// Removes everything.
    pub fn clear(&mut self) {
        self.extents.clear();
    }

    /// Every extent: AG, first block, length in fsblocks.
    pub fn iter(&self) -> impl Iterator<Item = (AgNumber, AgBlock, u32)> {
        self.extents.iter().map(|(&(ag, start), &end)| (ag, AgBlock(start), end - start))
    }

    /// Adds an extent, which may overlap what is there.
    pub fn insert(&mut self, ag: AgNumber, start: AgBlock, len_fsblocks: u32) {
        let (mut from, mut to) = (start.0, start.0.saturating_add(len_fsblocks));
        if from == to {
            return;
        }
        while let Some((key, end)) = self.last_starting_by(ag, to) {
            if end < from {
                break;
            }
            self.extents.remove(&(ag, key));
            from = from.min(key);
            to = to.max(end);
        }
        self.extents.insert((ag, from), to);
    }

    /// Removes an extent, of which any part may be missing.
    pub fn remove(&mut self, ag: AgNumber, start: AgBlock, len_fsblocks: u32) {
        let (from, to) = (start.0, start.0.saturating_add(len_fsblocks));
        while to > from {
            let Some((key, end)) = self.last_starting_by(ag, to - 1) else { break };
            if end <= from {
                break;
            }
            self.extents.remove(&(ag, key));
            if end > to {
                self.extents.insert((ag, to), end);
            }
            if key < from {
                self.extents.insert((ag, key), from);
            }
        }
    }

    /// The first extent that overlaps `start..start + len`: its first block and its end.
    #[must_use]
    pub fn first_overlap(
        &self,
        ag: AgNumber,
        start: AgBlock,
        len_fsblocks: u32,
    ) -> Option<(AgBlock, AgBlock)> {
        let to = start.0.saturating_add(len_fsblocks);
        if let Some((key, end)) = self.last_starting_by(ag, start.0)
            && end > start.0
        {
            return Some((AgBlock(key), AgBlock(end)));
        }
        let mut later = self.extents.range((ag, start.0)..(ag, to));
        later.next().map(|(&(_, key), &end)| (AgBlock(key), AgBlock(end)))
    }

    /// The parts of an extent that are not in the set: first block and length of each.
    #[must_use]
    pub fn gaps(&self, ag: AgNumber, start: AgBlock, len_fsblocks: u32) -> Vec<(AgBlock, u32)> {
        let (mut at, to) = (start.0, start.0.saturating_add(len_fsblocks));
        let mut gaps = Vec::new();
        while at < to {
            let Some((from, end)) = self.first_overlap(ag, AgBlock(at), to - at) else {
                gaps.push((AgBlock(at), to - at));
                break;
            };
            if from.0 > at {
                gaps.push((AgBlock(at), from.0 - at));
            }
            at = end.0;
        }
        gaps
    }

    fn last_starting_by(&self, ag: AgNumber, block: u32) -> Option<(u32, u32)> {
        let mut before = self.extents.range((ag, 0)..=(ag, block));
        before.next_back().map(|(&(_, key), &end)| (key, end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AG: AgNumber = AgNumber(1);

    fn list(set: &ExtentSet) -> Vec<(u32, u32)> {
        set.iter().map(|(_, start, len)| (start.0, len)).collect()
    }

    #[test]
    fn neighbours_merge_and_removal_splits() {
        let mut set = ExtentSet::default();
        set.insert(AG, AgBlock(10), 5);
        set.insert(AG, AgBlock(20), 5);
        set.insert(AG, AgBlock(15), 5);
        set.insert(AgNumber(2), AgBlock(25), 5);
        assert_eq!(list(&set), [(10, 15), (25, 5)]);
        set.remove(AG, AgBlock(12), 2);
        assert_eq!(list(&set), [(10, 2), (14, 11), (25, 5)]);
        set.remove(AG, AgBlock(0), 100);
        assert_eq!(list(&set), [(25, 5)]);
    }

    #[test]
    fn gaps_are_what_is_left() {
        let mut set = ExtentSet::default();
        set.insert(AG, AgBlock(10), 5);
        set.insert(AG, AgBlock(20), 5);
        assert_eq!(set.gaps(AG, AgBlock(0), 30), [(AgBlock(0), 10), (AgBlock(15), 5), (AgBlock(25), 5)]);
        assert_eq!(set.gaps(AG, AgBlock(12), 10), [(AgBlock(15), 5)]);
        assert!(set.gaps(AG, AgBlock(11), 3).is_empty());
    }
}
