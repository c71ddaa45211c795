//! Step two of an overwrite: find blocks for dirty data and write it there.
//!
//! Blocks are taken in a transaction that is private until it commits, so on disk they stay free while the data goes
//! in. The store makes that data durable before the transaction is.

use ::alloc::vec::Vec;

use super::file::{File, Files, Staging};
use super::{preallocate, remap};
use crate::btree::bmap::Fork;
use crate::error::{Error, Result};
use crate::format::extent::Extent;
use crate::format::inode::Flags2;
use crate::geometry::Geometry;
use crate::inode::bmap;
use crate::inode::core::{core, core_mut};
use crate::inode::flags::extsize_of;
use crate::journal::{Store, Transaction};
use crate::space::{alloc, refcount, reserve};
use crate::units::{AgBlock, FileBlock, FsBlock, Ino};

/// The kernel's default for the CoW extent size hint, in fsblocks.
const DEFAULT_COWEXTSIZE: u32 = 32;

/// Longest part of a file without dirty blocks that staging runs on over, in units of the hint: later writes into it
/// find a place between their neighbours.
const STAGING_GAP: u64 = 4;

/// What the trees may grow by, in fsblocks, for a hole that is filled in whole units of the extent size hint.
const ALIGNED_GROWTH_FSBLOCKS: u64 = 64;

/// Most bytes that are gathered for one write.
const GATHER_BYTES: usize = 1 << 20;

/// What one transaction of writeback did to a file, to be struck off the file once it commits.
#[derive(Default)]
struct Done {
    until: FileBlock,
    /// Staging extents made, by first file block.
    staged: Vec<(FileBlock, Staging)>,
    /// Promised blocks that now hold data.
    used: Vec<Extent>,
    near: Option<FsBlock>,
    /// Extents that the data fork has now.
    extents: u64,
}

/// How blocks for a file are to be found.
#[derive(Debug, Clone, Copy)]
struct Hints {
    /// Granularity of staging extents in fsblocks; 1 when space is short.
    cowextsize: u32,
    /// Granularity of allocation in holes in fsblocks; 0 for none.
    extsize: u32,
    /// Fsblocks that have to stay available for what waits.
    reserved: u64,
}

/// Data on its way to the device: what is written to neighbouring blocks goes there in one call.
#[derive(Default)]
struct Gather {
    offset: u64,
    bytes: Vec<u8>,
}

impl Gather {
    /// Writes `bytes` at byte `offset` of the device, now or with what comes next.
    fn write(&mut self, store: &mut Store, offset: u64, bytes: &[u8]) -> Result<()> {
        if self.offset + self.bytes.len() as u64 != offset || self.bytes.len() + bytes.len() > GATHER_BYTES {
            self.flush(store)?;
        }
        if bytes.len() >= GATHER_BYTES / 4 {
            self.flush(store)?;
            return store.write_data(offset, bytes);
        }
        if self.bytes.is_empty() {
            self.offset = offset;
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Writes what is left.
    fn flush(&mut self, store: &mut Store) -> Result<()> {
        if !self.bytes.is_empty() {
            store.write_data(self.offset, &self.bytes)?;
            self.bytes.clear();
        }
        Ok(())
    }
}

/// Writes back all dirty data of a file, and its size and times.
///
/// # Errors
/// Those of the device and of corrupt metadata. What was not written back stays in memory.
pub fn writeback(store: &mut Store, files: &mut Files, ino: Ino, thrifty: bool) -> Result<()> {
    writeback_all(store, files, &[ino], thrifty)
}

/// Writes back all dirty data of files, and their sizes and times: as many files in one transaction as it takes, so that
/// small ones cost little.
///
/// # Errors
/// Those of [`writeback`].
pub fn writeback_all(store: &mut Store, files: &mut Files, inodes: &[Ino], thrifty: bool) -> Result<()> {
    let geometry = store.geometry().clone();
    let mut left = inodes.iter().copied().peekable();
    let mut out = Gather::default();
    while left.peek().is_some() {
        let reserved = files.reserved().beside_pool(reserve::pool(&geometry));
        let mut done = Vec::new();
        let outcome = some(store, files, &mut left, thrifty, reserved, (&mut done, &mut out));
        if let Err(error) = outcome {
            for (_, staging) in done.iter().flat_map(|(_, done): &(Ino, Done)| &done.staged) {
                let (ag, start) = geometry.split(staging.start);
                store.promised_mut().remove(ag, start, staging.len);
            }
            return Err(error);
        }
        for (ino, done) in &done {
            settle(store, files, &geometry, *ino, done);
        }
    }
    Ok(())
}

/// One transaction of writeback: of each file that is left, until it is full. A file that is done leaves `left`.
fn some(
    store: &mut Store,
    files: &Files,
    left: &mut core::iter::Peekable<impl Iterator<Item = Ino>>,
    thrifty: bool,
    reserved: u64,
    (all_done, out): (&mut Vec<(Ino, Done)>, &mut Gather),
) -> Result<()> {
    let mut tx = Transaction::new(store);
    while !tx.is_full()
        && let Some(&ino) = left.peek()
    {
        let Some(file) = files.get(ino).filter(|file| !file.is_clean()) else {
            left.next();
            continue;
        };
        let hints = if thrifty { Hints::thrifty() } else { Hints::of(&mut tx, ino, reserved)? };
        all_done.push((ino, Done { near: file.staging_near, ..Done::default() }));
        let (_, done) = all_done.last_mut().expect("pushed above");
        batch(&mut tx, file, ino, hints, done, out)?;
        finish_inode(&mut tx, file, ino, done)?;
        if done.until.0 != u64::MAX {
            break;
        }
        left.next();
    }
    out.flush(tx.store())?;
    tx.commit()
}

impl Hints {
    /// For when space is short.
    fn thrifty() -> Self {
        Self { cowextsize: 1, extsize: 0, reserved: 0 }
    }

    /// Those of a file.
    fn of(tx: &mut Transaction<'_>, ino: Ino, reserved: u64) -> Result<Self> {
        let core = core(tx, ino)?;
        let (hint, most) = (core.cowextsize.get(), tx.geometry().agblocks / 2);
        let wanted = core.flags2().contains(Flags2::COWEXTSIZE) && hint > 0;
        let cowextsize = if wanted { hint.min(most) } else { DEFAULT_COWEXTSIZE };
        Ok(Self { cowextsize, extsize: extsize_of(&core).min(most), reserved })
    }

    /// Whether a hole may be filled in whole units: there has to be room for what nobody reserved.
    fn aligns(&self, tx: &mut Transaction<'_>) -> Result<bool> {
        let more = 2 * u64::from(self.extsize) + ALIGNED_GROWTH_FSBLOCKS;
        Ok(self.extsize > 1 && reserve::is_available(tx, self.reserved + more)?)
    }
}

/// Writes back dirty runs until the transaction is large enough.
fn batch(
    tx: &mut Transaction<'_>,
    file: &File,
    ino: Ino,
    hints: Hints,
    done: &mut Done,
    out: &mut Gather,
) -> Result<()> {
    let bs = tx.geometry().blocksize as usize;
    for (start, bytes) in file.dirty.runs() {
        done.until = write_run(tx, file, ino, (start, bytes), hints, done, out)?;
        if tx.is_full() || done.until < start.plus((bytes.len() / bs) as u64) {
            return Ok(());
        }
    }
    done.until = FileBlock(u64::MAX);
    Ok(())
}

/// Writes back one run, extent by extent, until the transaction is full; returns where it got to.
fn write_run(
    tx: &mut Transaction<'_>,
    file: &File,
    ino: Ino,
    (start, bytes): (FileBlock, &[u8]),
    hints: Hints,
    done: &mut Done,
    out: &mut Gather,
) -> Result<FileBlock> {
    let geometry = tx.geometry().clone();
    let bs = geometry.blocksize as usize;
    let end = start.plus((bytes.len() / bs) as u64);
    let mut at = start;
    while at < end && (at == start || !tx.is_full()) {
        let found = bmap::lookup(tx, ino, Fork::Data, at)?;
        let mapped = found.and_then(|extent| extent.within(at, end));
        let written = match mapped.filter(|extent| extent.file_block == at) {
            None if hints.aligns(tx)? => {
                // Unwritten to begin with: what holds data is turned into written blocks next.
                let to = mapped.map_or(end, |next| next.file_block);
                preallocate::fill_hole(tx, ino, at, to, hints.extsize)?;
                continue;
            }
            None => fill_hole(tx, ino, at, mapped.map_or(end, |next| next.file_block))?,
            Some(extent) => write_over(tx, file, ino, extent, hints, done)?,
        };
        let from = at.since(start) as usize * bs;
        let to = from + written.len as usize * bs;
        out.write(tx.store(), geometry.byte(written.start), &bytes[from..to])?;
        at = written.file_end();
    }
    Ok(at)
}

/// Delayed allocation becomes allocation: behind the extent before the hole, or near the inode.
fn fill_hole(tx: &mut Transaction<'_>, ino: Ino, from: FileBlock, to: FileBlock) -> Result<Extent> {
    let near = match from.0.checked_sub(1) {
        Some(before) => bmap::lookup(tx, ino, Fork::Data, FileBlock(before))?,
        None => None,
    };
    let near = match near.filter(|extent| extent.file_end() == from) {
        Some(extent) => FsBlock(extent.start.0 + u64::from(extent.len)),
        None => tx.geometry().fsblock(tx.geometry().split_ino(ino).0, AgBlock(0)),
    };
    let len = u32::try_from(to.since(from)).unwrap_or(u32::MAX);
    bmap::allocate(tx, ino, Fork::Data, from, len, near)
}

/// Finds where data over mapped blocks goes: into them, or beside them when they are shared. Returns the part of
/// `extent` that is settled.
fn write_over(
    tx: &mut Transaction<'_>,
    file: &File,
    ino: Ino,
    extent: Extent,
    hints: Hints,
    done: &mut Done,
) -> Result<Extent> {
    let (ag, start) = tx.geometry().split(extent.start);
    // Ask the tree again: who shares a block may have changed since the write. That the other way round a block came
    // to be shared is ruled out, because cloning writes back first.
    let (own, shared) = match refcount::first_not_to_overwrite(tx, ag, start, extent.len)? {
        None => (extent.len, 0),
        Some((first, len)) if first == start => (0, len),
        Some((first, _)) => (first.0 - start.0, 0),
    };
    if own > 0 {
        let part = extent.part(0, own);
        if part.unwritten {
            bmap::set_written(tx, ino, part.file_block, part.file_end())?;
        }
        return Ok(Extent { unwritten: false, ..part });
    }
    let staging = stage(tx, file, extent.part(0, shared), hints, done)?;
    remap::remap(tx, ino, staging)?;
    Ok(staging)
}

/// Finds staging blocks for the start of a shared extent: those promised to the file, or a new stretch of them.
fn stage(
    tx: &mut Transaction<'_>,
    file: &File,
    shared: Extent,
    hints: Hints,
    done: &mut Done,
) -> Result<Extent> {
    let block = shared.file_block;
    let staged = file.staged(block).or_else(|| {
        let made = done
            .staged
            .iter()
            .rev()
            .find(|(start, staging)| *start <= block && block.since(*start) < u64::from(staging.len))?;
        let skip = block.since(made.0) as u32;
        Some(Staging { start: FsBlock(made.1.start.0 + u64::from(skip)), len: made.1.len - skip })
    });
    let staging = match staged {
        Some(staging) => staging,
        None => promise(tx, file, shared, hints, done)?,
    };
    let len = staging.len.min(shared.len);
    let extent = Extent { file_block: block, start: staging.start, len, unwritten: false };
    done.used.push(extent);
    Ok(extent)
}

/// Promises blocks to the CoW fork: for all that waits from `shared` on when one free extent is long enough for it,
/// else for as much as comes in one piece.
fn promise(
    tx: &mut Transaction<'_>,
    file: &File,
    shared: Extent,
    hints: Hints,
    done: &mut Done,
) -> Result<Staging> {
    let hint = u64::from(hints.cowextsize.max(1));
    let block = shared.file_block;
    let mut from = FileBlock(block.0 / hint * hint);
    let mut to = FileBlock(shared.file_end().0.next_multiple_of(hint));
    let mut stretch_end = stretch_end(file, from, to, hint);
    // Staging extents never overlap: each block has one place in the CoW fork.
    let made = done.staged.iter().map(|(start, staging)| (*start, staging));
    let near_before = file.staging.at_or_before(block);
    let near_behind = file.staging.at_or_after(block);
    for (start, staging) in near_before.into_iter().chain(near_behind).chain(made) {
        if start > block {
            stretch_end = stretch_end.min(start);
        } else {
            from = from.max(start.plus(staging.len.into()));
        }
    }
    to = to.min(stretch_end);
    let longest = u64::from(crate::units::MAX_EXTENT_FSBLOCKS);
    let want = stretch_end.since(from).min(longest) as u32;
    let near = done.near.unwrap_or(shared.start);
    let (start, len) = match alloc::find_whole(tx, near, want) {
        Ok(start) => (start, want),
        Err(Error::NoSpace) => alloc::find_for_file(tx, near, want)?,
        Err(error) => return Err(error),
    };
    // A piece too short for all of the hint's stretch serves the blocks that need it now.
    let first = if u64::from(len) >= to.since(from) { from } else { block };
    let len = stretch_end.since(first).min(u64::from(len)) as u32;
    let (ag, agblock) = tx.geometry().split(start);
    tx.store().promised_mut().insert(ag, agblock, len);
    done.staged.push((first, Staging { start, len }));
    done.near = Some(FsBlock(start.0 + u64::from(len)));
    let skip = block.since(first) as u32;
    Ok(Staging { start: FsBlock(start.0 + u64::from(skip)), len: len - skip })
}

/// Where staging for `from..to` and all that waits behind it ends: at a long gap, or where less than half of it would be
/// of use.
fn stretch_end(file: &File, from: FileBlock, to: FileBlock, hint: u64) -> FileBlock {
    let (mut end, mut used) = (to.0, to.since(from));
    // When space is short there is none for gaps.
    let longest_gap = if hint > 1 { STAGING_GAP * hint } else { 0 };
    for run in file.overwrite.iter_from(to.0) {
        let start = (run.start / hint * hint).max(end);
        let until = run.end.next_multiple_of(hint).max(end);
        if start - end > longest_gap || (used + until - start) * 2 < until - from.0 {
            break;
        }
        used += until - start;
        end = until;
    }
    FileBlock(end)
}

/// Stores the size and times that the data written so far stands for.
fn finish_inode(tx: &mut Transaction<'_>, file: &File, ino: Ino, done: &mut Done) -> Result<()> {
    let reached = if done.until.0 == u64::MAX { u64::MAX } else { tx.geometry().file_byte(done.until) };
    let core = core_mut(tx, ino)?;
    done.extents = core.data_nextents();
    let size = file.size.min(reached);
    if size > core.size.get() {
        core.size.set(size);
    }
    match file.modified {
        Some(now) => core.note_contents_changed(now),
        None => core.changecount.set(core.changecount.get().wrapping_add(1)),
    }
    Ok(())
}

/// Strikes committed work off the file.
fn settle(store: &mut Store, files: &mut Files, geometry: &Geometry, ino: Ino, done: &Done) {
    let bs = geometry.blocksize as usize;
    for extent in &done.used {
        let (ag, start) = geometry.split(extent.start);
        store.promised_mut().remove(ag, start, extent.len);
    }
    files.change(geometry, ino, 0, |file| {
        file.dirty.forget(FileBlock(0), done.until, bs);
        file.unreserve(0..done.until.0);
        file.extents = done.extents;
        for &(start, staging) in &done.staged {
            file.staging.insert(start, staging);
        }
        for extent in &done.used {
            file.unstage(extent.file_block, extent.len);
        }
        file.staging_near = done.near;
        if done.until.0 == u64::MAX {
            file.modified = None;
        }
    });
    files.drop_idle(ino);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where staging from block 0 on ends, with a hint of 32, when these blocks wait as well.
    fn end(waiting: &[u64]) -> u64 {
        let mut file = File::default();
        for &block in [0].iter().chain(waiting) {
            file.overwrite.insert(block..block + 1);
        }
        stretch_end(&file, FileBlock(0), FileBlock(32), 32).0
    }

    #[test]
    fn staging_runs_on_over_short_gaps_while_half_of_it_is_of_use() {
        assert_eq!(end(&[]), 32);
        assert_eq!(end(&[33, 100, 130]), 160);
        assert_eq!(end(&[128]), 32, "two would be too few of five");
        assert_eq!(end(&[32, 64, 96, 256]), 288);
        assert_eq!(end(&[32, 64, 96, 128, 160, 352]), 192, "the gap is too long");
    }
}
