//! The extents of a file as they are shown to the outside.

use alloc::vec::Vec;
use core::ops::Range;

use super::file::File;
use crate::btree::Cursor;
use crate::btree::refcount::Refcountbt;
use crate::error::{Error, Place, Problem, Result};
use crate::format::extent::Extent;
use crate::format::inode::Flags2;
use crate::inode::Inode;
use crate::inode::fork::{FILE_END, Fork, extents_from};
use crate::journal::Transaction;
use crate::sort;
use crate::units::{AgBlock, AgNumber, FileBlock};

/// Where an extent of a file lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtentPlace {
    /// On disk.
    Disk {
        /// Allocation group.
        ag: AgNumber,
        /// First block in it.
        agblock: AgBlock,
    },
    /// Only in memory so far: space is reserved, blocks are chosen at writeback.
    Delalloc,
}

/// A run of blocks of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileExtent {
    /// First block of the file, in fsblocks.
    pub offset_fsblocks: u64,
    /// Length in fsblocks.
    pub len_fsblocks: u64,
    /// Where it lies.
    pub place: ExtentPlace,
    /// Allocated but never written: reads as zeros.
    pub unwritten: bool,
    /// Another file, or another part of this one, uses the same blocks.
    pub shared: bool,
}

/// The extents of a file's data fork as they are on disk, cut where sharing begins or ends.
///
/// # Errors
/// [`Error::Unsupported`] for a realtime file; [`Error::Corrupt`]; those of the device.
pub fn on_disk(tx: &mut Transaction<'_>, inode: &Inode) -> Result<Vec<FileExtent>> {
    if inode.is_realtime() {
        return Err(Error::unsupported("file on the realtime device"));
    }
    let mut shown = Vec::new();
    let mut from = FileBlock(0);
    loop {
        let extents = extents_from(tx, inode, Fork::Data, from..FILE_END)?;
        let Some(last) = extents.last() else { return Ok(shown) };
        from = last.file_end();
        for extent in &extents {
            if extent.unwritten || !inode.core.flags2().contains(Flags2::REFLINK) {
                shown.push(show(tx, extent, false));
            } else {
                cut_by_sharing(tx, extent, &mut shown)?;
            }
        }
    }
}

fn show(tx: &Transaction<'_>, extent: &Extent, shared: bool) -> FileExtent {
    let (ag, agblock) = tx.geometry().split(extent.start);
    FileExtent {
        offset_fsblocks: extent.file_block.0,
        len_fsblocks: extent.len.into(),
        place: ExtentPlace::Disk { ag, agblock },
        unwritten: extent.unwritten,
        shared,
    }
}

fn cut_by_sharing(tx: &mut Transaction<'_>, extent: &Extent, shown: &mut Vec<FileExtent>) -> Result<()> {
    let (ag, agblock) = tx.geometry().split(extent.start);
    let runs = shared_runs(tx, ag, agblock..agblock.plus(extent.len))?;
    let mut done = 0;
    for run in runs {
        let (start, end) = (run.start.0 - agblock.0, run.end.0 - agblock.0);
        if start > done {
            shown.push(show(tx, &extent.part(done, start - done), false));
        }
        shown.push(show(tx, &extent.part(start, end - start), true));
        done = end;
    }
    if done < extent.len {
        shown.push(show(tx, &extent.part(done, extent.len - done), false));
    }
    Ok(())
}

/// The parts of `range` that have more than one owner, in order, neighbours joined.
///
/// # Errors
/// [`Error::Corrupt`]; those of the device.
pub fn shared_runs(
    tx: &mut Transaction<'_>,
    ag: AgNumber,
    range: Range<AgBlock>,
) -> Result<Vec<Range<AgBlock>>> {
    let mut cursor = Cursor::new(Refcountbt(ag));
    let mut runs: Vec<Range<AgBlock>> = Vec::new();
    let mut next = match cursor.seek_le(tx, &range.start.0)? {
        Some(rec) => Some(rec),
        None => cursor.seek_first(tx)?,
    };
    let mut earliest = AgBlock(0);
    while let Some(rec) = next.filter(|rec| !rec.cow && rec.start < range.end) {
        let end = rec.start.plus(rec.len);
        if rec.start < earliest || end <= rec.start {
            let place = Place::agblock(ag, rec.start);
            return Err(Error::corrupt(
                "refcountbt",
                place,
                Problem::Rule("records overlap or are out of order"),
            ));
        }
        earliest = end;
        let run = rec.start.max(range.start)..end.min(range.end);
        match runs.last_mut() {
            _ if run.is_empty() => {}
            Some(last) if last.end == run.start => last.end = run.end,
            _ => runs.push(run),
        }
        next = cursor.next(tx)?;
    }
    Ok(runs)
}

/// Adds what waits for writeback to the extents on disk. Over a hole it stands alone; over shared blocks it stands
/// beside the extent that it will take the place of.
pub fn add_delalloc(extents: &mut Vec<FileExtent>, file: &File) {
    for range in file.delalloc.iter().chain(file.overwrite.iter()) {
        extents.push(FileExtent {
            offset_fsblocks: range.start,
            len_fsblocks: range.end - range.start,
            place: ExtentPlace::Delalloc,
            unwritten: false,
            shared: false,
        });
    }
    sort::by_number(extents, |extent| extent.offset_fsblocks);
}
