//! Changing the entries of one leaf.
//!
//! An entry whose name is gone stays behind, stale, with its hash. The next one that comes to stand near takes its
//! place, so that little has to be moved.
//!
//! Source: "Leaf Directories".

use core::mem::offset_of;

use crate::error::{Problem, Result};
use crate::format::dir::Dataptr;
use crate::format::dir::leaf::{LEAF_HEADER_BYTES, LeafEntry, LeafHeader};
use crate::format::header::{be_u16, put};
use crate::journal::{Locator, Transaction};

const COUNT_AT: usize = offset_of!(LeafHeader, count);
const STALE_AT: usize = offset_of!(LeafHeader, stale);

/// Where the entry at `index` stands.
pub(super) const fn entry_at(index: usize) -> usize {
    LEAF_HEADER_BYTES + index * LeafEntry::BYTES
}

/// Entries that a leaf of `len` bytes can hold, without a table of unused regions.
pub(super) const fn max_entries(len: usize) -> usize {
    (len - LEAF_HEADER_BYTES) / LeafEntry::BYTES
}

/// Number of entries, stale ones included, and of stale ones. The caller has looked at the leaf before.
fn counts(bytes: &[u8]) -> (usize, usize) {
    (be_u16(bytes, COUNT_AT).into(), be_u16(bytes, STALE_AT).into())
}

fn get(bytes: &[u8], index: usize) -> LeafEntry {
    LeafEntry::decode(&bytes[entry_at(index)..])
}

fn is_stale(bytes: &[u8], index: usize) -> bool {
    get(bytes, index).is_stale()
}

pub(super) fn set_counts(tx: &mut Transaction<'_>, leaf: &Locator, count: usize, stale: usize) -> Result<()> {
    let bytes = tx.modify(leaf, COUNT_AT..STALE_AT + 2)?;
    put(bytes, COUNT_AT, &(count as u16).to_be_bytes());
    put(bytes, STALE_AT, &(stale as u16).to_be_bytes());
    Ok(())
}

/// Writes entries from `index` on.
pub(super) fn put_entries(
    tx: &mut Transaction<'_>,
    leaf: &Locator,
    index: usize,
    entries: impl ExactSizeIterator<Item = LeafEntry>,
) -> Result<()> {
    let end = entry_at(index + entries.len());
    let bytes = tx.modify(leaf, entry_at(index)..end)?;
    for (offset, entry) in entries.enumerate() {
        entry.encode(&mut bytes[entry_at(index + offset)..]);
    }
    Ok(())
}

/// The stale entry that is nearest to where an entry would be put before `index`.
fn nearest_stale(index: usize, count: usize, is_stale: impl Fn(usize) -> bool) -> Option<usize> {
    let low = (0..index).rev().find(|&at| is_stale(at));
    // No farther than the one found already.
    let end = low.map_or(count, |low| count.min(index + (index - low)));
    let high = (index..end).find(|&at| is_stale(at));
    high.filter(|&high| low.is_none_or(|low| high - index < index - low)).or(low)
}

/// Puts an entry before the one at `index`. There must be a stale one, or room for one more before byte `end`.
pub(super) fn insert(
    tx: &mut Transaction<'_>,
    leaf: &Locator,
    index: usize,
    entry: LeafEntry,
    end: usize,
) -> Result<(), Failure> {
    let bytes = tx.read(leaf)?;
    let (count, stale) = counts(bytes);
    if stale == 0 {
        // Where the leaf counted more stale entries than it has, room was found that is not there.
        if entry_at(count + 1) > end {
            return Err(Problem::Rule("a leaf has fewer stale entries than it counts").into());
        }
        let bytes = tx.modify(leaf, entry_at(index)..entry_at(count + 1))?;
        bytes.copy_within(entry_at(index)..entry_at(count), entry_at(index + 1));
        entry.encode(&mut bytes[entry_at(index)..]);
        return Ok(set_counts(tx, leaf, count + 1, 0)?);
    }
    let nearest = nearest_stale(index, count, |at| is_stale(bytes, at));
    let gap = nearest.ok_or(Problem::Rule("no stale entry in a leaf that counts some"))?;
    if gap < index {
        // What stands between moves down, and the entry comes right behind it.
        let bytes = tx.modify(leaf, entry_at(gap)..entry_at(index))?;
        bytes.copy_within(entry_at(gap + 1)..entry_at(index), entry_at(gap));
        entry.encode(&mut bytes[entry_at(index - 1)..]);
    } else {
        let bytes = tx.modify(leaf, entry_at(index)..entry_at(gap + 1))?;
        bytes.copy_within(entry_at(index)..entry_at(gap), entry_at(index + 1));
        entry.encode(&mut bytes[entry_at(index)..]);
    }
    Ok(set_counts(tx, leaf, count, stale - 1)?)
}

/// Removes all stale entries but the one nearest to `index`. Returns what `index` has become.
pub(super) fn compact_but_one(tx: &mut Transaction<'_>, leaf: &Locator, index: usize) -> Result<usize> {
    let bytes = tx.read(leaf)?;
    let (count, _) = counts(bytes);
    let kept = nearest_stale(index, count, |at| is_stale(bytes, at));
    let mut entries = alloc::vec::Vec::with_capacity(count);
    let mut new_index = 0;
    for at in 0..count {
        if at == index {
            new_index = entries.len();
        }
        let entry = get(bytes, at);
        if !entry.is_stale() || kept == Some(at) {
            entries.push(entry);
        }
    }
    if index >= count {
        new_index = entries.len();
    }
    set_counts(tx, leaf, entries.len(), usize::from(kept.is_some()))?;
    put_entries(tx, leaf, 0, entries.into_iter())?;
    Ok(new_index)
}

/// Removes all stale entries. Returns how many entries are left.
pub(super) fn compact(tx: &mut Transaction<'_>, leaf: &Locator) -> Result<usize> {
    let bytes = tx.read(leaf)?;
    let (count, stale) = counts(bytes);
    if stale == 0 {
        return Ok(count);
    }
    let all = (0..count).map(|at| get(bytes, at));
    let live: alloc::vec::Vec<_> = all.filter(|entry| !entry.is_stale()).collect();
    let len = live.len();
    set_counts(tx, leaf, len, 0)?;
    put_entries(tx, leaf, 0, live.into_iter())?;
    Ok(len)
}

/// Makes the entry at `index` stale.
pub(super) fn make_stale(tx: &mut Transaction<'_>, leaf: &Locator, index: usize) -> Result<()> {
    let at = entry_at(index);
    let bytes = tx.modify(leaf, at..at + LeafEntry::BYTES)?;
    let (count, stale) = counts(bytes);
    let entry = get(bytes, index);
    LeafEntry { address: Dataptr(0), ..entry }.encode(&mut bytes[at..]);
    set_counts(tx, leaf, count, stale + 1)
}

/// Why a leaf was not changed.
pub(super) enum Failure {
    /// What it holds cannot be.
    Problem(Problem),
    /// Anything else.
    Error(crate::Error),
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<crate::Error> for Failure {
    fn from(error: crate::Error) -> Self {
        Self::Error(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_stale_entry_is_found_on_either_side() {
        let stale = |set: &'static [usize]| move |at: usize| set.contains(&at);
        assert_eq!(nearest_stale(5, 10, stale(&[])), None);
        assert_eq!(nearest_stale(5, 10, stale(&[0])), Some(0));
        assert_eq!(nearest_stale(5, 10, stale(&[9])), Some(9));
        assert_eq!(nearest_stale(5, 10, stale(&[4, 5])), Some(5));
        assert_eq!(nearest_stale(5, 10, stale(&[3, 7])), Some(3));
        assert_eq!(nearest_stale(10, 10, stale(&[2])), Some(2));
        assert_eq!(nearest_stale(0, 10, stale(&[7])), Some(7));
    }
}
