//! Blocks of directories and attribute forks, and the tree of hashes over their leaves.
//!
//! Directories and attributes share this tree. It is descended by hash; leaves are chained by rising hash.
//!
//! Source: "Directories", "Node Directories"; "Extended Attributes", "Node Attributes".

use alloc::vec::Vec;

use crate::cache::Piece;
use crate::error::{Error, Place, Problem, Result};
use crate::format::BlockKind;
use crate::format::da::Node;
use crate::geometry::Geometry;
use crate::inode::Inode;
use crate::inode::fork::{Fork, extents_from};
use crate::journal::{Locator, Transaction};
use crate::units::FileBlock;

/// Where a tree lives in a fork.
#[derive(Debug, Clone, Copy)]
pub struct Space {
    /// The fork.
    pub fork: Fork,
    /// Fsblocks in each block.
    pub len_fsblocks: u32,
    /// The root; all blocks lie at it or behind it.
    pub root: FileBlock,
    /// Behind the last block.
    pub end: FileBlock,
    /// Kinds that its blocks can have: interior nodes and leaves.
    pub kinds: &'static [BlockKind],
}

impl Space {
    /// Leaves and nodes of a directory.
    #[must_use]
    pub fn dir(geometry: &Geometry) -> Self {
        Self {
            fork: Fork::Data,
            len_fsblocks: geometry.dir_fsblocks(),
            root: geometry.dir_leaf_start(),
            end: geometry.dir_free_start(),
            kinds: &[BlockKind::DaNode, BlockKind::DirLeafN, BlockKind::DirLeaf1],
        }
    }

    /// Leaves and nodes of an attribute fork.
    #[must_use]
    pub fn attr() -> Self {
        Self {
            fork: Fork::Attr,
            len_fsblocks: 1,
            root: FileBlock(0),
            end: FileBlock(1 << 32),
            kinds: &[BlockKind::DaNode, BlockKind::AttrLeaf],
        }
    }

    fn locate(&self, tx: &mut Transaction<'_>, inode: &Inode, at: FileBlock) -> Result<Locator> {
        let inside = (self.root..self.end).contains(&at) && at.0.is_multiple_of(self.len_fsblocks.into());
        if !inside {
            let problem = Problem::Bounds { field: "pointer to a block of the tree", found: at.0 };
            return Err(damaged(self.kinds[0], inode, at, problem));
        }
        match locate(tx, inode, self.fork, at, self.len_fsblocks, self.kinds)? {
            Some(locator) => Ok(locator),
            None => Err(damaged(self.kinds[0], inode, at, Problem::Rule("block of the tree lies in a hole"))),
        }
    }

    /// The leaf that `hash` belongs into: the first one that can hold it, or else the last one.
    ///
    /// # Errors
    /// [`Error::Corrupt`]; those of the device.
    pub fn leaf_for(&self, tx: &mut Transaction<'_>, inode: &Inode, hash: u32) -> Result<LeafAt> {
        let mut block = self.root;
        let mut above: Option<u16> = None;
        loop {
            let locator = self.locate(tx, inode, block)?;
            let found = tx.block(&locator)?;
            let fail = |problem| Err(damaged(found.kind, inode, block, problem));
            if found.kind != BlockKind::DaNode {
                return match above {
                    None | Some(1) => Ok(LeafAt { block, locator }),
                    Some(_) => fail(Problem::Rule("leaf where a node should be")),
                };
            }
            let node = match Node::new(&found.bytes) {
                Ok(node) => node,
                Err(problem) => return fail(problem),
            };
            let level = node.header.level.get();
            if above.is_some_and(|above| level + 1 != above) {
                return fail(Problem::Bounds { field: "level", found: level.into() });
            }
            above = Some(level);
            let index = node.lower_bound(hash).min(node.len() - 1);
            block = FileBlock(node.entry(index).before.into());
        }
    }

    /// The leaf behind `leaf`, whose right sibling is `forw`; `None` at the end of the chain.
    ///
    /// # Errors
    /// [`Error::Corrupt`]; those of the device.
    pub fn next_leaf(
        &self,
        tx: &mut Transaction<'_>,
        inode: &Inode,
        chain: &mut Chain,
        forw: u32,
    ) -> Result<Option<LeafAt>> {
        if forw == 0 {
            return Ok(None);
        }
        let block = FileBlock(forw.into());
        if chain.has_loop(block) {
            return Err(damaged(
                self.kinds[1],
                inode,
                block,
                Problem::Rule("leaves are chained in a circle"),
            ));
        }
        let locator = self.locate(tx, inode, block)?;
        Ok(Some(LeafAt { block, locator }))
    }
}

/// A leaf, found.
#[derive(Debug, Clone)]
pub struct LeafAt {
    /// Its file block.
    pub block: FileBlock,
    /// Where it lies.
    pub locator: Locator,
}

/// Notices when a chain of blocks comes back to where it was, in constant memory: every block is compared with the
/// one met at the last power of two.
#[derive(Debug, Default)]
pub struct Chain {
    anchor: Option<FileBlock>,
    steps: u64,
}

impl Chain {
    /// Takes one more step of the chain, to `block`.
    pub fn has_loop(&mut self, block: FileBlock) -> bool {
        if self.anchor == Some(block) {
            return true;
        }
        self.steps += 1;
        if self.steps.is_power_of_two() {
            self.anchor = Some(block);
        }
        false
    }
}

/// Where the block of `len_fsblocks` fsblocks at file block `at` lies; `None` when it lies in a hole.
///
/// # Errors
/// [`Error::Corrupt`] when it lies in a hole in part; those of the device.
pub fn locate(
    tx: &mut Transaction<'_>,
    inode: &Inode,
    fork: Fork,
    at: FileBlock,
    len_fsblocks: u32,
    kinds: &'static [BlockKind],
) -> Result<Option<Locator>> {
    let end = at.plus(len_fsblocks.into());
    let mut pieces: Vec<Piece> = Vec::new();
    let mut covered = at;
    while covered < end {
        let extents = extents_from(tx, inode, fork, covered..end)?;
        if extents.is_empty() && pieces.is_empty() {
            return Ok(None);
        }
        let geometry = tx.geometry();
        for part in extents.iter().filter_map(|extent| extent.within(at, end)) {
            // The first extent of a later batch begins where the last one of the batch before ended.
            if part.file_block != covered || part.unwritten {
                break;
            }
            covered = part.file_end();
            let (daddr, len_bytes) = (geometry.daddr(part.start), part.len << geometry.blocklog);
            match pieces.last_mut() {
                Some(last) if last.daddr.0 + u64::from(last.len_bytes >> 9) == daddr.0 => {
                    last.len_bytes += len_bytes;
                }
                _ => pieces.push(Piece { daddr, len_bytes }),
            }
        }
        if covered < end && extents.last().is_none_or(|last| last.file_end() != covered) {
            return Err(damaged(kinds[0], inode, covered, Problem::Rule("block lies in a hole in part")));
        }
    }
    let Some(first) = pieces.first() else { return Ok(None) };
    let len_bytes = len_fsblocks << tx.geometry().blocklog;
    let mut locator = Locator::new(kinds, first.daddr, len_bytes, Some(inode.ino.0));
    if pieces.len() > 1 {
        locator.pieces = pieces;
    }
    Ok(Some(locator))
}

/// Corruption of a block of a fork.
#[must_use]
pub(crate) fn damaged(kind: BlockKind, inode: &Inode, at: FileBlock, problem: Problem) -> Error {
    Error::corrupt(kind.name(), Place::file_block(inode.ino, at), problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_circle_is_noticed_and_no_line_is_taken_for_one() {
        let mut line = Chain::default();
        assert!((1..1000).all(|block| !line.has_loop(FileBlock(block))));
        for (tail, circle) in [(0, 1), (0, 2), (5, 3), (100, 7), (3, 64)] {
            let mut chain = Chain::default();
            let block = |step: u64| if step < tail { step } else { tail + (step - tail) % circle };
            let noticed = (0..).position(|step| chain.has_loop(FileBlock(block(step)))).expect("endless");
            assert!(noticed < 4 * (tail + circle) as usize, "tail {tail}, circle {circle}: {noticed}");
        }
    }
}
