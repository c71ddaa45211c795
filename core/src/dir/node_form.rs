//! A directory in node form: a tree of hashes over many leaves, and a free index.
//!
//! Source: "Node Directories".

use alloc::vec::Vec;

use super::blocks::{Dir, kinds};
use super::edit::NewName;
use super::leaf_block;
use super::leaf_form::{self, BEST_BYTES, COUNT_BYTES};
use super::lookup::{Wanted, matching};
use super::tree::Way;
use crate::error::{Error, Problem, Result};
use crate::format::BlockKind;
use crate::format::dir::data::entry_bytes;
use crate::format::dir::leaf::{LEAF_HEADER_BYTES, LeafEntry};
use crate::format::dir::{DATA_HEADER_BYTES, Dataptr};
use crate::journal::Transaction;
use crate::units::FileBlock;

/// A leaf is looked at with a view to joining it with a neighbour when less than this much of it is filled, in percent.
const FULL_PERCENT: usize = 37;

/// What names of the same hash say about where a new one should go.
#[derive(Debug, Clone, Copy, Default)]
struct Hint {
    /// Block of the free index that speaks of their data blocks.
    index_block: Option<usize>,
    /// A data block of theirs that has room.
    data: Option<usize>,
}

/// Adds a name.
pub(super) fn add(tx: &mut Transaction<'_>, dir: &mut Dir, new: &NewName<'_>, hash: u32) -> Result<()> {
    let need = entry_bytes(new.name.len());
    let (mut way, hint) = find_place(tx, dir, need, hash)?;
    let found = match hint.data {
        Some(data) => Some(data),
        // What lies beside names of the same hash was looked at, so its block of the index is passed over.
        None => dir.find_room(tx, need, hint.index_block)?,
    };
    let data = match found {
        Some(data) => data,
        None => add_data_block(tx, dir)?,
    };
    let (offset, best) = dir.edit_data(tx, data, |block| {
        let offset = block.add(new.name, new.ino, new.file_type.dir_code())?;
        Ok((offset, block.longest()))
    })?;
    dir.set_best(tx, data, best)?;
    let entry = LeafEntry { hash, address: dir.address(data, offset) };
    add_to_leaf(tx, dir, &mut way, entry)
}

/// The way to where a name of that hash belongs, and what is known about room.
fn find_place(tx: &mut Transaction<'_>, dir: &Dir, need: usize, hash: u32) -> Result<(Way, Hint)> {
    let mut way = dir.descend(tx, hash)?;
    let mut hint = Hint::default();
    let mut steps_left = dir.inode.core.nblocks.get();
    loop {
        let last = way.len() - 1;
        let block = way[last].block;
        let locator = dir.locate(tx, block, kinds::LEAFN)?;
        let entries = dir.leaf(tx, block, &locator)?.entries;
        let run: Vec<_> = (way[last].index..entries.len())
            .map(|index| entries.get(index))
            .take_while(|entry| entry.hash == hash)
            .collect();
        let ends_equal = !entries.is_empty() && entries.get(entries.len() - 1).hash == hash;
        hint.data = None;
        let mut seen = None;
        for entry in run {
            let (data, _) = dir.data_index(entry.address);
            if !entry.is_stale() && seen != Some(data) {
                seen = Some(data);
                hint.index_block = Some(data / dir.free_slots());
                if dir.best(tx, data)? >= need {
                    hint.data = Some(data);
                    break;
                }
            }
            way[last].index += 1;
        }
        // Names of the same hash may go on in the next leaf.
        match next_leaf(tx, dir, &way, ends_equal, &mut steps_left)? {
            Some(next) => way = next,
            None => return Ok((way, hint)),
        }
    }
}

/// The way to the next leaf, if names of one hash may go on there. No more leaves follow than the directory has blocks.
fn next_leaf(
    tx: &mut Transaction<'_>,
    dir: &Dir,
    way: &Way,
    may_go_on: bool,
    steps_left: &mut u64,
) -> Result<Option<Way>> {
    if !may_go_on {
        return Ok(None);
    }
    *steps_left = steps_left.checked_sub(1).ok_or_else(|| {
        dir.damaged(BlockKind::DirLeafN, way[way.len() - 1].block, Problem::Rule("leaves without end"))
    })?;
    dir.shift(tx, way, true)
}

fn add_data_block(tx: &mut Transaction<'_>, dir: &mut Dir) -> Result<usize> {
    let data = dir.first_missing(tx)?;
    let at = dir.data_at(data);
    if at >= dir.root_at() {
        return Err(Error::NoSpace);
    }
    dir.grow(tx, at, kinds::DATA)?;
    let best = dir.edit_data(tx, data, |block| {
        block.initialise();
        Ok(block.longest())
    })?;
    dir.enter_data(tx, data, best)?;
    Ok(data)
}

fn add_to_leaf(tx: &mut Transaction<'_>, dir: &mut Dir, way: &mut Way, entry: LeafEntry) -> Result<()> {
    let last = way[way.len() - 1];
    let locator = dir.writable(tx, last.block, kinds::LEAFN)?;
    let header = dir.leaf(tx, last.block, &locator)?.header;
    let (count, stale) = (usize::from(header.count.get()), header.stale.get());
    let is_full = count == leaf_block::max_entries(dir.block_bytes());
    if is_full && stale == 0 {
        return dir.split_leaf(tx, way, entry);
    }
    let mut index = last.index;
    if is_full && stale > 1 {
        index = leaf_block::compact_but_one(tx, &locator, index)?;
    }
    dir.insert_in_leaf(tx, last.block, &locator, index, entry)?;
    dir.fix_hashes(tx, way)
}

/// The way to the leaf entry of a name, and its address.
fn find(tx: &mut Transaction<'_>, dir: &Dir, wanted: &Wanted<'_>) -> Result<Option<(Way, Dataptr)>> {
    let mut way = dir.descend(tx, wanted.hash)?;
    let mut similar = None;
    let mut steps_left = dir.inode.core.nblocks.get();
    loop {
        let last = way.len() - 1;
        let block = way[last].block;
        let locator = dir.locate(tx, block, kinds::LEAFN)?;
        let entries = dir.leaf(tx, block, &locator)?.entries;
        let run: Vec<_> = (way[last].index..entries.len())
            .map(|index| (index, entries.get(index)))
            .take_while(|(_, entry)| entry.hash == wanted.hash)
            .filter(|(_, entry)| !entry.is_stale())
            .collect();
        let ends_equal = entries.is_empty() || entries.get(entries.len() - 1).hash <= wanted.hash;
        let addresses: Vec<_> = run.iter().map(|(_, entry)| entry.address).collect();
        if let Some(found) = matching(tx, &dir.inode, wanted, &addresses)? {
            let (index, entry) = run[found.index];
            way[last].index = index;
            let place = Some((way.clone(), entry.address));
            if found.spelling.is_none() {
                return Ok(place);
            }
            similar = similar.or(place);
        }
        match next_leaf(tx, dir, &way, ends_equal, &mut steps_left)? {
            Some(next) => way = next,
            None => return Ok(similar),
        }
    }
}

/// Removes a name, which must be there. The directory becomes one of leaf form when it fits.
pub(super) fn remove(tx: &mut Transaction<'_>, dir: &mut Dir, wanted: &Wanted<'_>) -> Result<()> {
    let Some((way, address)) = find(tx, dir, wanted)? else {
        let problem = Problem::Rule("entry without a leaf entry");
        return Err(dir.damaged(BlockKind::DirLeafN, dir.root_at(), problem));
    };
    let last = way[way.len() - 1];
    let locator = dir.writable(tx, last.block, kinds::LEAFN)?;
    leaf_block::make_stale(tx, &locator, last.index)?;
    free_entry(tx, dir, address)?;
    dir.fix_hashes(tx, &way)?;
    let header = dir.leaf(tx, last.block, &locator)?.header;
    let live = usize::from(header.count.get()) - usize::from(header.stale.get());
    let filled = LEAF_HEADER_BYTES + live * LeafEntry::BYTES;
    if way.len() > 1 && filled < dir.block_bytes() * FULL_PERCENT / 100 {
        dir.join(tx, way)?;
    }
    to_leaf(tx, dir)
}

/// Makes an entry unused, and lets its data block go when it was the last one.
fn free_entry(tx: &mut Transaction<'_>, dir: &mut Dir, address: Dataptr) -> Result<()> {
    let (data, offset) = dir.data_index(address);
    let (before, after) = dir.edit_data(tx, data, |block| {
        let before = block.longest();
        block.remove(offset)?;
        Ok((before, block.longest()))
    })?;
    if before >= after {
        return Ok(());
    }
    let is_empty = after == dir.block_bytes() - DATA_HEADER_BYTES;
    if is_empty && dir.shrink(tx, dir.data_at(data))? {
        return dir.forget_data(tx, data);
    }
    dir.set_best(tx, data, after)
}

/// Makes the directory one of leaf form if there is one leaf, and the free index fits behind its entries.
fn to_leaf(tx: &mut Transaction<'_>, dir: &mut Dir) -> Result<()> {
    let root = dir.root_at();
    let locator = dir.locate(tx, root, kinds::TREE)?;
    if tx.block(&locator)?.kind == BlockKind::DaNode
        || has_more_leaves(tx, dir)?
        || !dir.trim_free_index(tx)?
    {
        return Ok(());
    }
    let header = dir.leaf(tx, root, &locator)?.header;
    let live = usize::from(header.count.get()) - usize::from(header.stale.get());
    let bests = dir.first_bests(tx)?;
    let size = LEAF_HEADER_BYTES + live * LeafEntry::BYTES + bests.len() * BEST_BYTES + COUNT_BYTES;
    if size > dir.block_bytes() || !dir.can_shrink(tx, dir.free_at(0))? {
        return Ok(());
    }
    let locator = dir.writable(tx, root, kinds::LEAFN)?;
    if leaf_block::compact(tx, &locator)? != live {
        return Err(dir.damaged(BlockKind::DirLeafN, root, Problem::Rule("number of stale entries")));
    }
    let locator = dir.retype(tx, &locator, kinds::LEAF1)?;
    leaf_form::put_table(tx, dir, &locator, &bests)?;
    dir.shrink(tx, dir.free_at(0))?;
    leaf_form::to_block(tx, dir)
}

/// Whether there are blocks between the root and the free index.
fn has_more_leaves(tx: &mut Transaction<'_>, dir: &Dir) -> Result<bool> {
    let behind = FileBlock(dir.root_at().0 + u64::from(dir.geometry().dir_fsblocks()));
    let next = crate::inode::map_at(tx, &dir.inode, crate::inode::Fork::Data, behind)?;
    Ok(next.is_some_and(|extent| extent.file_block < dir.geometry().dir_free_start()))
}
