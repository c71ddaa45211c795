//! Changing bnobt and cntbt together.
//!
//! The volume's count of free blocks is not touched here: blocks also move between free space and the AGFL, and both
//! count as free.

use super::source::AgflSource;
use crate::btree::Cursor;
use crate::btree::ag_headers::{agf, agf_mut};
use crate::btree::free_space::{Bnobt, Cntbt};
use crate::error::{Error, Place, Problem, Result};
use crate::format::btree::FreeRec;
use crate::journal::Transaction;
use crate::units::{AgBlock, AgNumber};

fn corrupt(ag: AgNumber, block: AgBlock, rule: &'static str) -> Error {
    Error::corrupt("bnobt", Place::agblock(ag, block), Problem::Rule(rule))
}

/// Refuses a record that reaches out of its AG: everything behind this relies on its arithmetic.
pub(super) fn check(tx: &Transaction<'_>, ag: AgNumber, rec: &FreeRec) -> Result<()> {
    if tx.geometry().is_valid_ag_extent(ag, rec.start, rec.len) {
        return Ok(());
    }
    let problem = Problem::Bounds { field: "blockcount", found: rec.len.into() };
    Err(Error::corrupt("bnobt", Place::agblock(ag, rec.start), problem))
}

/// Removes `len_fsblocks` blocks from free space. All of them must be free.
///
/// # Errors
/// Corruption when they are not, and those of changing the trees.
pub fn take(tx: &mut Transaction<'_>, ag: AgNumber, start: AgBlock, len_fsblocks: u32) -> Result<()> {
    let mut bno = Cursor::new(Bnobt(ag));
    let Some(rec) = bno.seek_le(tx, &start.into())? else {
        return Err(corrupt(ag, start, "block to allocate is not free"));
    };
    check(tx, ag, &rec)?;
    let (rec_end, end) = (rec.start.plus(rec.len), start.plus(len_fsblocks));
    if rec_end < end {
        return Err(corrupt(ag, start, "block to allocate is not free"));
    }
    let before = FreeRec { start: rec.start, len: start.0 - rec.start.0 };
    let after = FreeRec { start: end, len: rec_end.0 - end.0 };
    let mut source = AgflSource::new(ag);
    delete_by_size(tx, &mut source, ag, &rec)?;
    match (before.len > 0, after.len > 0) {
        (false, false) => bno.delete(tx, &mut source)?,
        (false, true) => bno.update(tx, &after)?,
        (true, false) => bno.update(tx, &before)?,
        (true, true) => {
            bno.update(tx, &before)?;
            bno.insert(tx, &mut source, &after)?;
        }
    }
    for piece in [before, after] {
        if piece.len > 0 {
            Cursor::new(Cntbt(ag)).insert(tx, &mut source, &piece)?;
        }
    }
    update_agf(tx, ag, -i64::from(len_fsblocks))
}

/// Adds `len_fsblocks` blocks to free space. None of them may be free.
///
/// # Errors
/// Corruption when one is, and those of changing the trees.
pub fn give(tx: &mut Transaction<'_>, ag: AgNumber, start: AgBlock, len_fsblocks: u32) -> Result<()> {
    check(tx, ag, &FreeRec { start, len: len_fsblocks })?;
    let end = start.plus(len_fsblocks);
    let mut bno = Cursor::new(Bnobt(ag));
    let left = bno.seek_le(tx, &start.into())?;
    let right = Cursor::new(Bnobt(ag)).seek_ge(tx, &start.into())?;
    for neighbour in [left, right].iter().flatten() {
        check(tx, ag, neighbour)?;
    }
    if left.is_some_and(|l| l.start.plus(l.len) > start) || right.is_some_and(|r| r.start < end) {
        return Err(corrupt(ag, start, "block to free is free already"));
    }
    let left = left.filter(|l| l.start.plus(l.len) == start);
    let right = right.filter(|r| r.start == end);
    let merged = FreeRec {
        start: left.map_or(start, |l| l.start),
        len: len_fsblocks + left.map_or(0, |l| l.len) + right.map_or(0, |r| r.len),
    };
    let mut source = AgflSource::new(ag);
    for neighbour in [left, right].into_iter().flatten() {
        delete_by_size(tx, &mut source, ag, &neighbour)?;
    }
    match (left, right) {
        (None, None) => bno.insert(tx, &mut source, &merged)?,
        (Some(_), None) => bno.update(tx, &merged)?,
        (None, Some(right)) => {
            bno.seek_le(tx, &right.start.into())?;
            bno.update(tx, &merged)?;
        }
        (Some(left), Some(right)) => {
            bno.seek_le(tx, &right.start.into())?;
            bno.delete(tx, &mut source)?;
            bno.seek_le(tx, &left.start.into())?;
            bno.update(tx, &merged)?;
        }
    }
    Cursor::new(Cntbt(ag)).insert(tx, &mut source, &merged)?;
    update_agf(tx, ag, i64::from(len_fsblocks))
}

fn delete_by_size(
    tx: &mut Transaction<'_>,
    source: &mut AgflSource,
    ag: AgNumber,
    rec: &FreeRec,
) -> Result<()> {
    let mut cnt = Cursor::new(Cntbt(ag));
    if cnt.seek_le(tx, &(rec.len, rec.start))? != Some(*rec) {
        let problem = Problem::Rule("free extent of the bnobt is missing");
        return Err(Error::corrupt("cntbt", Place::agblock(ag, rec.start), problem));
    }
    cnt.delete(tx, source)
}

fn update_agf(tx: &mut Transaction<'_>, ag: AgNumber, change: i64) -> Result<()> {
    let longest = Cursor::new(Cntbt(ag)).seek_last(tx)?.map_or(0, |rec| rec.len);
    let freeblks = i64::from(agf(tx, ag)?.freeblks.get()) + change;
    let Ok(freeblks) = u32::try_from(freeblks) else {
        let problem = Problem::Rule("fewer free blocks than the bnobt holds");
        return Err(Error::corrupt("AGF", Place::ag(ag), problem));
    };
    let agf = agf_mut(tx, ag)?;
    agf.freeblks.set(freeblks);
    agf.longest.set(longest);
    Ok(())
}
