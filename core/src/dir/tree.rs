//! The tree of hashes over the leaves of a directory in node form: ways through it, and its growth.
//!
//! The root stays where it is. When it splits, what it held moves to a new block. An entry of a node holds the greatest
//! hash below it; blocks of one level are linked in both directions. Splits are those of Linux: halves, and the new
//! block is always the right one.
//!
//! Source: "Node Directories".

use alloc::vec::Vec;
use core::mem::offset_of;

use super::blocks::{Dir, copy_contents, kinds};
use super::leaf_block::{self, Failure};
use super::leaf_form::{BEST_BYTES, COUNT_BYTES};
use crate::error::{Error, Problem, Result};
use crate::format::BlockKind;
use crate::format::da::{BlockInfo, MAX_LEVELS, NODE_HEADER_BYTES, Node, NodeEntry, NodeHeader};
use crate::format::dir::leaf::LeafEntry;
use crate::format::header::{be_u16, be_u32, put};
use crate::journal::{Locator, Transaction};
use crate::units::FileBlock;

pub(super) const FORW_AT: usize = offset_of!(BlockInfo, forw);
pub(super) const BACK_AT: usize = offset_of!(BlockInfo, back);
const COUNT_AT: usize = offset_of!(NodeHeader, count);
const LEVEL_AT: usize = offset_of!(NodeHeader, level);

/// Most entries of a node of `len` bytes.
pub(super) const fn max_node_entries(len: usize) -> usize {
    (len - NODE_HEADER_BYTES) / NodeEntry::BYTES
}

const fn node_entry_at(index: usize) -> usize {
    NODE_HEADER_BYTES + index * NodeEntry::BYTES
}

/// A block on the way from the root to a leaf.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) block: FileBlock,
    /// The entry that the way goes on through; in a leaf, the place that it leads to.
    pub(super) index: usize,
}

/// A way from the root to a leaf, or, while blocks are joined, to the end of a level above.
pub(super) type Way = Vec<Step>;

/// Ways.
impl Dir {
    /// The way to the first leaf that can hold `hash`, or else the last leaf, and the first entry there whose hash is
    /// not less.
    pub(super) fn descend(&self, tx: &mut Transaction<'_>, hash: u32) -> Result<Way> {
        let mut way = Way::with_capacity(4);
        self.go_down(tx, &mut way, self.root_at(), None, |node| node.lower_bound(hash).min(node.len() - 1))?;
        let last = way.len() - 1;
        let locator = self.locate(tx, way[last].block, kinds::LEAFN)?;
        way[last].index = self.leaf(tx, way[last].block, &locator)?.entries.lower_bound(hash);
        Ok(way)
    }

    /// Extends a way from `block` down to a leaf, or to `depth` blocks.
    fn go_down(
        &self,
        tx: &mut Transaction<'_>,
        way: &mut Way,
        block: FileBlock,
        depth: Option<usize>,
        choose: impl Fn(&Node<'_>) -> usize,
    ) -> Result<()> {
        let mut above = match way.last() {
            Some(step) => Some(self.level(tx, step.block)?),
            None => None,
        };
        let mut block = block;
        loop {
            let locator = self.locate_in_tree(tx, block)?;
            let found = tx.block(&locator)?;
            let fail = |problem| self.damaged(found.kind, block, problem);
            let node = match found.kind {
                BlockKind::DaNode => Some(Node::new(&found.bytes).map_err(fail)?),
                _ => None,
            };
            let level = node.as_ref().map_or(0, |node| node.header.level.get());
            if above.is_some_and(|above| level + 1 != above) {
                return Err(fail(Problem::Bounds { field: "level", found: level.into() }));
            }
            let Some(node) = node.filter(|_| depth.is_none_or(|depth| way.len() + 1 < depth)) else {
                way.push(Step { block, index: 0 });
                return Ok(());
            };
            let index = choose(&node);
            way.push(Step { block, index });
            block = FileBlock(node.entry(index).before.into());
            above = Some(level);
        }
    }

    /// The way of the same length that ends in the next block of the same level; `None` at the end of the level.
    pub(super) fn shift(&self, tx: &mut Transaction<'_>, way: &[Step], forward: bool) -> Result<Option<Way>> {
        for depth in (0..way.len() - 1).rev() {
            let Step { block, index } = way[depth];
            let locator = self.locate(tx, block, kinds::NODE)?;
            let node = self.node(tx, block, &locator)?;
            let next = if forward { Some(index + 1) } else { index.checked_sub(1) };
            let Some(next) = next.filter(|&next| next < node.len()) else { continue };
            let child = FileBlock(node.entry(next).before.into());
            let mut shifted = way[..depth].to_vec();
            shifted.push(Step { block, index: next });
            let edge = |node: &Node<'_>| if forward { 0 } else { node.len() - 1 };
            self.go_down(tx, &mut shifted, child, Some(way.len()), edge)?;
            let is_other = shifted[shifted.len() - 1].block != way[way.len() - 1].block;
            if shifted.len() != way.len() || !is_other {
                return Err(self.damaged(BlockKind::DaNode, block, Problem::Rule("blocks at two levels")));
            }
            return Ok(Some(shifted));
        }
        Ok(None)
    }

    fn locate_in_tree(&self, tx: &mut Transaction<'_>, at: FileBlock) -> Result<Locator> {
        if (self.root_at()..self.geometry().dir_free_start()).contains(&at) {
            return self.locate(tx, at, kinds::TREE);
        }
        let problem = Problem::Bounds { field: "pointer to a block of the tree", found: at.0 };
        Err(self.damaged(BlockKind::DaNode, at, problem))
    }

    pub(super) fn node<'t>(
        &self,
        tx: &'t mut Transaction<'_>,
        block: FileBlock,
        at: &Locator,
    ) -> Result<Node<'t>> {
        Node::new(tx.read(at)?).map_err(|problem| self.damaged(BlockKind::DaNode, block, problem))
    }

    /// Level of a block; leaves have 0.
    fn level(&self, tx: &mut Transaction<'_>, block: FileBlock) -> Result<u16> {
        let locator = self.locate_in_tree(tx, block)?;
        let found = tx.block(&locator)?;
        Ok(if found.kind == BlockKind::DaNode { be_u16(&found.bytes, LEVEL_AT) } else { 0 })
    }

    /// The greatest hash of a block of the tree; `None` in an empty one.
    pub(super) fn last_hash(&self, tx: &mut Transaction<'_>, block: FileBlock) -> Result<Option<u32>> {
        let locator = self.locate_in_tree(tx, block)?;
        if tx.block(&locator)?.kind == BlockKind::DaNode {
            let bytes = tx.read(&locator)?;
            let last = usize::from(be_u16(bytes, COUNT_AT)).checked_sub(1);
            return Ok(last.map(|last| be_u32(bytes, node_entry_at(last))));
        }
        let leaf = self.leaf(tx, block, &locator)?;
        Ok(leaf.entries.len().checked_sub(1).map(|last| leaf.entries.get(last).hash))
    }

    /// Carries the greatest hash of the block at the end of a way up, as far as that changes anything.
    pub(super) fn fix_hashes(&mut self, tx: &mut Transaction<'_>, way: &[Step]) -> Result<()> {
        for depth in (1..way.len()).rev() {
            let Some(hash) = self.last_hash(tx, way[depth].block)? else { return Ok(()) };
            let Step { block, index } = way[depth - 1];
            let locator = self.writable(tx, block, kinds::NODE)?;
            let node = self.node(tx, block, &locator)?;
            if index >= node.len() {
                return Err(self.damaged(BlockKind::DaNode, block, Problem::Rule("a node lost an entry")));
            }
            if node.entry(index).hash == hash {
                return Ok(());
            }
            let at = node_entry_at(index);
            put(tx.modify(&locator, at..at + 4)?, at, &hash.to_be_bytes());
        }
        Ok(())
    }

    pub(super) fn link(
        &self,
        tx: &mut Transaction<'_>,
        block: FileBlock,
        field_at: usize,
    ) -> Result<FileBlock> {
        let locator = self.locate_in_tree(tx, block)?;
        Ok(FileBlock(be_u32(tx.read(&locator)?, field_at).into()))
    }

    pub(super) fn set_link(
        &mut self,
        tx: &mut Transaction<'_>,
        block: FileBlock,
        field_at: usize,
        to: FileBlock,
    ) -> Result<()> {
        self.locate_in_tree(tx, block)?;
        let locator = self.writable(tx, block, kinds::TREE)?;
        put(tx.modify(&locator, field_at..field_at + 4)?, field_at, &(to.0 as u32).to_be_bytes());
        Ok(())
    }

    /// A new block on the right of another one.
    fn add_behind(
        &mut self,
        tx: &mut Transaction<'_>,
        left: FileBlock,
        kinds: &'static [BlockKind],
    ) -> Result<(FileBlock, Locator)> {
        let new = self.unused_in_tree(tx)?;
        let locator = self.grow(tx, new, kinds)?;
        let right = self.link(tx, left, FORW_AT)?;
        self.set_link(tx, new, FORW_AT, right)?;
        self.set_link(tx, new, BACK_AT, left)?;
        self.set_link(tx, left, FORW_AT, new)?;
        if right.0 != 0 {
            self.set_link(tx, right, BACK_AT, new)?;
        }
        Ok((new, locator))
    }
}

/// Growth.
impl Dir {
    /// Puts an entry into the full leaf at the end of a way, which is split.
    pub(super) fn split_leaf(
        &mut self,
        tx: &mut Transaction<'_>,
        way: &mut Way,
        entry: LeafEntry,
    ) -> Result<()> {
        let Step { block, index } = way[way.len() - 1];
        let left = self.writable(tx, block, kinds::LEAFN)?;
        let entries = self.leaf(tx, block, &left)?.entries;
        let kept = entries.len() / 2;
        let moved: Vec<_> = (kept..entries.len()).map(|at| entries.get(at)).collect();
        let (new, right) = self.add_behind(tx, block, kinds::LEAFN)?;
        leaf_block::set_counts(tx, &right, moved.len(), 0)?;
        leaf_block::put_entries(tx, &right, 0, moved.into_iter())?;
        leaf_block::set_counts(tx, &left, kept, 0)?;
        let (into, locator, index) =
            if index <= kept { (block, &left, index) } else { (new, &right, index - kept) };
        self.insert_in_leaf(tx, into, locator, index, entry)?;
        self.add_child(tx, way, new)
    }

    pub(super) fn insert_in_leaf(
        &self,
        tx: &mut Transaction<'_>,
        block: FileBlock,
        leaf: &Locator,
        index: usize,
        entry: LeafEntry,
    ) -> Result<()> {
        let view = self.leaf(tx, block, leaf)?;
        let table =
            if leaf.kinds == kinds::LEAF1 { COUNT_BYTES + view.bests_count() * BEST_BYTES } else { 0 };
        let end = self.block_bytes() - table;
        leaf_block::insert(tx, leaf, index, entry, end).map_err(|failure| match failure {
            Failure::Problem(problem) => self.damaged(leaf.kinds[0], block, problem),
            Failure::Error(error) => error,
        })
    }

    /// Enters `new`, a new block on the right of the one at the end of a way, into the nodes above.
    fn add_child(&mut self, tx: &mut Transaction<'_>, way: &mut Way, new: FileBlock) -> Result<()> {
        let mut new = new;
        loop {
            if way.len() == 1 {
                return self.split_root(tx, new);
            }
            self.fix_hashes(tx, way)?;
            way.pop();
            let Step { block, index } = way[way.len() - 1];
            let hash = self.last_hash(tx, new)?.unwrap_or(0);
            let entry = NodeEntry { hash, before: new.0 as u32 };
            let locator = self.writable(tx, block, kinds::NODE)?;
            let count = self.node(tx, block, &locator)?.len();
            if count < max_node_entries(self.block_bytes()) {
                insert_in_node(tx, &locator, index + 1, entry)?;
                return self.fix_hashes(tx, way);
            }
            let (right_block, right) = self.split_node(tx, block, &locator)?;
            let kept = count - count / 2;
            if index < kept {
                insert_in_node(tx, &locator, index + 1, entry)?;
            } else {
                insert_in_node(tx, &right, index - kept + 1, entry)?;
            }
            new = right_block;
        }
    }

    /// Moves the second half of a node to a new one on its right.
    fn split_node(
        &mut self,
        tx: &mut Transaction<'_>,
        block: FileBlock,
        left: &Locator,
    ) -> Result<(FileBlock, Locator)> {
        let node = self.node(tx, block, left)?;
        let (count, level) = (node.len(), node.header.level.get());
        let kept = count - count / 2;
        let moved: Vec<_> = node.entries().skip(kept).collect();
        let (new, right) = self.add_behind(tx, block, kinds::NODE)?;
        put_node(tx, &right, level, &moved)?;
        set_node_count(tx, left, kept)?;
        Ok((new, right))
    }

    /// Puts a level on top: what the root held moves to a new block, whose right neighbour is `right`.
    fn split_root(&mut self, tx: &mut Transaction<'_>, right: FileBlock) -> Result<()> {
        let root = self.root_at();
        let level = self.level(tx, root)? + 1;
        if level > MAX_LEVELS {
            return Err(Error::NoSpace);
        }
        let old = self.writable(tx, root, kinds::TREE)?;
        let block = tx.block(&old)?;
        let (kind, bytes) = (block.kind, block.bytes.clone());
        let left = self.unused_in_tree(tx)?;
        let kinds = if kind == BlockKind::DaNode { kinds::NODE } else { kinds::LEAFN };
        let locator = self.grow(tx, left, kinds)?;
        copy_contents(kind, &bytes, tx.modify(&locator, 0..bytes.len())?);
        self.set_link(tx, right, BACK_AT, left)?;
        let mut entries = Vec::with_capacity(2);
        for child in [left, right] {
            let hash = self.last_hash(tx, child)?.unwrap_or(0);
            entries.push(NodeEntry { hash, before: child.0 as u32 });
        }
        let new_root = Locator { kinds: kinds::NODE, ..old };
        tx.create(&new_root);
        put_node(tx, &new_root, level, &entries)
    }
}

fn set_node_count(tx: &mut Transaction<'_>, node: &Locator, count: usize) -> Result<()> {
    put(tx.modify(node, COUNT_AT..COUNT_AT + 2)?, COUNT_AT, &(count as u16).to_be_bytes());
    Ok(())
}

/// Writes level and entries of a node, all of them.
fn put_node(tx: &mut Transaction<'_>, node: &Locator, level: u16, entries: &[NodeEntry]) -> Result<()> {
    set_node_count(tx, node, entries.len())?;
    put(tx.modify(node, LEVEL_AT..LEVEL_AT + 2)?, LEVEL_AT, &level.to_be_bytes());
    put_node_entries(tx, node, 0, entries)
}

/// Writes entries of a node from `index` on.
pub(super) fn put_node_entries(
    tx: &mut Transaction<'_>,
    node: &Locator,
    index: usize,
    entries: &[NodeEntry],
) -> Result<()> {
    let bytes = tx.modify(node, node_entry_at(index)..node_entry_at(index + entries.len()))?;
    for (offset, entry) in entries.iter().enumerate() {
        entry.encode(&mut bytes[node_entry_at(index + offset)..]);
    }
    Ok(())
}

/// Puts an entry before the one at `index` of a node that has room.
fn insert_in_node(tx: &mut Transaction<'_>, node: &Locator, index: usize, entry: NodeEntry) -> Result<()> {
    let count = usize::from(be_u16(tx.read(node)?, COUNT_AT));
    let bytes = tx.modify(node, node_entry_at(index)..node_entry_at(count + 1))?;
    bytes.copy_within(node_entry_at(index)..node_entry_at(count), node_entry_at(index + 1));
    entry.encode(&mut bytes[node_entry_at(index)..]);
    set_node_count(tx, node, count + 1)
}

/// Removes the entry at `index` of a node; returns how many are left, which may be none.
pub(super) fn remove_from_node(tx: &mut Transaction<'_>, node: &Locator, index: usize) -> Result<usize> {
    let count = usize::from(be_u16(tx.read(node)?, COUNT_AT));
    let bytes = tx.modify(node, node_entry_at(index)..node_entry_at(count))?;
    bytes.copy_within(node_entry_at(index + 1)..node_entry_at(count), node_entry_at(index));
    set_node_count(tx, node, count - 1)?;
    Ok(count - 1)
}

/// Puts the entries of one node before or behind those of another one of its level.
pub(super) fn join_nodes(
    tx: &mut Transaction<'_>,
    node: &Locator,
    entries: &[NodeEntry],
    in_front: bool,
) -> Result<()> {
    let count = usize::from(be_u16(tx.read(node)?, COUNT_AT));
    if in_front {
        let bytes = tx.modify(node, node_entry_at(0)..node_entry_at(count + entries.len()))?;
        bytes.copy_within(node_entry_at(0)..node_entry_at(count), node_entry_at(entries.len()));
    }
    put_node_entries(tx, node, if in_front { 0 } else { count }, entries)?;
    set_node_count(tx, node, count + entries.len())
}
