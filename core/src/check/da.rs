//! The hash trees of directories and attributes: nodes above leaves, by file block.
//!
//! Source: "Directories", "Node Directories"; "Extended Attributes", "Node Attributes".

use alloc::vec::Vec;

use super::context::Context;
use crate::error::{Place, Result};
use crate::format::BlockKind;
use crate::format::extent::Extent;
use crate::format::header::{be_u16, be_u32};
use crate::units::map::Hashed;
use crate::units::{FileBlock, Ino};

/// Levels of nodes above the leaves.
const MAX_LEVEL: u16 = 5;
const COUNT_AT: usize = 56;
const LEVEL_AT: usize = 58;
const ENTRIES_AT: usize = 64;

/// Blocks of a fork by file block.
pub(super) struct FileMap<'e> {
    pub(super) ino: Ino,
    /// Valid extents, by file block.
    pub(super) extents: &'e [Extent],
}

impl FileMap<'_> {
    /// Reads `count` fsblocks from `block` on. Returns them with the byte offset of the first, or `None` if one of
    /// them is missing.
    pub(super) fn read(
        &self,
        cx: &mut Context<'_>,
        block: FileBlock,
        count: u32,
    ) -> Result<Option<(u64, Vec<u8>)>> {
        let mut bytes = Vec::new();
        let mut first = None;
        let end = block.plus(count.into());
        let mut at = block;
        while at < end {
            let index = self.extents.partition_point(|extent| extent.file_end() <= at);
            let Some(piece) = self.extents.get(index).and_then(|extent| extent.within(at, end)) else {
                return Ok(None);
            };
            if piece.file_block != at {
                return Ok(None);
            }
            let offset = cx.geometry.byte(piece.start);
            let len = (piece.len as usize) << cx.geometry.blocklog;
            bytes.extend(cx.read(offset, len)?);
            first.get_or_insert(offset);
            at = piece.file_end();
        }
        Ok(first.map(|first| (first, bytes)))
    }

    /// Reads a block of `count` fsblocks and verifies that it is of one of `kinds`. What is wrong is reported.
    pub(super) fn block(
        &self,
        cx: &mut Context<'_>,
        kinds: &[BlockKind],
        block: FileBlock,
        count: u32,
    ) -> Result<Option<(BlockKind, Vec<u8>)>> {
        let place = Place::file_block(self.ino, block);
        let Some((offset, bytes)) = self.read(cx, block, count)? else {
            cx.report.rule(kinds[0].name(), place, "the block is not mapped");
            return Ok(None);
        };
        let kind = cx.verify(kinds, &bytes, offset, self.ino.0, place)?;
        Ok(kind.map(|kind| (kind, bytes)))
    }
}

/// What is done with each leaf; returns its greatest hash.
pub(super) type OnLeaf<'l> = dyn FnMut(&mut Context<'_>, Place, &[u8]) -> Result<Option<u32>> + 'l;

/// A walk over one tree.
struct DaWalk<'w> {
    map: &'w FileMap<'w>,
    /// Fsblocks of a block.
    fsblocks: u32,
    leaf: BlockKind,
    visited: Hashed<FileBlock, ()>,
    /// By level: the block visited last and where its `forw` leads; `None` after one that could not be read.
    levels: Vec<Option<(u32, u32)>>,
    is_complete: bool,
}

/// Walks the tree below `root`. Returns whether all of it could be read.
pub(super) fn walk(
    cx: &mut Context<'_>,
    map: &FileMap<'_>,
    fsblocks: u32,
    leaf: BlockKind,
    root: FileBlock,
    on_leaf: &mut OnLeaf<'_>,
) -> Result<bool> {
    let levels = alloc::vec![Some((0, 0)); usize::from(MAX_LEVEL) + 1];
    let mut walk = DaWalk { map, fsblocks, leaf, visited: Hashed::new(), levels, is_complete: true };
    walk.visit(cx, root, None, on_leaf)?;
    for (block, forw) in walk.levels.into_iter().flatten() {
        if forw != 0 {
            let place = Place::file_block(map.ino, FileBlock(block.into()));
            cx.report.expect("da tree", place, "forw", 0_u32, forw);
        }
    }
    Ok(walk.is_complete)
}

impl DaWalk<'_> {
    /// Visits a block at `level` (`None` for the root, which says itself). Returns its greatest hash.
    fn visit(
        &mut self,
        cx: &mut Context<'_>,
        block: FileBlock,
        level: Option<u16>,
        on_leaf: &mut OnLeaf<'_>,
    ) -> Result<Option<u32>> {
        let place = Place::file_block(self.map.ino, block);
        let kinds: &[BlockKind] = match level {
            None => &[self.leaf, BlockKind::DaNode],
            Some(0) => &[self.leaf],
            Some(_) => &[BlockKind::DaNode],
        };
        let found = if self.visited.insert(block, ()).is_none() {
            self.map.block(cx, kinds, block, self.fsblocks)?
        } else {
            cx.report.rule("da tree", place, "a block is in the tree twice");
            None
        };
        let Some((kind, bytes)) = found else {
            self.lose(level.unwrap_or(MAX_LEVEL));
            return Ok(None);
        };
        let is_leaf = kind == self.leaf;
        let found_level = if is_leaf { 0 } else { be_u16(&bytes, LEVEL_AT) };
        let room = (bytes.len() - ENTRIES_AT) / 8;
        let count = usize::from(be_u16(&bytes, COUNT_AT));
        let is_level =
            level.map_or(is_leaf || (1..=MAX_LEVEL).contains(&found_level), |level| level == found_level);
        if !is_level || count > room || (count == 0 && !is_leaf) {
            cx.report.bounds("da tree", place, "level or count", u64::from(found_level) << 16 | count as u64);
            self.lose(level.unwrap_or(MAX_LEVEL));
            return Ok(None);
        }
        self.check_siblings(cx, block, found_level, &bytes, place);
        if is_leaf {
            on_leaf(cx, place, &bytes)
        } else {
            self.node(cx, place, &bytes, count, found_level, on_leaf)
        }
    }

    fn lose(&mut self, level: u16) {
        self.is_complete = false;
        for last in self.levels.iter_mut().take(usize::from(level) + 1) {
            *last = None;
        }
    }

    fn check_siblings(
        &mut self,
        cx: &mut Context<'_>,
        block: FileBlock,
        level: u16,
        bytes: &[u8],
        place: Place,
    ) {
        let (forw, back) = (be_u32(bytes, 0), be_u32(bytes, 4));
        let Some(last) = self.levels.get_mut(usize::from(level)) else { return };
        let number = block.0 as u32;
        if let Some((previous, previous_forw)) = *last {
            cx.report.expect("da tree", place, "back", previous, back);
            // Block 0 can only be the root, which has no siblings: here it stands for nothing.
            if previous != 0 {
                cx.report.expect("da tree", place, "forw of the block before", number, previous_forw);
            }
        }
        *last = Some((number, forw));
    }

    fn node(
        &mut self,
        cx: &mut Context<'_>,
        place: Place,
        bytes: &[u8],
        count: usize,
        level: u16,
        on_leaf: &mut OnLeaf<'_>,
    ) -> Result<Option<u32>> {
        let mut last = None;
        for entry in bytes[ENTRIES_AT..].chunks_exact(8).take(count) {
            let (hash, before) = (be_u32(entry, 0), be_u32(entry, 4));
            if last.is_some_and(|last| hash < last) {
                cx.report.bounds("da node", place, "hashval (out of order)", hash);
            }
            last = Some(hash);
            let below = self.visit(cx, FileBlock(before.into()), Some(level - 1), on_leaf)?;
            if let Some(greatest) = below {
                cx.report.expect("da node", place, "hashval", greatest, hash);
            }
        }
        Ok(last)
    }
}
