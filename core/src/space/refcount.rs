//! Changing the refcountbt: shared blocks gain and lose references.
//!
//! Only counts of 2 and more are stored; a block without a record has one owner or none. Neighbours with equal
//! counts are merged.
//!
//! Source: "Reference Count B+tree".

use ::alloc::vec::Vec;

use super::agfl;
use super::source::{AgSource, AgTree};
use crate::btree::Cursor;
use crate::btree::refcount::Refcountbt;
use crate::error::{Error, Place, Problem, Result};
use crate::format::btree::RefcountRec;
use crate::journal::Transaction;
use crate::units::{AgBlock, AgNumber};

/// A count that never changes again once it is reached.
const PINNED: u32 = u32::MAX;

fn end(rec: &RefcountRec) -> AgBlock {
    rec.start.plus(rec.len)
}

/// Adds one reference to each block of an extent.
///
/// # Errors
/// Those of changing the tree.
pub fn increase(tx: &mut Transaction<'_>, ag: AgNumber, start: AgBlock, len_fsblocks: u32) -> Result<()> {
    adjust(tx, ag, start, len_fsblocks, |count| count.saturating_add(1)).map(|_| ())
}

/// Takes one reference from each block of an extent; returns the parts that nobody refers to any more.
///
/// # Errors
/// Those of changing the tree.
pub fn decrease(
    tx: &mut Transaction<'_>,
    ag: AgNumber,
    start: AgBlock,
    len_fsblocks: u32,
) -> Result<Vec<(AgBlock, u32)>> {
    let gone = adjust(tx, ag, start, len_fsblocks, |count| if count == PINNED { count } else { count - 1 })?;
    let mut at = start;
    for &(free, len) in gone.iter().chain([&(start.plus(len_fsblocks), 0)]) {
        if at < free {
            tx.note_let_go(ag, at, free.0 - at.0);
        }
        at = free.plus(len);
    }
    Ok(gone)
}

/// The first part of an extent that must not be written over: because it is shared, or because it would be again after
/// a crash, when the transaction that took the other owner's reference is not durable yet.
///
/// # Errors
/// Those of reading the tree.
pub fn first_not_to_overwrite(
    tx: &mut Transaction<'_>,
    ag: AgNumber,
    start: AgBlock,
    len_fsblocks: u32,
) -> Result<Option<(AgBlock, u32)>> {
    let shared = first_shared(tx, ag, start, len_fsblocks)?;
    let let_go = tx.first_let_go(ag, start, len_fsblocks);
    Ok(shared.into_iter().chain(let_go).min_by_key(|&(start, _)| start))
}

/// The first shared part of an extent.
fn first_shared(
    tx: &mut Transaction<'_>,
    ag: AgNumber,
    start: AgBlock,
    len_fsblocks: u32,
) -> Result<Option<(AgBlock, u32)>> {
    if !tx.geometry().has_reflink() {
        return Ok(None);
    }
    let until = start.plus(len_fsblocks);
    let mut cursor = Cursor::new(Refcountbt(ag));
    let rec = match cursor.seek_le(tx, &start.0)? {
        Some(rec) if end(&rec) > start => Some(rec),
        Some(_) => cursor.next(tx)?,
        None => cursor.seek_first(tx)?,
    };
    let Some(rec) = rec.filter(|rec| !rec.cow && rec.start < until) else { return Ok(None) };
    let (from, to) = (rec.start.max(start), end(&rec).min(until));
    if to <= from {
        let problem = Problem::Rule("empty or misplaced record");
        return Err(Error::corrupt("refcountbt", Place::agblock(ag, rec.start), problem));
    }
    Ok(Some((from, to.0 - from.0)))
}

/// Notes blocks as staging blocks of copy-on-write: taken, but not mapped by any file yet.
///
/// # Errors
/// Corruption when some of them are noted already; those of changing the tree.
pub fn stage(tx: &mut Transaction<'_>, ag: AgNumber, start: AgBlock, len_fsblocks: u32) -> Result<()> {
    agfl::fix(tx, ag)?;
    let new = RefcountRec { cow: true, start, len: len_fsblocks, refcount: 1 };
    let mut cursor = Cursor::new(Refcountbt(ag));
    let left = cursor.seek_le(tx, &new.raw_start())?.filter(|rec| rec.cow);
    let right = Cursor::new(Refcountbt(ag)).seek_ge(tx, &new.raw_start())?.filter(|rec| rec.cow);
    for rec in [left, right].iter().flatten() {
        check_staging(tx, ag, rec)?;
    }
    if left.is_some_and(|left| end(&left) > start) || right.is_some_and(|right| right.start < end(&new)) {
        return Err(staging_problem(ag, start, "staging extents overlap"));
    }
    let mut merged = new;
    let mut source = AgSource { ag, tree: AgTree::Refcountbt };
    if let Some(right) = right.filter(|right| right.start == end(&new)) {
        delete(tx, ag, &right)?;
        merged.len += right.len;
    }
    match left.filter(|left| end(left) == start) {
        Some(left) => {
            let mut cursor = Cursor::new(Refcountbt(ag));
            cursor.seek_le(tx, &left.raw_start())?;
            cursor.update(tx, &RefcountRec { len: left.len + merged.len, ..left })
        }
        None => Cursor::new(Refcountbt(ag)).insert(tx, &mut source, &merged),
    }
}

/// Notes staging blocks as that no longer.
///
/// # Errors
/// Corruption when they are not noted; those of changing the tree.
pub fn unstage(tx: &mut Transaction<'_>, ag: AgNumber, start: AgBlock, len_fsblocks: u32) -> Result<()> {
    agfl::fix(tx, ag)?;
    let gone = RefcountRec { cow: true, start, len: len_fsblocks, refcount: 1 };
    let mut cursor = Cursor::new(Refcountbt(ag));
    let rec = cursor.seek_le(tx, &gone.raw_start())?.filter(|rec| rec.cow);
    let Some(rec) = rec.filter(|rec| rec.start <= start && end(rec) >= end(&gone)) else {
        return Err(staging_problem(ag, start, "no record of a staging extent"));
    };
    check_staging(tx, ag, &rec)?;
    let before = RefcountRec { len: start.0 - rec.start.0, ..rec };
    let after = RefcountRec { start: end(&gone), len: end(&rec).0 - end(&gone).0, ..rec };
    let mut source = AgSource { ag, tree: AgTree::Refcountbt };
    match (before.len > 0, after.len > 0) {
        (false, false) => cursor.delete(tx, &mut source),
        (true, false) => cursor.update(tx, &before),
        (false, true) => cursor.update(tx, &after),
        (true, true) => {
            cursor.update(tx, &before)?;
            cursor.insert(tx, &mut source, &after)
        }
    }
}

/// The first staging extent of an AG.
///
/// # Errors
/// Those of reading the tree; corruption when the extent lies outside the AG.
pub fn first_staging(tx: &mut Transaction<'_>, ag: AgNumber) -> Result<Option<RefcountRec>> {
    let found = Cursor::new(Refcountbt(ag)).seek_ge(tx, &RefcountRec::COW_FLAG)?.filter(|rec| rec.cow);
    if let Some(rec) = &found {
        check_staging(tx, ag, rec)?;
    }
    Ok(found)
}

fn staging_problem(ag: AgNumber, start: AgBlock, rule: &'static str) -> Error {
    Error::corrupt("refcountbt", Place::agblock(ag, start), Problem::Rule(rule))
}

fn check_staging(tx: &Transaction<'_>, ag: AgNumber, rec: &RefcountRec) -> Result<()> {
    if rec.refcount == 1 && tx.geometry().is_valid_ag_extent(ag, rec.start, rec.len) {
        return Ok(());
    }
    Err(staging_problem(ag, rec.start, "staging extent is out of bounds"))
}

fn delete(tx: &mut Transaction<'_>, ag: AgNumber, rec: &RefcountRec) -> Result<()> {
    let mut cursor = Cursor::new(Refcountbt(ag));
    cursor.seek_le(tx, &rec.raw_start())?;
    cursor.delete(tx, &mut AgSource { ag, tree: AgTree::Refcountbt })
}

fn adjust(
    tx: &mut Transaction<'_>,
    ag: AgNumber,
    start: AgBlock,
    len_fsblocks: u32,
    change: impl Fn(u32) -> u32,
) -> Result<Vec<(AgBlock, u32)>> {
    agfl::fix(tx, ag)?;
    let old = touching(tx, ag, start, len_fsblocks)?;
    let (new, unreferenced) = recount(&old, start, start.plus(len_fsblocks), change);
    replace(tx, ag, &old, &new)?;
    Ok(unreferenced)
}

/// Shared records that overlap an extent or touch its ends, whole.
fn touching(
    tx: &mut Transaction<'_>,
    ag: AgNumber,
    start: AgBlock,
    len_fsblocks: u32,
) -> Result<Vec<RefcountRec>> {
    let until = start.plus(len_fsblocks);
    let mut cursor = Cursor::new(Refcountbt(ag));
    let mut next = match cursor.seek_le(tx, &start.0)? {
        // The record before the extent touches it when it ends where the extent starts.
        Some(rec) if rec.start == start => match cursor.prev(tx)? {
            Some(before) if end(&before) == start => Some(before),
            Some(_) => cursor.next(tx)?,
            None => cursor.seek_first(tx)?,
        },
        Some(rec) if end(&rec) >= start => Some(rec),
        Some(_) => cursor.next(tx)?,
        None => cursor.seek_first(tx)?,
    };
    let mut records = Vec::new();
    while let Some(rec) = next.filter(|rec| !rec.cow && rec.start <= until) {
        let is_inside = tx.geometry().is_valid_ag_extent(ag, rec.start, rec.len);
        if !is_inside || rec.refcount < 2 || records.last().is_some_and(|last| end(last) > rec.start) {
            let problem = Problem::Rule("overlapping, single-owner or out-of-bounds record");
            return Err(Error::corrupt("refcountbt", Place::agblock(ag, rec.start), problem));
        }
        records.push(rec);
        next = cursor.next(tx)?;
    }
    Ok(records)
}

/// Applies `change` to every count between `from` and `to`. Returns the new records, and what fell to nothing.
fn recount(
    old: &[RefcountRec],
    from: AgBlock,
    to: AgBlock,
    change: impl Fn(u32) -> u32,
) -> (Vec<RefcountRec>, Vec<(AgBlock, u32)>) {
    let mut new: Vec<RefcountRec> = Vec::new();
    let mut unreferenced: Vec<(AgBlock, u32)> = Vec::new();
    let mut add = |start: AgBlock, end_block: AgBlock, refcount: u32| {
        let len = end_block.0.saturating_sub(start.0);
        match refcount {
            _ if len == 0 => {}
            0 => unreferenced.push((start, len)),
            1 => {}
            _ => match new.last_mut() {
                Some(last) if end(last) == start && last.refcount == refcount => last.len += len,
                _ => new.push(RefcountRec { cow: false, start, len, refcount }),
            },
        }
    };
    let mut at = from;
    for rec in old {
        let (inner_start, inner_end) = (rec.start.max(from), end(rec).min(to));
        if inner_start >= inner_end {
            // Outside, merely touching. One behind the extent comes after the extent's own rest.
            if rec.start >= to {
                add(at, to, change(1));
                at = to;
            }
            add(rec.start, end(rec), rec.refcount);
            continue;
        }
        add(rec.start, inner_start, rec.refcount);
        add(at, inner_start, change(1));
        add(inner_start, inner_end, change(rec.refcount));
        at = inner_end;
        if end(rec) > to {
            add(to, end(rec), rec.refcount);
        }
    }
    add(at, to, change(1));
    (new, unreferenced)
}

/// Turns the records `old` into `new`, touching only those that differ.
fn replace(tx: &mut Transaction<'_>, ag: AgNumber, old: &[RefcountRec], new: &[RefcountRec]) -> Result<()> {
    let mut source = AgSource { ag, tree: AgTree::Refcountbt };
    let mut cursor = Cursor::new(Refcountbt(ag));
    for rec in old.iter().filter(|rec| new.iter().all(|other| other.start != rec.start)) {
        cursor.seek_le(tx, &rec.start.0)?;
        cursor.delete(tx, &mut source)?;
    }
    for rec in new.iter().filter(|rec| !old.contains(rec)) {
        if old.iter().any(|other| other.start == rec.start) {
            cursor.seek_le(tx, &rec.start.0)?;
            cursor.update(tx, rec)?;
        } else {
            cursor.insert(tx, &mut source, rec)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `recount` against an array with one count per block.
    #[test]
    fn recount_agrees_with_counting_each_block() {
        let mut seed = 1_u64;
        let mut random = move |bound: u64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed % bound) as u32
        };
        for _ in 0..3000 {
            let counts: Vec<u32> = (0..30).map(|_| 1 + random(3)).collect();
            let from = random(25);
            let to = from + 1 + random(5);
            let up = random(2) == 0;
            let change = |count: u32| if up { count + 1 } else { count - 1 };
            let all = records(&counts);
            let touching =
                all.iter().filter(|rec| rec.start.0 <= to && end(rec).0 >= from).copied().collect::<Vec<_>>();
            let (new, unreferenced) = recount(&touching, AgBlock(from), AgBlock(to), change);
            let after: Vec<u32> = (0_u32..)
                .zip(&counts)
                .map(|(block, &count)| if (from..to).contains(&block) { change(count) } else { count })
                .collect();
            let mut expected: Vec<_> = all.into_iter().filter(|rec| !touching.contains(rec)).collect();
            expected.extend(&new);
            expected.sort_by_key(|rec| rec.start);
            assert_eq!(expected, records(&after));
            let gone: u32 = unreferenced.iter().map(|&(_, len)| len).sum();
            assert_eq!(gone as usize, after.iter().filter(|&&count| count == 0).count());
        }
    }

    fn records(counts: &[u32]) -> Vec<RefcountRec> {
        let mut records: Vec<RefcountRec> = Vec::new();
        for (block, &refcount) in (0_u32..).zip(counts) {
            match records.last_mut() {
                Some(last) if end(last).0 == block && last.refcount == refcount => last.len += 1,
                _ if refcount < 2 => {}
                _ => records.push(RefcountRec { cow: false, start: AgBlock(block), len: 1, refcount }),
            }
        }
        records
    }
}
