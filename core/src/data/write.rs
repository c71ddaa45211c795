//! Step one of an overwrite: reserve space, keep the data in memory. Nothing on disk changes.

use alloc::vec::Vec;

use super::file::{File, Files};
use super::reservation::Work;
use crate::btree::bmap::Fork;
use crate::error::{Error, Mistake, Result};
use crate::format::extent::Extent;
use crate::format::time::Timestamp;
use crate::inode::bmap;
use crate::inode::core::core;
use crate::journal::{Store, Transaction};
use crate::space::{refcount, reserve};
use crate::units::{FileBlock, Ino, MAX_FILE_BYTES};

/// What a dirty block lies over, which decides what its writeback needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Below {
    /// Blocks of its own: data goes into them.
    Own,
    /// Blocks of its own that are unwritten: data goes into them, but the bmbt may grow.
    Unwritten,
    /// A hole: blocks have to be found.
    Hole,
    /// Shared blocks: others have to be found, and take their place.
    Shared,
}

/// A stretch of file blocks with the same thing below.
#[derive(Debug)]
pub(super) struct Stretch {
    pub(super) from: FileBlock,
    pub(super) to: FileBlock,
    pub(super) below: Below,
}

impl Stretch {
    /// Enters it into the file's reservations.
    fn reserve(&self, file: &mut File) {
        match self.below {
            Below::Own => {}
            Below::Unwritten => file.convert.insert(self.from.0..self.to.0),
            Below::Hole => file.delalloc.insert(self.from.0..self.to.0),
            Below::Shared => file.overwrite.insert(self.from.0..self.to.0),
        }
    }

    /// Adds it to what writeback has to do.
    fn add_to(&self, work: &mut Work) {
        match self.below {
            Below::Own => {}
            Below::Unwritten => work.convert_runs += 1,
            Below::Hole | Below::Shared => {
                work.data_fsblocks += self.to.since(self.from);
                work.data_runs += 1;
            }
        }
    }
}

/// Writes `data` at byte `offset` of a file, into memory.
///
/// # Errors
/// [`Error::NoSpace`] when there would be no room for it at writeback; those of reading what is written over in
/// part. Nothing has changed then.
pub fn write(
    store: &mut Store,
    files: &mut Files,
    ino: Ino,
    offset: u64,
    data: &[u8],
    now: Timestamp,
) -> Result<()> {
    write_from(store, files, ino, offset, data, now, Pool::Whole)
}

/// Like [`write()`], and says whether it may take what the pool holds.
pub(super) fn write_from(
    store: &mut Store,
    files: &mut Files,
    ino: Ino,
    offset: u64,
    data: &[u8],
    now: Timestamp,
    pool: Pool,
) -> Result<()> {
    if data.is_empty() {
        return Ok(());
    }
    let geometry = store.geometry().clone();
    let bs = geometry.blocksize as usize;
    let end = offset.checked_add(data.len() as u64).filter(|&end| end <= MAX_FILE_BYTES);
    let Some(end) = end else { return Err(Mistake::FileTooLarge.into()) };
    let (first, until) = (geometry.file_block(offset), geometry.file_block_up(end));

    let inode = core(&mut Transaction::new(store), ino)?;
    let (disk_size, extents) = (inode.size.get(), inode.data_nextents());
    let size = files.get(ino).map_or(disk_size, |file| file.size);
    let clean = clean_parts(files, ino, first, until, bs);
    let stretches = classify(store, ino, &clean)?;
    // Bytes behind the old end of the file come into view: they must read as zeros.
    let tail = if first > geometry.file_block(size) { prepare_tail(store, files, ino, size)? } else { None };
    let all = stretches.iter().chain(tail.iter().map(|tail| &tail.stretch));
    check_space(&mut Transaction::new(store), files, ino, all, pool)?;

    // Blocks that are covered in part keep the rest of what they hold, so it has to be in memory first.
    let mut edges = Vec::new();
    let is_partial = |at: u64| !at.is_multiple_of(bs as u64);
    for (block, partial) in [(first, is_partial(offset)), (FileBlock(until.0 - 1), is_partial(end))] {
        let seen = edges.iter().any(|(loaded, _)| *loaded == block);
        if partial && !seen && clean.iter().any(|part| part.0 <= block && block < part.1) {
            edges.push((block, load(store, ino, block, size)?));
        }
    }

    drop_behind_end(store, ino, size, first)?;
    files.change(&geometry, ino, disk_size, |file| {
        file.extents = extents;
        for stretch in &stretches {
            stretch.reserve(file);
        }
        if let Some(tail) = tail {
            tail.apply(file, bs);
        }
        for (block, bytes) in &edges {
            file.dirty.store(*block, 0, bytes, bs);
        }
        file.dirty.store(first, (offset % bs as u64) as usize, data, bs);
        file.size = file.size.max(end);
        file.modified = Some(now);
    });
    Ok(())
}

/// Makes sure that all of a large write will find room, before it goes through in steps.
///
/// # Errors
/// [`Error::NoSpace`] when it will not; those of reading the file's extents.
pub fn check_room(store: &mut Store, files: &Files, ino: Ino, offset: u64, len_bytes: u64) -> Result<()> {
    let end =
        offset.checked_add(len_bytes).filter(|&end| end <= MAX_FILE_BYTES).ok_or(Mistake::FileTooLarge)?;
    let bs = store.geometry().blocksize as usize;
    let (first, until) = (store.geometry().file_block(offset), store.geometry().file_block_up(end));
    let disk_size = core(&mut Transaction::new(store), ino)?.size.get();
    let size = files.get(ino).map_or(disk_size, |file| file.size);
    let clean = clean_parts(files, ino, first, until, bs);
    let stretches = classify(store, ino, &clean)?;
    // The block at the old end of the file may have to be zeroed, and need one more.
    let tail =
        if first > store.geometry().file_block(size) { prepare_tail(store, files, ino, size)? } else { None };
    let all = stretches.iter().chain(tail.iter().map(|tail| &tail.stretch));
    check_space(&mut Transaction::new(store), files, ino, all, Pool::Whole)
}

/// The parts of `from..to` that are not dirty yet.
fn clean_parts(
    files: &Files,
    ino: Ino,
    from: FileBlock,
    to: FileBlock,
    bs: usize,
) -> Vec<(FileBlock, FileBlock)> {
    let Some(file) = files.get(ino) else { return alloc::vec![(from, to)] };
    let mut parts = Vec::new();
    let mut at = from;
    while at < to {
        match file.dirty.at(at, bs) {
            Some(run) => at = at.plus((run.len() / bs) as u64),
            None => {
                let next = file.dirty.next(at, bs).map_or(to, |next| next.min(to));
                parts.push((at, next));
                at = next;
            }
        }
    }
    parts
}

/// Finds out what lies below each part.
pub(super) fn classify(
    store: &mut Store,
    ino: Ino,
    parts: &[(FileBlock, FileBlock)],
) -> Result<Vec<Stretch>> {
    let mut tx = Transaction::new(store);
    let mut stretches = Vec::new();
    for &(from, to) in parts {
        let mut at = from;
        while at < to {
            let found = bmap::lookup(&mut tx, ino, Fork::Data, at)?;
            let mapped = found.and_then(|extent| extent.within(at, to));
            let hole_end = mapped.map_or(to, |extent| extent.file_block);
            if hole_end > at {
                stretches.push(Stretch { from: at, to: hole_end, below: Below::Hole });
            }
            let Some(extent) = mapped else { break };
            classify_mapped(&mut tx, &extent, &mut stretches)?;
            at = extent.file_end();
        }
    }
    Ok(stretches)
}

/// Cuts an extent where sharing starts or ends.
fn classify_mapped(tx: &mut Transaction<'_>, extent: &Extent, stretches: &mut Vec<Stretch>) -> Result<()> {
    let mine = if extent.unwritten { Below::Unwritten } else { Below::Own };
    let (ag, first) = tx.geometry().split(extent.start);
    let mut done = 0;
    while done < extent.len {
        let at = first.plus(done);
        let (start, len) = refcount::first_not_to_overwrite(tx, ag, at, extent.len - done)?
            .unwrap_or((first.plus(extent.len), 0));
        let parts = [(start.0 - at.0, mine), (len, Below::Shared)];
        for (len, below) in parts.into_iter().filter(|&(len, _)| len > 0) {
            let from = extent.file_block.plus(done.into());
            stretches.push(Stretch { from, to: from.plus(len.into()), below });
            done += len;
        }
    }
    Ok(())
}

/// Whether data may take what the pool holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pool {
    /// No: it has to be whole afterwards.
    Whole,
    /// Yes: what is done sets space free, or has to be possible when there is none.
    Open,
}

/// Makes sure that writeback will find room for the stretches that need it, as `tx` leaves the volume.
pub(super) fn check_space<'a>(
    tx: &mut Transaction<'_>,
    files: &Files,
    ino: Ino,
    stretches: impl Iterator<Item = &'a Stretch>,
    pool: Pool,
) -> Result<()> {
    let extents = core(tx, ino)?.data_nextents();
    let mut more = Work::default();
    stretches.for_each(|stretch| stretch.add_to(&mut more));
    if more == Work::default() {
        return Ok(());
    }
    let reserved = files.reserved_with(tx.geometry(), ino, |work| {
        *work = Work {
            extents,
            data_fsblocks: work.data_fsblocks + more.data_fsblocks,
            data_runs: work.data_runs + more.data_runs,
            convert_runs: work.convert_runs + more.convert_runs,
        };
    });
    let needed = if pool == Pool::Whole && more.data_fsblocks > 0 {
        reserved.beside_pool(reserve::pool(tx.geometry()))
    } else {
        reserved.total()
    };
    if reserve::is_available(tx, needed)? { Ok(()) } else { Err(Error::NoSpace) }
}

/// Refuses when a transaction leaves too little room for data that was accepted, or takes what the pool holds.
///
/// # Errors
/// [`Error::NoSpace`] then; those of reading the AGs' headers.
pub fn check_reserved(tx: &mut Transaction<'_>, files: &Files) -> Result<()> {
    let reserved = files.reserved();
    let takes_space = tx.counters().fdblocks < tx.store().counters().fdblocks;
    let pool = if takes_space { reserve::pool(tx.geometry()) } else { 0 };
    let needed = reserved.beside_pool(pool);
    if needed == 0 || reserve::is_available(tx, needed)? { Ok(()) } else { Err(Error::NoSpace) }
}

/// Refuses when a transaction that takes names or blocks away leaves too little room for data that was accepted. The
/// pool is there for it.
///
/// # Errors
/// [`Error::NoSpace`] then; those of reading the AGs' headers.
pub fn check_accepted(tx: &mut Transaction<'_>, files: &Files) -> Result<()> {
    let needed = files.reserved().total();
    let takes_space = tx.counters().fdblocks < tx.store().counters().fdblocks;
    if !takes_space || needed == 0 || reserve::is_available(tx, needed)? {
        Ok(())
    } else {
        Err(Error::NoSpace)
    }
}

/// Gives up blocks between the end of a file and file block `to` that are not marked as unwritten.
///
/// Kernels before 4.20 left such blocks behind, with whatever was in them; as the file grows it would come into view.
pub(super) fn drop_behind_end(store: &mut Store, ino: Ino, size: u64, to: FileBlock) -> Result<()> {
    let mut at = store.geometry().file_block_up(size);
    if at >= to {
        return Ok(());
    }
    loop {
        let mut tx = Transaction::new(store);
        let mut found = false;
        while !tx.is_full()
            && let Some(extent) = bmap::lookup(&mut tx, ino, Fork::Data, at)?.and_then(|e| e.within(at, to))
        {
            at = extent.file_end();
            if !extent.unwritten {
                bmap::unmap(&mut tx, ino, Fork::Data, extent.file_block, at)?;
                found = true;
            }
        }
        let more = tx.is_full();
        if found {
            tx.commit()?;
        }
        if !more {
            return Ok(());
        }
    }
}

/// Reads one block of a file as it is on disk; what lies behind `size` is zeros.
fn load(store: &mut Store, ino: Ino, block: FileBlock, size: u64) -> Result<Vec<u8>> {
    let geometry = store.geometry().clone();
    let mut bytes = alloc::vec![0; geometry.blocksize as usize];
    let found = bmap::lookup(&mut Transaction::new(store), ino, Fork::Data, block)?;
    if let Some(extent) = found.and_then(|extent| extent.within(block, block.plus(1)))
        && !extent.unwritten
    {
        store.read_data(geometry.byte(extent.start), &mut bytes)?;
    }
    let start = geometry.file_byte(block);
    let valid = size.saturating_sub(start).min(u64::from(geometry.blocksize));
    bytes[valid as usize..].fill(0);
    Ok(bytes)
}

/// The block that holds the end of a file, its rest zeroed: ready to go into memory.
#[derive(Debug)]
pub(super) struct Tail {
    stretch: Stretch,
    bytes: Vec<u8>,
    /// Extents of the file.
    extents: u64,
}

impl Tail {
    /// Puts it there.
    pub(super) fn apply(&self, file: &mut File, bs: usize) {
        file.extents = self.extents;
        self.stretch.reserve(file);
        file.dirty.store(self.stretch.from, 0, &self.bytes, bs);
    }

    /// Makes sure that its writeback will find room as `tx` leaves the volume, in the pool if nowhere else: cutting a
    /// file has to be possible when all else is full.
    pub(super) fn check_space(&self, tx: &mut Transaction<'_>, files: &Files, ino: Ino) -> Result<()> {
        check_space(tx, files, ino, core::iter::once(&self.stretch), Pool::Open)
    }
}

/// Prepares the block that holds byte `size` so that everything from there on is zero. `None` when that needs no
/// work: at a block's border, over a hole, over unwritten blocks.
pub(super) fn prepare_tail(store: &mut Store, files: &Files, ino: Ino, size: u64) -> Result<Option<Tail>> {
    let geometry = store.geometry().clone();
    let (bs, rest) = (geometry.blocksize as usize, (size % u64::from(geometry.blocksize)) as usize);
    let block = geometry.file_block(size);
    if rest == 0 {
        return Ok(None);
    }
    let extents = core(&mut Transaction::new(store), ino)?.data_nextents();
    if let Some(dirty) = files.get(ino).and_then(|file| file.dirty.at(block, bs)) {
        let mut bytes = dirty[..bs].to_vec();
        bytes[rest..].fill(0);
        let stretch = Stretch { from: block, to: block.plus(1), below: Below::Own };
        return Ok(Some(Tail { stretch, bytes, extents }));
    }
    let found = bmap::lookup(&mut Transaction::new(store), ino, Fork::Data, block)?;
    if found.and_then(|e| e.within(block, block.plus(1))).is_none_or(|e| e.unwritten) {
        return Ok(None);
    }
    let bytes = load(store, ino, block, size)?;
    let stretch = classify(store, ino, &[(block, block.plus(1))])?.pop();
    Ok(stretch.map(|stretch| Tail { stretch, bytes, extents }))
}
