//! A directory in leaf form: one leaf as index, with a table of the longest unused region of each data block at its
//! end.
//!
//! ```text
//! | header | hash, address | hash, address | … room … | region of block 0 | of block 1 | … | number of blocks |
//! ```
//!
//! Source: "Leaf Directories".

use alloc::vec::Vec;

use super::block_form;
use super::blocks::{Dir, kinds};
use super::edit::NewName;
use super::leaf_block;
use super::lookup::{Wanted, matching};
use super::node_form;
use crate::error::{Problem, Result};
use crate::format::BlockKind;
use crate::format::dir::DATA_HEADER_BYTES;
use crate::format::dir::data::entry_bytes;
use crate::format::dir::leaf::{LeafEntry, NO_DATA_BLOCK};
use crate::format::header::put;
use crate::journal::{Locator, Transaction};

/// Bytes of the number of blocks at the end.
pub(super) const COUNT_BYTES: usize = 4;

/// Bytes of an entry of the table.
pub(super) const BEST_BYTES: usize = 2;

/// What an addition needs to know of the leaf.
struct Plan {
    /// Where the entry belongs.
    index: usize,
    /// The data block with room; `None` for a new one.
    block: Option<usize>,
    /// Bytes that the leaf will grow by.
    growth: usize,
    /// Bytes between entries and table.
    room: usize,
    stale: usize,
}

/// Adds a name. The directory becomes one of node form when the leaf is full.
pub(super) fn add(tx: &mut Transaction<'_>, dir: &mut Dir, new: &NewName<'_>, hash: u32) -> Result<()> {
    let root = dir.root_at();
    let locator = dir.writable(tx, root, kinds::LEAF1)?;
    let plan = plan(tx, dir, &locator, entry_bytes(new.name.len()), hash)?;
    let mut index = plan.index;
    if plan.room < plan.growth {
        if plan.stale < 2 {
            to_node(tx, dir)?;
            return node_form::add(tx, dir, new, hash);
        }
        index = leaf_block::compact_but_one(tx, &locator, index)?;
    }
    let (data, best) = match plan.block {
        Some(data) => (data, None),
        None => {
            let data = first_missing(tx, dir, &locator)?;
            dir.grow(tx, dir.data_at(data), kinds::DATA)?;
            (
                data,
                Some(dir.edit_data(tx, data, |block| {
                    block.initialise();
                    Ok(block.longest())
                })?),
            )
        }
    };
    if let Some(best) = best {
        enter_best(tx, dir, &locator, data, best)?;
    }
    let (offset, best) = dir.edit_data(tx, data, |block| {
        let offset = block.add(new.name, new.ino, new.file_type.dir_code())?;
        Ok((offset, block.longest()))
    })?;
    set_best(tx, dir, &locator, data, best)?;
    let entry = LeafEntry { hash, address: dir.address(data, offset) };
    dir.insert_in_leaf(tx, root, &locator, index, entry)
}

/// Looks for a data block with room: one that holds a name of the same hash, or else the first one.
fn plan(tx: &mut Transaction<'_>, dir: &Dir, leaf: &Locator, need: usize, hash: u32) -> Result<Plan> {
    let root = dir.root_at();
    let view = dir.leaf(tx, root, leaf)?;
    let mut index = view.entries.lower_bound(hash);
    let mut block = None;
    while block.is_none() && index < view.entries.len() && view.entries.get(index).hash == hash {
        let entry = view.entries.get(index);
        let (data, _) = dir.data_index(entry.address);
        let best = view.best(data).filter(|&best| best != NO_DATA_BLOCK);
        match best {
            _ if entry.is_stale() => {}
            Some(best) => block = (usize::from(best) >= need).then_some(data),
            None => {
                return Err(dir.damaged(BlockKind::DirLeaf1, root, Problem::Rule("entry leads into a hole")));
            }
        }
        index += usize::from(block.is_none());
    }
    let bests = (0..view.bests_count()).map(|data| view.best(data).unwrap_or(NO_DATA_BLOCK));
    let bests: Vec<_> = bests.collect();
    // The table has a slot for the new block where an earlier one went.
    let has_hole = bests.contains(&NO_DATA_BLOCK);
    let block = block.or_else(|| first_with_room(&bests, need));
    let stale = usize::from(view.header.stale.get());
    let growth = if stale == 0 { LeafEntry::BYTES } else { 0 }
        + if block.is_none() && !has_hole { BEST_BYTES } else { 0 };
    let table_at = dir.block_bytes() - COUNT_BYTES - bests.len() * BEST_BYTES;
    let room = table_at - leaf_block::entry_at(view.entries.len());
    Ok(Plan { index, block, growth, room, stale })
}

/// The first data block with room. Linux takes a second hole for one with room, so that a new block comes to fill the
/// first hole before a block behind both is considered.
fn first_with_room(bests: &[u16], need: usize) -> Option<usize> {
    let mut holes = 0;
    for (data, &best) in bests.iter().enumerate() {
        if best == NO_DATA_BLOCK {
            holes += 1;
            if holes == 2 {
                return None;
            }
        } else if usize::from(best) >= need {
            return Some(data);
        }
    }
    None
}

/// The first data block that is not there.
fn first_missing(tx: &mut Transaction<'_>, dir: &Dir, leaf: &Locator) -> Result<usize> {
    let view = dir.leaf(tx, dir.root_at(), leaf)?;
    let count = view.bests_count();
    Ok((0..count).find(|&data| view.best(data) == Some(NO_DATA_BLOCK)).unwrap_or(count))
}

/// Removes a name, which must be there. The directory becomes one of block form when it fits.
pub(super) fn remove(tx: &mut Transaction<'_>, dir: &mut Dir, wanted: &Wanted<'_>) -> Result<()> {
    let root = dir.root_at();
    let locator = dir.writable(tx, root, kinds::LEAF1)?;
    let entries = dir.leaf(tx, root, &locator)?.entries;
    let first = entries.lower_bound(wanted.hash);
    let run: Vec<_> = (first..entries.len())
        .map(|index| (index, entries.get(index)))
        .take_while(|(_, entry)| entry.hash == wanted.hash)
        .filter(|(_, entry)| !entry.is_stale())
        .collect();
    let addresses: Vec<_> = run.iter().map(|(_, entry)| entry.address).collect();
    let Some(found) = matching(tx, &dir.inode, wanted, &addresses)? else {
        return Err(dir.damaged(BlockKind::DirLeaf1, root, Problem::Rule("entry without a leaf entry")));
    };
    let (index, entry) = run[found.index];
    let (data, offset) = dir.data_index(entry.address);
    leaf_block::make_stale(tx, &locator, index)?;
    let best = dir.edit_data(tx, data, |block| {
        block.remove(offset)?;
        Ok(block.longest())
    })?;
    set_best(tx, dir, &locator, data, best)?;
    if best == dir.block_bytes() - DATA_HEADER_BYTES && dir.shrink(tx, dir.data_at(data))? {
        forget_best(tx, dir, &locator, data)?;
    }
    to_block(tx, dir)
}

/// The data block's slot in the table. The leaf was looked at before.
fn best_at(dir: &Dir, count: usize, data: usize) -> usize {
    dir.block_bytes() - COUNT_BYTES - (count - data) * BEST_BYTES
}

fn bests_count(tx: &mut Transaction<'_>, dir: &Dir, leaf: &Locator) -> Result<usize> {
    Ok(dir.leaf(tx, dir.root_at(), leaf)?.bests_count())
}

fn set_best(tx: &mut Transaction<'_>, dir: &Dir, leaf: &Locator, data: usize, best: usize) -> Result<()> {
    let view = dir.leaf(tx, dir.root_at(), leaf)?;
    let (count, old) = (view.bests_count(), view.best(data));
    match old {
        Some(old) if usize::from(old) == best => return Ok(()),
        Some(_) => {}
        None => {
            let problem = Problem::Rule("data block is not in the table of the leaf");
            return Err(dir.damaged(BlockKind::DirLeaf1, dir.root_at(), problem));
        }
    }
    let at = best_at(dir, count, data);
    put(tx.modify(leaf, at..at + BEST_BYTES)?, at, &(best as u16).to_be_bytes());
    Ok(())
}

/// Enters a new data block into the table.
fn enter_best(tx: &mut Transaction<'_>, dir: &Dir, leaf: &Locator, data: usize, best: usize) -> Result<()> {
    let count = bests_count(tx, dir, leaf)?;
    if data < count {
        return set_best(tx, dir, leaf, data, best);
    }
    let mut bests = table(tx, dir, leaf)?;
    bests.push(best as u16);
    put_table(tx, dir, leaf, &bests)
}

/// Takes a data block that is gone out of the table.
fn forget_best(tx: &mut Transaction<'_>, dir: &Dir, leaf: &Locator, data: usize) -> Result<()> {
    let mut bests = table(tx, dir, leaf)?;
    if data + 1 < bests.len() {
        return set_best(tx, dir, leaf, data, NO_DATA_BLOCK.into());
    }
    bests.pop();
    while bests.len() > 1 && bests.last() == Some(&NO_DATA_BLOCK) {
        bests.pop();
    }
    put_table(tx, dir, leaf, &bests)
}

fn table(tx: &mut Transaction<'_>, dir: &Dir, leaf: &Locator) -> Result<Vec<u16>> {
    let view = dir.leaf(tx, dir.root_at(), leaf)?;
    Ok((0..view.bests_count()).filter_map(|data| view.best(data)).collect())
}

/// Writes the table; there must be room for it.
pub(super) fn put_table(tx: &mut Transaction<'_>, dir: &Dir, leaf: &Locator, bests: &[u16]) -> Result<()> {
    let len = dir.block_bytes();
    let at = best_at(dir, bests.len(), 0);
    let bytes = tx.modify(leaf, at..len)?;
    for (data, best) in bests.iter().enumerate() {
        put(bytes, at + data * BEST_BYTES, &best.to_be_bytes());
    }
    put(bytes, len - COUNT_BYTES, &(bests.len() as u32).to_be_bytes());
    Ok(())
}

/// Turns the leaf into the root of a tree, and its table into a free index.
fn to_node(tx: &mut Transaction<'_>, dir: &mut Dir) -> Result<()> {
    let locator = dir.writable(tx, dir.root_at(), kinds::LEAF1)?;
    let bests = table(tx, dir, &locator)?;
    dir.make_free_index(tx, &bests)?;
    dir.retype(tx, &locator, kinds::LEAFN)?;
    Ok(())
}

/// Makes the directory one of block form if everything fits one block.
pub(super) fn to_block(tx: &mut Transaction<'_>, dir: &mut Dir) -> Result<()> {
    let root = dir.root_at();
    let locator = dir.writable(tx, root, kinds::LEAF1)?;
    // Empty blocks at the end stayed where a removal found no space.
    while dir.inode.size() > dir.block_bytes() as u64 {
        let mut bests = table(tx, dir, &locator)?;
        let last = bests.pop().map(usize::from);
        if last != Some(dir.block_bytes() - DATA_HEADER_BYTES) || bests.is_empty() {
            return Ok(());
        }
        if !dir.shrink(tx, dir.data_at(bests.len()))? {
            return Ok(());
        }
        put_table(tx, dir, &locator, &bests)?;
    }
    let live: Vec<_> =
        dir.leaf(tx, root, &locator)?.entries.iter().filter(|entry| !entry.is_stale()).collect();
    if block_form::from_leaf(tx, dir, &live)? {
        if !dir.shrink(tx, root)? {
            return Err(crate::Error::NoSpace);
        }
        return block_form::shrink_to_shortform(tx, dir);
    }
    Ok(())
}
