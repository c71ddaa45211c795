//! The tree of hashes over the leaves of a directory in node form: its shrinking.
//!
//! A block that is less than half full is joined with a neighbour when both fill at most three quarters of one. The one
//! that stands earlier in the file stays, so that a directory gets shorter over time. Linux does the same, and like it
//! leaves a leaf alone in which all entries are stale until a neighbour takes it in.
//!
//! Source: "Node Directories".

use super::blocks::{Dir, kinds};
use super::leaf_block;
use super::tree::{BACK_AT, FORW_AT, Step, Way, join_nodes, max_node_entries, remove_from_node};
use crate::error::{Problem, Result};
use crate::format::BlockKind;
use crate::format::dir::leaf::{LEAF_HEADER_BYTES, LeafEntry};
use crate::journal::Transaction;
use crate::units::FileBlock;

/// A block to take out of the tree, and the neighbour that stays.
struct Pair {
    drop: Way,
    keep: Way,
    /// The block that goes stands before the one that stays.
    in_front: bool,
}

impl Pair {
    fn blocks(&self) -> (FileBlock, FileBlock) {
        (self.drop[self.drop.len() - 1].block, self.keep[self.keep.len() - 1].block)
    }
}

impl Dir {
    /// Joins the leaf at the end of a way with a neighbour if it should be, and then the nodes above.
    pub(super) fn join(&mut self, tx: &mut Transaction<'_>, way: Way) -> Result<()> {
        let Some(pair) = self.leaf_pair(tx, way)? else { return Ok(()) };
        self.join_leaves(tx, &pair)?;
        let mut way = self.drop_block(tx, pair)?;
        loop {
            let Step { block, index } = way[way.len() - 1];
            let locator = self.writable(tx, block, kinds::NODE)?;
            let count = self.node(tx, block, &locator)?.len();
            if index >= count {
                return Err(self.damaged(BlockKind::DaNode, block, Problem::Rule("a node lost an entry")));
            }
            remove_from_node(tx, &locator, index)?;
            self.fix_hashes(tx, &way)?;
            if way.len() == 1 {
                return self.take_root_down(tx);
            }
            let Some(pair) = self.node_pair(tx, way, count - 1)? else { return Ok(()) };
            if count > 1 {
                let (drop, keep) = pair.blocks();
                let from = self.locate(tx, drop, kinds::NODE)?;
                let entries: alloc::vec::Vec<_> = self.node(tx, drop, &from)?.entries().collect();
                let into = self.writable(tx, keep, kinds::NODE)?;
                join_nodes(tx, &into, &entries, pair.in_front)?;
            }
            way = self.drop_block(tx, pair)?;
        }
    }

    /// Takes a block that is in the tree no more out of its level and out of the directory. Returns the way to the
    /// node above, whose entry for it is left.
    fn drop_block(&mut self, tx: &mut Transaction<'_>, pair: Pair) -> Result<Way> {
        let (block, _) = pair.blocks();
        self.fix_hashes(tx, &pair.keep)?;
        let (left, right) = (self.link(tx, block, BACK_AT)?, self.link(tx, block, FORW_AT)?);
        if left.0 != 0 {
            self.set_link(tx, left, FORW_AT, right)?;
        }
        if right.0 != 0 {
            self.set_link(tx, right, BACK_AT, left)?;
        }
        self.shrink_tree(tx, block)?;
        let mut way = pair.drop;
        way.pop();
        Ok(way)
    }

    /// Takes a block of the tree out of the fork; that there would be room for this was seen to.
    fn shrink_tree(&mut self, tx: &mut Transaction<'_>, block: FileBlock) -> Result<()> {
        if self.shrink(tx, block)? { Ok(()) } else { Err(crate::Error::NoSpace) }
    }

    fn leaf_pair(&mut self, tx: &mut Transaction<'_>, way: Way) -> Result<Option<Pair>> {
        let block = way[way.len() - 1].block;
        let live = self.live_entries(tx, block)?;
        let len = self.block_bytes();
        if live == 0 || LEAF_HEADER_BYTES + live * LeafEntry::BYTES > len / 2 {
            return Ok(None);
        }
        let most = (len - len / 4) / LeafEntry::BYTES;
        self.pair(tx, way, |dir, tx, other| Ok(live + dir.live_entries(tx, other)? <= most))
    }

    fn live_entries(&self, tx: &mut Transaction<'_>, block: FileBlock) -> Result<usize> {
        let locator = self.locate(tx, block, kinds::LEAFN)?;
        let header = self.leaf(tx, block, &locator)?.header;
        Ok(usize::from(header.count.get() - header.stale.get()))
    }

    /// `count` is how many entries the node has, perhaps none.
    fn node_pair(&mut self, tx: &mut Transaction<'_>, way: Way, count: usize) -> Result<Option<Pair>> {
        let most = max_node_entries(self.block_bytes());
        if count > most / 2 {
            return Ok(None);
        }
        if count == 0 {
            let block = way[way.len() - 1].block;
            let forward = self.link(tx, block, FORW_AT)?.0 != 0;
            let Some(keep) = self.shift(tx, &way, forward)? else {
                return Err(self.damaged(BlockKind::DaNode, block, Problem::Rule("node without neighbours")));
            };
            return Ok(Some(Pair { drop: way, keep, in_front: forward }));
        }
        self.pair(tx, way, |dir, tx, other| {
            let locator = dir.locate(tx, other, kinds::NODE)?;
            Ok(dir.node(tx, other, &locator)?.len() + count <= most - most / 4)
        })
    }

    /// A block and the neighbour that it should be joined with, if there is one that has the room: the one that stands
    /// earlier in the file is asked first.
    fn pair(
        &self,
        tx: &mut Transaction<'_>,
        way: Way,
        has_room: impl Fn(&Self, &mut Transaction<'_>, FileBlock) -> Result<bool>,
    ) -> Result<Option<Pair>> {
        let block = way[way.len() - 1].block;
        let (back, forw) = (self.link(tx, block, BACK_AT)?, self.link(tx, block, FORW_AT)?);
        let forward_first = forw < back;
        for forward in [forward_first, !forward_first] {
            let other = if forward { forw } else { back };
            if other.0 == 0 || !has_room(self, tx, other)? {
                continue;
            }
            let Some(beside) = self.shift(tx, &way, forward)? else { return Ok(None) };
            if beside[beside.len() - 1].block != other {
                let problem = Problem::Rule("links do not follow the order of the tree");
                return Err(self.damaged(BlockKind::DaNode, block, problem));
            }
            let pair = if other < block {
                Pair { drop: way, keep: beside, in_front: forward }
            } else {
                Pair { drop: beside, keep: way, in_front: !forward }
            };
            return Ok(self.can_shrink(tx, pair.blocks().0)?.then_some(pair));
        }
        Ok(None)
    }

    fn join_leaves(&mut self, tx: &mut Transaction<'_>, pair: &Pair) -> Result<()> {
        let (drop, keep) = pair.blocks();
        let from = self.locate(tx, drop, kinds::LEAFN)?;
        let all = self.leaf(tx, drop, &from)?.entries.iter();
        let live: alloc::vec::Vec<_> = all.filter(|entry| !entry.is_stale()).collect();
        let into = self.writable(tx, keep, kinds::LEAFN)?;
        let kept = leaf_block::compact(tx, &into)?;
        let count = kept + live.len();
        if count > leaf_block::max_entries(self.block_bytes()) {
            return Err(self.damaged(
                BlockKind::DirLeafN,
                keep,
                Problem::Rule("leaves count too few entries"),
            ));
        }
        if pair.in_front {
            let (to, end) = (leaf_block::entry_at(live.len()), leaf_block::entry_at(count));
            let bytes = tx.modify(&into, leaf_block::entry_at(0)..end)?;
            bytes.copy_within(leaf_block::entry_at(0)..leaf_block::entry_at(kept), to);
        }
        leaf_block::put_entries(tx, &into, if pair.in_front { 0 } else { kept }, live.into_iter())?;
        leaf_block::set_counts(tx, &into, count, 0)
    }

    /// Takes a level off the top when the root has one child only.
    fn take_root_down(&mut self, tx: &mut Transaction<'_>) -> Result<()> {
        let root = self.root_at();
        let locator = self.writable(tx, root, kinds::NODE)?;
        let node = self.node(tx, root, &locator)?;
        if node.len() > 1 {
            return Ok(());
        }
        let child = FileBlock(node.entry(0).before.into());
        let from = self.locate(tx, child, kinds::TREE)?;
        if !self.can_shrink(tx, child)? {
            return Ok(());
        }
        let block = tx.block(&from)?;
        let (kind, bytes) = (block.kind, block.bytes.clone());
        let kinds = if kind == BlockKind::DaNode { kinds::NODE } else { kinds::LEAFN };
        let new = crate::journal::Locator { kinds, ..locator };
        super::blocks::copy_contents(kind, &bytes, tx.create(&new));
        self.shrink_tree(tx, child)
    }
}
