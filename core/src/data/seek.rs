//! Where a file has data and where it has holes.

use super::file::File;
use crate::btree::bmap::Fork;
use crate::error::Result;
use crate::inode::bmap;
use crate::journal::Transaction;
use crate::units::{FileBlock, Ino};

/// What to look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seek {
    /// Something that was written.
    Data,
    /// Something that reads as zeros because nothing was; the end of the file counts.
    Hole,
}

/// The first byte at or behind `offset` that is what is looked for, in a file of `size` bytes; `None` when there is none.
/// Preallocated blocks without data count as holes.
///
/// # Errors
/// Those of reading the file's extents.
pub fn seek(
    tx: &mut Transaction<'_>,
    ino: Ino,
    file: Option<&File>,
    size: u64,
    offset: u64,
    wanted: Seek,
) -> Result<Option<u64>> {
    if offset >= size {
        return Ok(None);
    }
    let geometry = tx.geometry().clone();
    let end = geometry.file_block_up(size);
    let mut at = geometry.file_block(offset);
    while at < end {
        let (is_data, until) = state(tx, ino, file, at, geometry.blocksize as usize)?;
        if is_data == (wanted == Seek::Data) {
            return Ok(Some(geometry.file_byte(at).max(offset)));
        }
        at = until.unwrap_or(end);
    }
    Ok((wanted == Seek::Hole).then_some(size))
}

/// Whether a block holds data, and up to where at least that is so; `None` when nothing follows.
fn state(
    tx: &mut Transaction<'_>,
    ino: Ino,
    file: Option<&File>,
    at: FileBlock,
    bs: usize,
) -> Result<(bool, Option<FileBlock>)> {
    if let Some(run) = file.and_then(|file| file.dirty.at(at, bs)) {
        return Ok((true, Some(at.plus((run.len() / bs) as u64))));
    }
    let dirty = file.and_then(|file| file.dirty.next(at, bs));
    let found = bmap::lookup(tx, ino, Fork::Data, at)?;
    let (is_data, until) = match found {
        Some(extent) if extent.file_block <= at => (!extent.unwritten, Some(extent.file_end())),
        next => (false, next.map(|extent| extent.file_block)),
    };
    Ok((is_data, [until, dirty].into_iter().flatten().min()))
}
