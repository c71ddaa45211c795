//! The AGFL: blocks kept ready for bnobt, cntbt and rmapbt, so that changing free space never needs free space.
//!
//! Source: "AG Free List".

use crate::btree::ag_headers::{agf, agf_mut, agfl_locator};
use crate::btree::max_records;
use crate::error::{Error, Place, Problem, Result};
use crate::format::agfl::{slot_at, slots};
use crate::format::btree::{RmapOwner, RmapRec};
use crate::format::header::{be_u32, put};
use crate::geometry::Geometry;
use crate::journal::Transaction;
use crate::space::{free_extents, rmap};
use crate::units::{AgBlock, AgNumber};

fn corrupt(ag: AgNumber, field: &'static str, found: u32) -> Error {
    Error::corrupt("AGFL", Place::ag(ag), Problem::Bounds { field, found: found.into() })
}

/// Highest that a tree over `records` records can get.
fn max_height(mut blocks: u64, leaf_min: u64, node_min: u64) -> u32 {
    let mut height = 1;
    blocks = blocks.div_ceil(leaf_min.max(1));
    while blocks > 1 {
        blocks = blocks.div_ceil(node_min.max(2));
        height += 1;
    }
    height
}

/// Blocks that one full split of a tree of `height` levels may take, with one to spare for each.
const fn split_blocks(height: u32, max_height: u32) -> u32 {
    let next = if height < max_height { height + 1 } else { max_height };
    if next == 0 { 0 } else { 2 * next - 2 }
}

/// How many blocks the AGFL should hold for trees of these heights.
fn target_for(geometry: &Geometry, bno: u32, cnt: u32, rmap: u32) -> u32 {
    let (leaf, node) = max_records::<crate::btree::free_space::Bnobt>(geometry.blocksize);
    let records = u64::from(geometry.agblocks).div_ceil(2);
    let free_max = max_height(records, u64::from(leaf / 2), u64::from(node / 2));
    let mut target = split_blocks(bno, free_max) + split_blocks(cnt, free_max);
    if geometry.has_rmapbt() {
        // With shared blocks there is no bound but the AG itself; nine levels cover any AG at least fill.
        target += split_blocks(rmap, 9);
    }
    target
}

/// How many blocks the AGFL of `ag` should hold before its trees change.
///
/// # Errors
/// Those of reading the AGF.
pub fn target(tx: &mut Transaction<'_>, ag: AgNumber) -> Result<u32> {
    let header = agf(tx, ag)?;
    let (bno, cnt, rmap) = (header.bno_level.get(), header.cnt_level.get(), header.rmap_level.get());
    Ok(target_for(tx.geometry(), bno, cnt, rmap))
}

/// Takes the first block off the list.
///
/// # Errors
/// [`Error::NoSpace`] when it is empty, corruption when its indexes are wrong.
pub fn get(tx: &mut Transaction<'_>, ag: AgNumber) -> Result<AgBlock> {
    let slots = slots(tx.geometry().sectsize);
    let header = agf(tx, ag)?;
    let (first, count) = (header.flfirst.get(), header.flcount.get());
    if count == 0 {
        return Err(Error::NoSpace);
    }
    if first >= slots || count > slots {
        return Err(corrupt(ag, "flfirst", first));
    }
    let at = agfl_locator(tx.geometry(), ag);
    let block = AgBlock(be_u32(tx.read(&at)?, slot_at(first)));
    if !tx.geometry().is_valid_ag_extent(ag, block, 1) {
        return Err(corrupt(ag, "bno", block.0));
    }
    let header = agf_mut(tx, ag)?;
    header.flfirst.set((first + 1) % slots);
    header.flcount.set(count - 1);
    Ok(block)
}

/// Appends a block to the list.
///
/// # Errors
/// Corruption when the list is full or its indexes are wrong.
pub fn put_block(tx: &mut Transaction<'_>, ag: AgNumber, block: AgBlock) -> Result<()> {
    let slots = slots(tx.geometry().sectsize);
    let header = agf(tx, ag)?;
    let (last, count) = (header.fllast.get(), header.flcount.get());
    if last >= slots || count >= slots {
        return Err(corrupt(ag, "fllast", last));
    }
    let slot = (last + 1) % slots;
    let at = agfl_locator(tx.geometry(), ag);
    let range = slot_at(slot)..slot_at(slot) + 4;
    put(tx.modify(&at, range)?, slot_at(slot), &block.0.to_be_bytes());
    let header = agf_mut(tx, ag)?;
    header.fllast.set(slot);
    header.flcount.set(count + 1);
    Ok(())
}

/// Brings the list of `ag` to its target length: called before any change of the AG's trees.
///
/// # Errors
/// Those of changing the trees.
pub fn fix(tx: &mut Transaction<'_>, ag: AgNumber) -> Result<()> {
    // Heights, and with them the target, can change while the list is being filled, but only so often.
    for _ in 0..256 {
        let target = target(tx, ag)?;
        let count = agf(tx, ag)?.flcount.get();
        if count < target {
            if !refill(tx, ag, target - count)? {
                return Ok(());
            }
        } else if count > target {
            drain(tx, ag)?;
        } else {
            return Ok(());
        }
    }
    Ok(())
}

/// Adds blocks to the list; false when the AG has none. A short list is legal: only a split that finds it empty fails.
fn refill(tx: &mut Transaction<'_>, ag: AgNumber, wanted: u32) -> Result<bool> {
    let Some((start, len)) = super::alloc::find_at_back(tx, ag, wanted)? else { return Ok(false) };
    free_extents::take(tx, ag, start, len)?;
    rmap::map_raw(tx, ag, &RmapRec::of_volume(start, len, RmapOwner::AG))?;
    for n in 0..len {
        put_block(tx, ag, start.plus(n))?;
    }
    Ok(true)
}

fn drain(tx: &mut Transaction<'_>, ag: AgNumber) -> Result<()> {
    let block = get(tx, ag)?;
    rmap::unmap_raw(tx, ag, &RmapRec::of_volume(block, 1, RmapOwner::AG))?;
    tx.note_freed(ag, block, 1);
    free_extents::give(tx, ag, block, 1)
}
