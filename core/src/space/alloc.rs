//! Choosing free blocks, taking them, and giving them back.

use ::alloc::sync::Arc;
use ::alloc::vec::Vec;

use super::{agfl, free_extents, reserve, rmap};
use crate::btree::Cursor;
use crate::btree::ag_headers::agf;
use crate::btree::free_space::{Bnobt, Cntbt};
use crate::error::{Error, Result};
use crate::format::btree::{FreeRec, RmapOwner, RmapRec};
use crate::geometry::Geometry;
use crate::journal::Transaction;
use crate::units::{AgBlock, AgNumber, FsBlock};

/// Free extents looked at before the search settles for less than it wanted.
const SEARCH_LIMIT: usize = 64;

/// Blocks wanted for a file.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// Where they should be: right here, or at least in this AG.
    pub near: FsBlock,
    /// How many, in fsblocks. Fewer may come.
    pub want_fsblocks: u32,
    /// Who will own them.
    pub owner: RmapOwner,
    /// `rm_offset` of the first one, flags included.
    pub offset: u64,
}

/// The volume's shape, kept while the transaction changes.
pub(super) fn shape(tx: &Transaction<'_>) -> Arc<Geometry> {
    Arc::clone(tx.geometry())
}

/// The parts of a free extent that may be handed out.
fn available(tx: &mut Transaction<'_>, ag: AgNumber, rec: &FreeRec) -> Result<Vec<(AgBlock, u32)>> {
    free_extents::check(tx, ag, rec)?;
    let mut gaps = tx.freed().gaps(ag, rec.start, rec.len);
    let store = tx.store();
    for held in [store.busy(), store.promised()] {
        if !held.is_empty() {
            gaps = gaps.into_iter().flat_map(|(start, len)| held.gaps(ag, start, len)).collect();
        }
    }
    Ok(gaps)
}

/// Finds up to `want_fsblocks` free blocks in one piece: at `near` when it is free, else the best fit.
///
/// # Errors
/// Those of reading the trees.
pub fn find(
    tx: &mut Transaction<'_>,
    ag: AgNumber,
    near: Option<AgBlock>,
    want_fsblocks: u32,
) -> Result<Option<(AgBlock, u32)>> {
    if let Some(near) = near
        && let Some(found) = right_at(tx, ag, near, want_fsblocks)?
    {
        return Ok(Some(found));
    }
    if let Some(found) = smallest_fit(tx, ag, want_fsblocks, 1)? {
        return Ok(Some(found));
    }
    Ok(largest(tx, ag, want_fsblocks)?.map(|(start, len)| (start, len.min(want_fsblocks))))
}

/// Finds up to `want_fsblocks` free blocks from `near` on; `None` when that one is not free.
fn right_at(
    tx: &mut Transaction<'_>,
    ag: AgNumber,
    near: AgBlock,
    want_fsblocks: u32,
) -> Result<Option<(AgBlock, u32)>> {
    let rec = Cursor::new(Bnobt(ag)).seek_le(tx, &near.into())?;
    let Some(rec) = rec.filter(|rec| rec.start.plus(rec.len) > near) else { return Ok(None) };
    let tail = FreeRec { start: near, len: rec.start.plus(rec.len).0 - near.0 };
    let found = available(tx, ag, &tail)?.first().filter(|found| found.0 == near).copied();
    Ok(found.map(|(start, len)| (start, len.min(want_fsblocks))))
}

/// Finds exactly `len_fsblocks` free blocks that start at a multiple of `align_fsblocks`.
///
/// # Errors
/// Those of reading the trees.
pub fn smallest_fit(
    tx: &mut Transaction<'_>,
    ag: AgNumber,
    len_fsblocks: u32,
    align_fsblocks: u32,
) -> Result<Option<(AgBlock, u32)>> {
    let mut cursor = Cursor::new(Cntbt(ag));
    let mut next = cursor.seek_ge(tx, &(len_fsblocks, AgBlock(0)))?;
    // An unaligned search tries only so many; an aligned one has nowhere else to look.
    let mut left = if align_fsblocks > 1 { usize::MAX } else { SEARCH_LIMIT };
    while let Some(rec) = next {
        for (start, len) in available(tx, ag, &rec)? {
            let aligned = AgBlock(start.0.next_multiple_of(align_fsblocks));
            if u64::from(aligned.0) + u64::from(len_fsblocks) <= u64::from(start.0) + u64::from(len) {
                return Ok(Some((aligned, len_fsblocks)));
            }
        }
        left -= 1;
        if left == 0 {
            break;
        }
        next = cursor.next(tx)?;
    }
    Ok(None)
}

/// Finds up to `want_fsblocks` blocks for a tree or the AGFL: off the back of the best fit.
///
/// Files grow at the front of free extents; a single block taken there would tear them apart.
///
/// # Errors
/// Those of reading the trees.
pub fn find_at_back(
    tx: &mut Transaction<'_>,
    ag: AgNumber,
    want_fsblocks: u32,
) -> Result<Option<(AgBlock, u32)>> {
    let mut cursor = Cursor::new(Cntbt(ag));
    let mut next = cursor.seek_ge(tx, &(want_fsblocks, AgBlock(0)))?;
    for _ in 0..SEARCH_LIMIT {
        let Some(rec) = next else { break };
        for (start, len) in available(tx, ag, &rec)?.into_iter().rev() {
            if len >= want_fsblocks {
                return Ok(Some((start.plus(len - want_fsblocks), want_fsblocks)));
            }
        }
        next = cursor.next(tx)?;
    }
    Ok(largest(tx, ag, want_fsblocks)?.map(|(start, len)| {
        let some = len.min(want_fsblocks);
        (start.plus(len - some), some)
    }))
}

/// Finds the longest free piece, or one that is as long as `want_fsblocks` at least.
fn largest(tx: &mut Transaction<'_>, ag: AgNumber, want_fsblocks: u32) -> Result<Option<(AgBlock, u32)>> {
    let mut cursor = Cursor::new(Cntbt(ag));
    let mut best: Option<(AgBlock, u32)> = None;
    let mut next = cursor.seek_last(tx)?;
    while let Some(rec) = next {
        if best.is_some_and(|(_, len)| len >= rec.len.min(want_fsblocks)) {
            break;
        }
        for (start, len) in available(tx, ag, &rec)? {
            if best.is_none_or(|(_, best_len)| len > best_len) {
                best = Some((start, len));
            }
        }
        next = cursor.prev(tx)?;
    }
    Ok(best)
}

/// Every AG once, starting with `first`.
pub fn ags_from(geometry: &Geometry, first: AgNumber) -> impl Iterator<Item = AgNumber> + use<> {
    let count = geometry.agcount;
    let first = if first.0 < count { first.0 } else { 0 };
    (0..count).map(move |n| AgNumber(((u64::from(first) + u64::from(n)) % u64::from(count)) as u32))
}

/// Finds blocks for a file without taking them: in the AG of `near` first, then in the others.
///
/// # Errors
/// [`Error::NoSpace`] when every AG is down to what it keeps in reserve.
pub fn find_for_file(tx: &mut Transaction<'_>, near: FsBlock, want_fsblocks: u32) -> Result<(FsBlock, u32)> {
    let geometry = shape(tx);
    let (first, near_block) = geometry.split(near);
    for ag in ags_from(&geometry, first) {
        // Filling the AGFL later would take the very blocks that are found here.
        agfl::fix(tx, ag)?;
        let usable = reserve::usable(tx, ag)?;
        if usable == 0 {
            continue;
        }
        let near = (ag == first && near_block.0 > 0).then_some(near_block);
        if let Some((start, len)) = find(tx, ag, near, want_fsblocks.min(usable))? {
            return Ok((geometry.fsblock(ag, start), len));
        }
    }
    Err(Error::NoSpace)
}

/// Finds exactly `len_fsblocks` free blocks in one piece: at `near`, else the best fit in its AG, else in the others.
///
/// # Errors
/// [`Error::NoSpace`] when no AG has such an extent to spare.
pub fn find_whole(tx: &mut Transaction<'_>, near: FsBlock, len_fsblocks: u32) -> Result<FsBlock> {
    let geometry = shape(tx);
    let (first, near_block) = geometry.split(near);
    for ag in ags_from(&geometry, first) {
        if agf(tx, ag)?.longest.get() < len_fsblocks || reserve::usable(tx, ag)? < len_fsblocks {
            continue;
        }
        agfl::fix(tx, ag)?;
        if reserve::usable(tx, ag)? < len_fsblocks {
            continue;
        }
        if ag == first
            && near_block.0 > 0
            && let Some((start, len)) = right_at(tx, ag, near_block, len_fsblocks)?
            && len == len_fsblocks
        {
            return Ok(geometry.fsblock(ag, start));
        }
        if let Some((start, len)) = find(tx, ag, None, len_fsblocks)?
            && len == len_fsblocks
        {
            return Ok(geometry.fsblock(ag, start));
        }
    }
    Err(Error::NoSpace)
}

/// Takes blocks for a file; returns the first one and how many came.
///
/// # Errors
/// [`Error::NoSpace`] when every AG is down to what it keeps in reserve.
pub fn allocate(tx: &mut Transaction<'_>, request: &Request) -> Result<(FsBlock, u32)> {
    let (block, len) = find_for_file(tx, request.near, request.want_fsblocks)?;
    let (ag, start) = shape(tx).split(block);
    take(tx, ag, &RmapRec { start, len, owner: request.owner, offset: request.offset })?;
    Ok((block, len))
}

/// Takes exactly these blocks, which must be free, for their owner.
///
/// # Errors
/// Corruption when they are not free, and those of changing the trees.
pub fn take(tx: &mut Transaction<'_>, ag: AgNumber, blocks: &RmapRec) -> Result<()> {
    agfl::fix(tx, ag)?;
    free_extents::take(tx, ag, blocks.start, blocks.len)?;
    tx.count(0, 0, -i64::from(blocks.len));
    rmap::map(tx, ag, blocks)
}

/// Takes one block for the bmbt of a fork, in the AG of `near` first, then in the others.
///
/// # Errors
/// [`Error::NoSpace`] when every AG is down to what it keeps in reserve.
pub fn fork_block(tx: &mut Transaction<'_>, near: FsBlock, owner: RmapOwner, offset: u64) -> Result<FsBlock> {
    let geometry = shape(tx);
    for ag in ags_from(&geometry, geometry.split(near).0) {
        agfl::fix(tx, ag)?;
        if reserve::usable(tx, ag)? > 0
            && let Some((start, len)) = find_at_back(tx, ag, 1)?
        {
            take(tx, ag, &RmapRec { start, len, owner, offset })?;
            return Ok(geometry.fsblock(ag, start));
        }
    }
    Err(Error::NoSpace)
}

/// Takes one block of `ag` for a tree whose growth the AG keeps blocks in reserve for.
///
/// # Errors
/// [`Error::NoSpace`] when the AG is full.
pub fn metadata_block(tx: &mut Transaction<'_>, ag: AgNumber, owner: RmapOwner) -> Result<AgBlock> {
    // Filling the AGFL later would take the very block that is found here.
    agfl::fix(tx, ag)?;
    let Some((block, _)) = find_at_back(tx, ag, 1)? else { return Err(Error::NoSpace) };
    take(tx, ag, &RmapRec::of_volume(block, 1, owner))?;
    Ok(block)
}

/// Takes exactly `len_fsblocks` aligned blocks of `ag`; `None` when there is no such extent.
///
/// # Errors
/// Those of changing the trees.
pub fn allocate_aligned(
    tx: &mut Transaction<'_>,
    ag: AgNumber,
    len_fsblocks: u32,
    align_fsblocks: u32,
    owner: RmapOwner,
) -> Result<Option<AgBlock>> {
    if reserve::usable(tx, ag)? < len_fsblocks {
        return Ok(None);
    }
    agfl::fix(tx, ag)?;
    let Some((start, len)) = smallest_fit(tx, ag, len_fsblocks, align_fsblocks.max(1))? else {
        return Ok(None);
    };
    take(tx, ag, &RmapRec::of_volume(start, len, owner))?;
    Ok(Some(start))
}

/// Gives blocks of an owner back. They stay busy until the transaction is durable.
///
/// # Errors
/// Corruption when they are free already or not that owner's, and those of changing the trees.
pub fn free(tx: &mut Transaction<'_>, ag: AgNumber, blocks: &RmapRec) -> Result<()> {
    rmap::unmap(tx, ag, blocks)?;
    free_unmapped(tx, ag, blocks.start, blocks.len)
}

/// Gives back blocks whose reverse mapping is gone already.
///
/// # Errors
/// Those of [`free`].
pub fn free_unmapped(
    tx: &mut Transaction<'_>,
    ag: AgNumber,
    start: AgBlock,
    len_fsblocks: u32,
) -> Result<()> {
    agfl::fix(tx, ag)?;
    tx.note_freed(ag, start, len_fsblocks);
    free_extents::give(tx, ag, start, len_fsblocks)?;
    tx.count(0, 0, i64::from(len_fsblocks));
    Ok(())
}
