//! The end of an inode: everything that it owns is freed, then itself.
//!
//! A large file goes in steps, from its end. Each leaves a valid volume, provided that the inode is on its
//! [unlinked list](unlinked) until the last one. So does a large attribute fork, whose root first becomes an empty leaf:
//! its tree would not survive to be cut.

use crate::btree::bmap::Fork;
use crate::error::{Error, Place, Problem, Result};
use crate::format::BlockKind;
use crate::format::attr::{is_empty_leaf, make_empty_leaf};
use crate::format::extent::Extent;
use crate::format::inode::{FileType, fork_format};
use crate::inode::core::{core, core_mut};
use crate::inode::{alloc, bmap, unlinked};
use crate::journal::{Locator, Store, Transaction};
use crate::units::{Daddr, FileBlock, Ino};

/// Behind the last file block that any fork can have.
const END: FileBlock = FileBlock(1 << 54);

/// Blocks of a directory that go at once.
const DIR_STEP_BLOCKS: u32 = 64;
/// Blocks of an attribute fork that are forgotten at once: each of them is an item in the log.
const ATTRIBUTE_FSBLOCKS: u32 = 128;

/// Frees blocks of an inode that no name leads to any more, until the transaction has its share of the log. Returns
/// whether it has none left: then it may leave the unlinked list, and [`alloc::free`] has the rest.
///
/// # Errors
/// Those of changing the trees.
pub fn step(tx: &mut Transaction<'_>, ino: Ino) -> Result<bool> {
    let before = core(tx, ino)?;
    let file_type = FileType::from_mode(before.mode.get());
    let has_extents = |format| matches!(format, fork_format::EXTENTS | fork_format::BTREE);
    if file_type == Some(FileType::Regular) && before.size.get() != 0 {
        core_mut(tx, ino)?.size.set(0);
    }
    if has_extents(before.format) && !shrink(tx, ino, file_type)? {
        return Ok(false);
    }
    if before.forkoff != 0 && has_extents(before.aformat) {
        return shrink_attributes(tx, ino);
    }
    Ok(true)
}

/// Frees an inode that is on its unlinked list, in as many transactions as the log asks for.
///
/// # Errors
/// Those of changing the trees. The inode is on the list still then.
pub fn finish(store: &mut Store, ino: Ino) -> Result<()> {
    loop {
        let mut tx = Transaction::new(store);
        let is_empty = step(&mut tx, ino)?;
        if is_empty {
            unlinked::remove(&mut tx, ino)?;
            alloc::free(&mut tx, ino)?;
        }
        tx.commit()?;
        if is_empty {
            return Ok(());
        }
    }
}

/// Cuts the data fork from its end; true when nothing is left of it.
fn shrink(tx: &mut Transaction<'_>, ino: Ino, file_type: Option<FileType>) -> Result<bool> {
    let mut limit = END;
    while let Some(extent) = last_before(tx, ino, Fork::Data, limit)? {
        if tx.is_full() {
            return Ok(false);
        }
        let keep = match file_type {
            Some(FileType::Regular) => extent.len.saturating_sub(bmap::STEP_FSBLOCKS),
            Some(FileType::Directory) => {
                let unit = tx.geometry().dir_fsblocks();
                // Each block takes an item of its own in the log. The rest must begin where a block does.
                let end = extent.file_end().0;
                let first =
                    end.saturating_sub(u64::from(DIR_STEP_BLOCKS * unit)).next_multiple_of(unit.into());
                let keep = first.saturating_sub(extent.file_block.0).min(extent.len.into()) as u32;
                cancel(tx, &extent.part(keep, extent.len - keep), unit);
                keep
            }
            _ => {
                cancel(tx, &extent, extent.len);
                0
            }
        };
        limit = extent.file_block.plus(keep.into());
        bmap::unmap(tx, ino, Fork::Data, limit, END)?;
    }
    Ok(true)
}

/// Cuts the attribute fork from its end; true when nothing is left of it.
fn shrink_attributes(tx: &mut Transaction<'_>, ino: Ino) -> Result<bool> {
    let mut limit = END;
    while let Some(extent) = last_before(tx, ino, Fork::Attr, limit)? {
        if tx.is_full() {
            return Ok(false);
        }
        let last = extent.len.saturating_sub(ATTRIBUTE_FSBLOCKS).min(extent.len - 1);
        let is_whole = extent.file_block == FileBlock(0) && last == 0;
        if !is_whole {
            empty_root(tx, ino)?;
        }
        let keep = if is_whole { 0 } else { last };
        cancel(tx, &extent.part(keep, extent.len - keep), 1);
        limit = extent.file_block.plus(keep.into());
        bmap::unmap(tx, ino, Fork::Attr, limit, END)?;
    }
    Ok(true)
}

/// The last extent of a fork that was cut off at `limit`: what was cut off must be gone, or cutting would have no end.
fn last_before(tx: &mut Transaction<'_>, ino: Ino, fork: Fork, limit: FileBlock) -> Result<Option<Extent>> {
    match bmap::last(tx, ino, fork)? {
        Some(extent) if extent.file_end() > limit => {
            let place = Place::file_block(ino, extent.file_block);
            Err(Error::corrupt("extent", place, Problem::Rule("out of order")))
        }
        last => Ok(last),
    }
}

/// Makes the root of the tree of attributes a leaf without any, unless it is one already.
fn empty_root(tx: &mut Transaction<'_>, ino: Ino) -> Result<()> {
    let root =
        bmap::lookup(tx, ino, Fork::Attr, FileBlock(0))?.filter(|root| root.file_block == FileBlock(0));
    // Without a root there is no tree that could lead anywhere.
    let Some(root) = root else { return Ok(()) };
    if !tx.geometry().is_valid_extent(root.start, 1) {
        let problem = Problem::Bounds { field: "startblock", found: root.start.0 };
        return Err(Error::corrupt("extent", Place::file_block(ino, FileBlock(0)), problem));
    }
    let (daddr, len_bytes) = (tx.geometry().daddr(root.start), tx.geometry().blocksize);
    let kinds = &[BlockKind::AttrLeaf, BlockKind::DaNode];
    let locator = Locator::new(kinds, daddr, len_bytes, Some(ino.0));
    match tx.block(&locator) {
        Ok(block) if block.kind == BlockKind::AttrLeaf && is_empty_leaf(&block.bytes) => {}
        Ok(_) => make_empty_leaf(tx.create(&locator)),
        // A damaged one is no reason to keep the file. It leads nowhere, and may be a block of somebody else.
        Err(Error::Corrupt(_)) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Forgets blocks of metadata that are `unit_fsblocks` long each, where an extent does not cut them.
fn cancel(tx: &mut Transaction<'_>, extent: &Extent, unit_fsblocks: u32) {
    let (start, blocklog) = (tx.geometry().daddr(extent.start), tx.geometry().blocklog);
    let mut at = 0;
    while at < extent.len {
        let inside = (extent.file_block.0 + u64::from(at)) % u64::from(unit_fsblocks.max(1));
        let len = (unit_fsblocks.max(1) - inside as u32).min(extent.len - at);
        let daddr = Daddr(start.0 + (u64::from(at) << (blocklog - 9)));
        tx.cancel(daddr, len << blocklog);
        at += len;
    }
}
