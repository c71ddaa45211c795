//! The extents of a fork, read: from the list in the inode or by descending its bmbt.
//!
//! Every record is checked before it is handed out, and handed out in strictly rising order, each tree block being
//! held to the range of keys that its parent gave it. So whatever the bytes say, a walk ends, and no block of the
//! tree is met twice.
//!
//! Source: "Data Extents", "Extent B+tree".

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::{ControlFlow, Range};

use super::view::Inode;
pub use crate::btree::bmap::Fork;
use crate::error::{Error, Place, Problem, Result};
use crate::format::BlockKind;
use crate::format::btree::{LEVEL_AT, LONG_HEADER_BYTES, NUMRECS_AT};
use crate::format::extent::Extent;
use crate::format::header::{be_u16, be_u64};
use crate::format::inode::fork_format;
use crate::geometry::Geometry;
use crate::journal::{Locator, Transaction};
use crate::units::{FileBlock, FsBlock};

/// Behind the last block that a file can have.
pub const FILE_END: FileBlock = FileBlock(1 << 54);

/// Levels that a bmbt can have at most, generously: the number only bounds work on damaged bytes.
const MAX_LEVELS: u16 = 16;

/// The extent that holds file block `at`, or else the first one behind it.
///
/// # Errors
/// [`Error::Corrupt`]; those of the device.
pub fn map_at(tx: &mut Transaction<'_>, inode: &Inode, fork: Fork, at: FileBlock) -> Result<Option<Extent>> {
    Ok(batch(tx, inode, fork, at..FILE_END, 1)?.into_iter().next())
}

/// Some extents that touch `range`, in order, untrimmed: at least one unless there is none. The next call continues
/// behind the last one.
///
/// # Errors
/// [`Error::Corrupt`]; those of the device.
pub fn extents_from(
    tx: &mut Transaction<'_>,
    inode: &Inode,
    fork: Fork,
    range: Range<FileBlock>,
) -> Result<Vec<Extent>> {
    batch(tx, inode, fork, range, usize::MAX)
}

/// Hands every extent that ends behind `from` to `visit`, in order, until that says to stop.
///
/// # Errors
/// [`Error::Corrupt`]; those of the device and of `visit`.
pub fn for_each_extent(
    tx: &mut Transaction<'_>,
    inode: &Inode,
    fork: Fork,
    from: FileBlock,
    mut visit: impl FnMut(Extent) -> Result<ControlFlow<()>>,
) -> Result<()> {
    let mut from = from;
    loop {
        let extents = extents_from(tx, inode, fork, from..FILE_END)?;
        let Some(last) = extents.last() else { return Ok(()) };
        from = last.file_end();
        for extent in extents {
            if visit(extent)?.is_break() {
                return Ok(());
            }
        }
    }
}

fn batch(
    tx: &mut Transaction<'_>,
    inode: &Inode,
    fork: Fork,
    range: Range<FileBlock>,
    max: usize,
) -> Result<Vec<Extent>> {
    let bytes = inode.fork(fork);
    match inode.fork_format(fork) {
        fork_format::EXTENTS => {
            let count = usize::try_from(inode.nextents(fork)).unwrap_or(usize::MAX);
            let len = count.saturating_mul(Extent::BYTES).min(bytes.len());
            let records = Records { bytes: &bytes[..len], keys: FileBlock(0)..FILE_END, fork };
            records
                .select(tx.geometry(), &range, max)
                .map_err(|(problem, at)| damaged("extent list", inode, at, problem))
        }
        fork_format::BTREE => {
            let mut from = range.start;
            // A leaf may end before `from`, which then lies in a hole: the next leaf has the answer.
            for _ in 0..2 {
                let (extents, next) = leaf(tx, inode, fork, from..range.end, max)?;
                if !extents.is_empty() || next >= range.end {
                    return Ok(extents);
                }
                from = next;
            }
            Err(damaged("bmbt", inode, from, Problem::Rule("leaf has no record for its key")))
        }
        _ => Ok(Vec::new()),
    }
}

/// Extents that touch `range`, out of the one leaf that `range` starts in, and the key behind that leaf.
fn leaf(
    tx: &mut Transaction<'_>,
    inode: &Inode,
    fork: Fork,
    range: Range<FileBlock>,
    max: usize,
) -> Result<(Vec<Extent>, FileBlock)> {
    let root = inode.fork(fork);
    let level = be_u16(root, 0);
    let fail = |problem| damaged("bmbt root", inode, range.start, problem);
    if level == 0 || level > MAX_LEVELS {
        return Err(fail(Problem::Bounds { field: "level", found: level.into() }));
    }
    let maxrecs = root.len().saturating_sub(4) / 16;
    let node = Node { bytes: root, header: 4, maxrecs, numrecs: be_u16(root, 2).into() };
    let mut keys = FileBlock(0)..FILE_END;
    let mut child = node.child(range.start, &mut keys).map_err(fail)?;
    let geometry = Arc::clone(tx.geometry());
    let (blocksize, owner) = (geometry.blocksize, inode.ino.0);
    let maxrecs = (blocksize as usize - LONG_HEADER_BYTES) / 16;
    for level in (0..level).rev() {
        if !geometry.is_valid_extent(child, 1) {
            return Err(damaged(
                "bmbt",
                inode,
                keys.start,
                Problem::Bounds { field: "pointer", found: child.0 },
            ));
        }
        let daddr = geometry.daddr(child);
        let at = Locator::new(&[BlockKind::Bmbt], daddr, blocksize, Some(owner));
        let bytes = tx.read(&at)?;
        let first = keys.start;
        let fail = |problem| {
            let place = Place::file_block(inode.ino, first).at(daddr);
            Error::corrupt("bmbt", place, problem)
        };
        let (found, numrecs) = (be_u16(bytes, LEVEL_AT), be_u16(bytes, NUMRECS_AT));
        if found != level {
            let (expected, found) = (level.into(), found.into());
            return Err(fail(Problem::Value { field: "level", expected, found }));
        }
        if numrecs == 0 || usize::from(numrecs) > maxrecs {
            return Err(fail(Problem::Bounds { field: "numrecs", found: numrecs.into() }));
        }
        if level == 0 {
            let end = LONG_HEADER_BYTES + usize::from(numrecs) * Extent::BYTES;
            let records = Records { bytes: &bytes[LONG_HEADER_BYTES..end], keys: keys.clone(), fork };
            check_first(first, records.get(0).file_block).map_err(fail)?;
            let extents = records.select(&geometry, &range, max);
            return Ok((extents.map_err(|(problem, _)| fail(problem))?, keys.end));
        }
        let node = Node { bytes, header: LONG_HEADER_BYTES, maxrecs, numrecs: numrecs.into() };
        check_first(first, node.key(0)).map_err(fail)?;
        child = node.child(range.start, &mut keys).map_err(fail)?;
    }
    Err(fail(Problem::Rule("no leaf")))
}

/// The key that leads to a block is the first one in it.
fn check_first(key: FileBlock, first: FileBlock) -> Result<(), Problem> {
    if key == first {
        return Ok(());
    }
    Err(Problem::Value { field: "first key", expected: key.0, found: first.0 })
}

fn damaged(structure: &'static str, inode: &Inode, at: FileBlock, problem: Problem) -> Error {
    Error::corrupt(structure, Place::file_block(inode.ino, at), problem)
}

/// An interior block of a bmbt, or its root.
struct Node<'a> {
    bytes: &'a [u8],
    /// Bytes before the keys.
    header: usize,
    maxrecs: usize,
    numrecs: usize,
}

impl Node<'_> {
    fn key(&self, index: usize) -> FileBlock {
        FileBlock(be_u64(self.bytes, self.header + index * 8))
    }

    /// The child to descend into for `at`; narrows `keys` to those of that child.
    fn child(&self, at: FileBlock, keys: &mut Range<FileBlock>) -> Result<FsBlock, Problem> {
        if self.numrecs == 0 || self.numrecs > self.maxrecs {
            return Err(Problem::Bounds { field: "numrecs", found: self.numrecs as u64 });
        }
        let (mut low, mut high) = (0, self.numrecs);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.key(middle) <= at { low = middle } else { high = middle }
        }
        let start = self.key(low);
        let end = if high < self.numrecs { self.key(high) } else { keys.end };
        if start < keys.start || start >= end || end > keys.end {
            return Err(Problem::Bounds { field: "key", found: start.0 });
        }
        *keys = start..end;
        Ok(FsBlock(be_u64(self.bytes, self.header + self.maxrecs * 8 + low * 8)))
    }
}

/// A run of extent records, all of which must lie in `keys`.
struct Records<'a> {
    bytes: &'a [u8],
    keys: Range<FileBlock>,
    fork: Fork,
}

impl Records<'_> {
    fn get(&self, index: usize) -> Extent {
        Extent::decode(&self.bytes[index * Extent::BYTES..])
    }

    /// At most `max` extents that touch `range`, checked; an error comes with the file block where it was met.
    fn select(
        &self,
        geometry: &Geometry,
        range: &Range<FileBlock>,
        max: usize,
    ) -> Result<Vec<Extent>, (Problem, FileBlock)> {
        let count = self.bytes.len() / Extent::BYTES;
        // The first record that ends behind the start of the range.
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.get(middle).file_end() <= range.start { low = middle + 1 } else { high = middle }
        }
        let mut end = if low == 0 { self.keys.start } else { self.get(low - 1).file_end() };
        let mut extents = Vec::new();
        for index in low..count {
            let extent = self.get(index);
            if extents.len() == max || extent.file_block >= range.end {
                break;
            }
            if let Some(problem) = self.problem(geometry, &extent, end, range.start) {
                return Err((problem, extent.file_block));
            }
            end = extent.file_end();
            extents.push(extent);
        }
        Ok(extents)
    }

    fn problem(
        &self,
        geometry: &Geometry,
        extent: &Extent,
        earliest: FileBlock,
        after: FileBlock,
    ) -> Option<Problem> {
        if extent.file_block < earliest || extent.file_end() <= after || extent.file_end() > self.keys.end {
            Some(Problem::Bounds { field: "startoff", found: extent.file_block.0 })
        } else if !geometry.is_valid_extent(extent.start, extent.len) {
            Some(Problem::Bounds { field: "startblock", found: extent.start.0 })
        } else if extent.unwritten && self.fork == Fork::Attr {
            Some(Problem::Rule("unwritten extent in an attribute fork"))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests;
