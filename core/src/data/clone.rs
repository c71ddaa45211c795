//! Cloning: two files come to share blocks.
//!
//! The rules of what may be cloned are those of Linux's FICLONE and FICLONERANGE.

use super::file::Files;
use super::reflink;
use super::truncate::{cut_off, release, zero_old_tail};
use super::write::{check_reserved, drop_behind_end};
use crate::btree::bmap::Fork;
use crate::error::{Error, Mistake, Result};
use crate::format::extent::Extent;
use crate::format::inode::{Dinode, FileType, Flags, Flags2};
use crate::format::time::Timestamp;
use crate::geometry::Geometry;
use crate::inode::bmap;
use crate::inode::core::{core, core_mut};
use crate::journal::{Store, Transaction};
use crate::units::{FileBlock, Ino, MAX_FILE_BYTES};

/// What to clone where, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloneRange {
    /// File to share from.
    pub source: Ino,
    /// First byte there; a multiple of the block size.
    pub source_offset: u64,
    /// File to share into.
    pub target: Ino,
    /// First byte there; a multiple of the block size.
    pub target_offset: u64,
    /// Number of bytes: a multiple of the block size, or up to the source's end. 0 means up to the source's end.
    pub len_bytes: u64,
}

/// Makes part of `range.target` share the blocks of part of `range.source`. Both must be written back already.
///
/// # Errors
/// [`Error::Invalid`] where Linux answers EINVAL, EPERM or EISDIR; [`Error::Unsupported`] on volumes without
/// reflink. Nothing has changed then. [`Error::NoSpace`] and those of the device: where so many extents are cloned that
/// it took several transactions, the first part of what the target had before may be replaced already.
pub fn clone_range(store: &mut Store, files: &mut Files, range: CloneRange, now: Timestamp) -> Result<()> {
    let geometry = store.geometry().clone();
    let Some(range) = check(store, &geometry, range)? else { return Ok(()) };
    let target_size = core(&mut Transaction::new(store), range.target)?.size.get();
    if range.target_offset > target_size {
        zero_old_tail(store, files, range.target, target_size)?;
        drop_behind_end(store, range.target, target_size, geometry.file_block(range.target_offset))?;
    }
    let mut next = Some(range.source_offset);
    while let Some(from) = next {
        match step(store, files, &geometry, &range, from, now) {
            Ok(later) => next = later,
            Err(error) => {
                // What earlier steps put behind the target's old end can be taken back.
                if from > range.source_offset && range.target_offset >= target_size {
                    let _ = cut_off(store, files, range.target, target_size, None, now);
                }
                return Err(error);
            }
        }
    }

    // Staging for blocks that are no longer there is of no use.
    let first = geometry.file_block(range.target_offset);
    if files.get(range.target).is_some() {
        let size = target_size.max(range.target_offset + range.len_bytes);
        let dropped = files.change(&geometry, range.target, size, |file| {
            file.size = file.size.max(size);
            file.staging.split_off(first)
        });
        release(store, dropped.into_iter());
    }
    Ok(())
}

/// One transaction of a clone, from byte `from` of the source on. Returns where to go on.
fn step(
    store: &mut Store,
    files: &Files,
    geometry: &Geometry,
    range: &CloneRange,
    from: u64,
    now: Timestamp,
) -> Result<Option<u64>> {
    let mut tx = Transaction::new(store);
    reflink::set(&mut tx, range.source)?;
    reflink::set(&mut tx, range.target)?;
    let next = share_some(&mut tx, geometry, range, from)?;
    finish_target(&mut tx, range, next, now)?;
    check_reserved(&mut tx, files)?;
    tx.commit()?;
    Ok(next)
}

/// The range with its length filled in; `None` when there is nothing to do.
fn check(store: &mut Store, geometry: &Geometry, range: CloneRange) -> Result<Option<CloneRange>> {
    let mut tx = Transaction::new(store);
    let (source, target) = (core(&mut tx, range.source)?, core(&mut tx, range.target)?);
    for file in [&source, &target] {
        match FileType::from_mode(file.mode.get()) {
            Some(FileType::Regular) => {}
            Some(FileType::Directory) => return Err(Mistake::IsADirectory.into()),
            _ => return Err(Mistake::Argument("only regular files can share blocks").into()),
        }
        if file.flags().contains(Flags::REALTIME) {
            return Err(Error::unsupported("clone of a realtime file"));
        }
    }
    if !geometry.has_reflink() {
        return Err(Error::unsupported("clone on a volume without reflink"));
    }
    if target.flags().intersects(Flags::IMMUTABLE | Flags::APPEND) {
        return Err(Mistake::NotPermitted("target is immutable or append-only").into());
    }
    let bs = u64::from(geometry.blocksize);
    let (source_size, target_size) = (source.size.get(), target.size.get());
    if range.len_bytes == 0 && range.source_offset == source_size {
        // Nothing from the very end on: Linux looks at this before it looks at alignment.
        return Ok(None);
    }
    if !range.source_offset.is_multiple_of(bs) || !range.target_offset.is_multiple_of(bs) {
        return Err(Mistake::Argument("offsets must be multiples of the block size").into());
    }
    let rest = source_size.checked_sub(range.source_offset);
    let rest = rest.ok_or(Mistake::Argument("source range starts past the end of the file"))?;
    let len_bytes = if range.len_bytes == 0 { rest } else { range.len_bytes };
    if len_bytes > rest {
        return Err(Mistake::Argument("source range ends past the end of the file").into());
    }
    if len_bytes == 0 {
        return Ok(None);
    }
    let target_end = range.target_offset.checked_add(len_bytes).filter(|&end| end <= MAX_FILE_BYTES);
    let target_end = target_end.ok_or(Mistake::FileTooLarge)?;
    if !len_bytes.is_multiple_of(bs) && (len_bytes != rest || target_end < target_size) {
        return Err(Mistake::Argument("length must be a multiple of the block size").into());
    }
    let padded = len_bytes.next_multiple_of(bs);
    let apart = range.source_offset + padded <= range.target_offset
        || range.target_offset + padded <= range.source_offset;
    if range.source == range.target && !apart {
        return Err(Mistake::Argument("ranges of the same file overlap").into());
    }
    Ok(Some(CloneRange { len_bytes, ..range }))
}

/// Shares the blocks from byte `from` of the source on, until the transaction is full. Returns where to go on.
fn share_some(
    tx: &mut Transaction<'_>,
    geometry: &Geometry,
    range: &CloneRange,
    from: u64,
) -> Result<Option<u64>> {
    let (first, mut at) = (geometry.file_block(range.source_offset), geometry.file_block(from));
    let end = geometry.file_block_up(range.source_offset + range.len_bytes);
    let target = |block: FileBlock| geometry.file_block(range.target_offset).plus(block.since(first));
    while at < end {
        let found = bmap::lookup(tx, range.source, Fork::Data, at)?.and_then(|extent| extent.within(at, end));
        let until = match found {
            Some(extent) if extent.file_block > at => extent.file_block,
            Some(extent) => extent.file_end().min(at.plus(bmap::STEP_FSBLOCKS.into())),
            None => end,
        };
        let is_unwritten = found.is_some_and(|extent| extent.file_block == at && extent.unwritten);
        // What the target has there goes step by step too, so that no part of it is ever neither old nor new for long.
        if let Some(next) = make_room(tx, range.target, target(at), target(until), is_unwritten)? {
            let done = first.plus(next.since(target(first)));
            share_within(tx, range.target, found, (at, done), target(at))?;
            return Ok(Some(geometry.file_byte(done)));
        }
        share_within(tx, range.target, found, (at, until), target(at))?;
        at = until;
        if at < end && tx.is_full() {
            return Ok(Some(geometry.file_byte(at)));
        }
    }
    Ok(None)
}

/// Gives up what a target has at `from..to`, until the transaction is full. Returns where to go on. Unwritten blocks stay
/// where the source has unwritten ones too: Linux leaves what reads as zeros on both sides alone.
fn make_room(
    tx: &mut Transaction<'_>,
    ino: Ino,
    from: FileBlock,
    to: FileBlock,
    is_unwritten: bool,
) -> Result<Option<FileBlock>> {
    if !is_unwritten {
        return bmap::unmap_some(tx, ino, Fork::Data, from, to);
    }
    let mut at = from;
    while let Some(extent) = bmap::lookup(tx, ino, Fork::Data, at)?.and_then(|extent| extent.within(at, to)) {
        at = extent.file_end();
        if !extent.unwritten
            && let Some(next) = bmap::unmap_some(tx, ino, Fork::Data, extent.file_block, at)?
        {
            return Ok(Some(next));
        }
        if at >= to {
            break;
        }
        if tx.is_full() {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

/// Maps the part of `found` within file blocks `from..to` of the source at `target`, where there is a hole.
fn share_within(
    tx: &mut Transaction<'_>,
    ino: Ino,
    found: Option<Extent>,
    (from, to): (FileBlock, FileBlock),
    target: FileBlock,
) -> Result<()> {
    match found.and_then(|extent| extent.within(from, to)) {
        // Holes and unwritten blocks read as zeros; a hole does that for the target.
        Some(extent) if !extent.unwritten => {
            let file_block = target.plus(extent.file_block.since(from));
            bmap::share(tx, ino, Extent { file_block, ..extent })
        }
        _ => Ok(()),
    }
}

/// Size, times and the hint of a target, of which all is cloned up to byte `next` of the source, or all of it.
fn finish_target(
    tx: &mut Transaction<'_>,
    range: &CloneRange,
    next: Option<u64>,
    now: Timestamp,
) -> Result<()> {
    let source = core(tx, range.source)?;
    let target = core_mut(tx, range.target)?;
    let done = next.map_or(range.len_bytes, |next| next - range.source_offset);
    let end = range.target_offset + done;
    let whole = range.source_offset == 0
        && range.target_offset == 0
        && range.len_bytes >= source.size.get()
        && range.len_bytes >= target.size.get();
    let has_hint = |core: &Dinode| core.flags2().contains(Flags2::COWEXTSIZE);
    if whole && has_hint(&source) && !has_hint(target) {
        target.flags2.set(target.flags2.get() | Flags2::COWEXTSIZE.bits());
        target.cowextsize = source.cowextsize;
    }
    target.size.set(target.size.get().max(end));
    target.note_contents_changed(now);
    Ok(())
}
