//! Changing the rmapbt: blocks gain and lose owners. Does nothing on volumes without one.
//!
//! Records that continue each other are merged, so that the tree is the one a fresh count of all owners would give.
//!
//! Source: "Reverse-Mapping B+tree".

use ::alloc::vec::Vec;

use super::agfl;
use super::source::AgflSource;
use crate::btree::Cursor;
use crate::btree::rmap::Rmapbt;
use crate::error::{Error, Place, Problem, Result};
use crate::format::btree::{RmapKey, RmapOwner, RmapRec};
use crate::journal::Transaction;
use crate::units::{AgBlock, AgNumber};

/// Records who owns blocks, once the AGFL is ready for it.
///
/// # Errors
/// Those of changing the tree.
pub fn map(tx: &mut Transaction<'_>, ag: AgNumber, new: &RmapRec) -> Result<()> {
    if tx.geometry().has_rmapbt() {
        agfl::fix(tx, ag)?;
    }
    map_raw(tx, ag, new)
}

/// Like [`map`] while the AGFL itself is being filled.
pub(super) fn map_raw(tx: &mut Transaction<'_>, ag: AgNumber, new: &RmapRec) -> Result<()> {
    if !tx.geometry().has_rmapbt() {
        return Ok(());
    }
    // A record that reaches out of its AG is nobody's neighbour.
    let geometry = tx.geometry().clone();
    let is_inside = |rec: &RmapRec| geometry.is_valid_ag_extent(ag, rec.start, rec.len);
    let left = left_neighbour(tx, ag, new)?.filter(is_inside);
    let right = right_neighbour(tx, ag, new)?.filter(is_inside);
    let mut source = AgflSource::for_rmapbt(ag);
    match (left, right) {
        (None, None) => Cursor::new(Rmapbt(ag)).insert(tx, &mut source, new),
        (Some(left), None) => lengthen(tx, ag, &left, left.len + new.len),
        (None, Some(right)) => {
            remove(tx, ag, &right)?;
            let merged = RmapRec { len: new.len + right.len, ..*new };
            Cursor::new(Rmapbt(ag)).insert(tx, &mut source, &merged)
        }
        (Some(left), Some(right)) => {
            remove(tx, ag, &right)?;
            lengthen(tx, ag, &left, left.len + new.len + right.len)
        }
    }
}

/// Records that blocks no longer have an owner, once the AGFL is ready for it.
///
/// # Errors
/// Corruption when they are not that owner's at that offset, and those of changing the tree.
pub fn unmap(tx: &mut Transaction<'_>, ag: AgNumber, gone: &RmapRec) -> Result<()> {
    if tx.geometry().has_rmapbt() {
        agfl::fix(tx, ag)?;
    }
    unmap_raw(tx, ag, gone)
}

/// Like [`unmap`] while the AGFL itself is being drained.
pub(super) fn unmap_raw(tx: &mut Transaction<'_>, ag: AgNumber, gone: &RmapRec) -> Result<()> {
    if !tx.geometry().has_rmapbt() {
        return Ok(());
    }
    let rec = containing(tx, ag, gone)?;
    let before = gone.start.0 - rec.start.0;
    let after = rec.end().0 - gone.end().0;
    let mut tail = RmapRec { start: gone.end(), len: after, ..*gone };
    if rec.has_file_offset() {
        tail.offset = gone.offset.wrapping_add(u64::from(gone.len));
    }
    if before > 0 {
        lengthen(tx, ag, &rec, before)?;
    } else {
        remove(tx, ag, &rec)?;
    }
    if after > 0 {
        Cursor::new(Rmapbt(ag)).insert(tx, &mut AgflSource::for_rmapbt(ag), &tail)?;
    }
    Ok(())
}

/// Records that blocks no longer have an owner, whoever that was; nobody is fine too.
///
/// # Errors
/// Corruption when only some of them have one, or several; those of changing the tree.
pub fn unmap_any(tx: &mut Transaction<'_>, ag: AgNumber, start: AgBlock, len_fsblocks: u32) -> Result<()> {
    if !tx.geometry().has_rmapbt() {
        return Ok(());
    }
    let found = owners(tx, ag, start, len_fsblocks)?;
    let gone = match found.as_slice() {
        [] => return Ok(()),
        [rec] if rec.start <= start && rec.end() >= start.plus(len_fsblocks) => {
            let mut gone = RmapRec { start, len: len_fsblocks, ..*rec };
            if rec.has_file_offset() {
                gone.offset = rec.offset.wrapping_add(u64::from(start.0 - rec.start.0));
            }
            gone
        }
        _ => {
            let problem = Problem::Rule("blocks to be freed belong to somebody in part");
            return Err(Error::corrupt("rmapbt", Place::agblock(ag, start), problem));
        }
    };
    unmap(tx, ag, &gone)
}

/// Every owner of any block of an extent, in the tree's order.
///
/// # Errors
/// Those of reading the tree.
pub fn owners(
    tx: &mut Transaction<'_>,
    ag: AgNumber,
    start: AgBlock,
    len_fsblocks: u32,
) -> Result<Vec<RmapRec>> {
    let low = RmapKey { start, owner: RmapOwner(0), offset: 0 };
    let last = start.plus(len_fsblocks.saturating_sub(1));
    let high = RmapKey { start: last, owner: RmapOwner(u64::MAX), offset: u64::MAX };
    Cursor::new(Rmapbt(ag)).overlapping(tx, &low, &high)
}

/// Whether `b` continues `a` on disk and in the file.
fn continues(a: &RmapRec, b: &RmapRec) -> bool {
    let len_fits = a.len.checked_add(b.len).is_some();
    len_fits
        && a.end() == b.start
        && a.owner == b.owner
        && a.flags() == b.flags()
        && (!a.has_file_offset() || a.offset.wrapping_add(u64::from(a.len)) == b.offset)
}

fn left_neighbour(tx: &mut Transaction<'_>, ag: AgNumber, new: &RmapRec) -> Result<Option<RmapRec>> {
    let Some(before) = new.start.0.checked_sub(1).map(AgBlock) else { return Ok(None) };
    // The key of the block before, as the neighbour's own last block would have it: nothing else can continue here.
    let offset = if new.has_file_offset() { new.offset.wrapping_sub(1) } else { new.offset };
    let key = RmapKey { start: before, owner: new.owner, offset: offset & !RmapRec::UNWRITTEN };
    if let Some(rec) = Cursor::new(Rmapbt(ag)).seek_le(tx, &key)?
        && continues(&rec, new)
    {
        return Ok(Some(rec));
    }
    if !may_overlap(tx, new) {
        return Ok(None);
    }
    Ok(owners(tx, ag, before, 1)?.into_iter().find(|rec| continues(rec, new)))
}

/// Whether records of other owners may lie between a record and the one that continues it.
fn may_overlap(tx: &Transaction<'_>, rec: &RmapRec) -> bool {
    tx.geometry().has_reflink() && rec.has_file_offset() && rec.offset & RmapRec::ATTR_FORK == 0
}

fn right_neighbour(tx: &mut Transaction<'_>, ag: AgNumber, new: &RmapRec) -> Result<Option<RmapRec>> {
    let offset = if new.has_file_offset() { new.offset.wrapping_add(u64::from(new.len)) } else { new.offset };
    let key = RmapKey { start: new.end(), owner: new.owner, offset: offset & !RmapRec::UNWRITTEN };
    let found = Cursor::new(Rmapbt(ag)).seek_le(tx, &key)?;
    Ok(found.filter(|rec| RmapKey::low(rec) == key && continues(new, rec)))
}

/// The record that all of `gone` is a part of.
fn containing(tx: &mut Transaction<'_>, ag: AgNumber, gone: &RmapRec) -> Result<RmapRec> {
    let holds = |rec: &RmapRec| {
        rec.owner == gone.owner
            && rec.flags() == gone.flags()
            && rec.start <= gone.start
            && rec.end() >= gone.end()
            && (!rec.has_file_offset()
                || rec.offset.wrapping_add(u64::from(gone.start.0 - rec.start.0)) == gone.offset)
    };
    let near = Cursor::new(Rmapbt(ag)).seek_le(tx, &RmapKey::low(gone))?;
    if let Some(rec) = near.filter(holds) {
        return Ok(rec);
    }
    owners(tx, ag, gone.start, 1)?.into_iter().find(holds).ok_or_else(|| {
        let problem = Problem::Rule("no reverse mapping for blocks of this owner");
        Error::corrupt("rmapbt", Place::agblock(ag, gone.start), problem)
    })
}

fn seek(tx: &mut Transaction<'_>, ag: AgNumber, rec: &RmapRec) -> Result<Cursor<Rmapbt>> {
    let mut cursor = Cursor::new(Rmapbt(ag));
    match cursor.seek_le(tx, &RmapKey::low(rec))? {
        Some(found) if found == *rec => Ok(cursor),
        _ => {
            let problem = Problem::Rule("record seen a moment ago is gone");
            Err(Error::corrupt("rmapbt", Place::agblock(ag, rec.start), problem))
        }
    }
}

fn lengthen(tx: &mut Transaction<'_>, ag: AgNumber, rec: &RmapRec, len_fsblocks: u32) -> Result<()> {
    seek(tx, ag, rec)?.update(tx, &RmapRec { len: len_fsblocks, ..*rec })
}

fn remove(tx: &mut Transaction<'_>, ag: AgNumber, rec: &RmapRec) -> Result<()> {
    seek(tx, ag, rec)?.delete(tx, &mut AgflSource::for_rmapbt(ag))
}
