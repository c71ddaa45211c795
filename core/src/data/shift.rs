//! Taking a part out of a file, and making room inside one: what lies behind moves.
//!
//! Where it fits in one transaction it is one. A file of very many extents takes several, as in Linux: a crash in between
//! leaves a hole in the file that has moved only in part.

use super::file::Files;
use super::punch::{Part, drop_staging};
use super::truncate::{cut_off, zero_old_tail};
use super::write::{Below, Pool, Stretch, check_space, drop_behind_end};
use crate::btree::bmap::Fork;
use crate::error::{Mistake, Result};
use crate::format::time::Timestamp;
use crate::geometry::Geometry;
use crate::inode::bmap;
use crate::inode::core::{core, core_mut};
use crate::inode::fork::FILE_END;
use crate::journal::{Store, Transaction};
use crate::units::{FileBlock, Ino};

/// Stores the size that a file is to have, on disk and in memory.
fn set_size(tx: &mut Transaction<'_>, ino: Ino, size: u64, now: Timestamp) -> Result<()> {
    let core = core_mut(tx, ino)?;
    core.size.set(size);
    core.note_contents_changed(now);
    Ok(())
}

fn note_size(store: &Store, files: &mut Files, ino: Ino, size: u64) {
    if files.get(ino).is_some() {
        let geometry = store.geometry().clone();
        files.change(&geometry, ino, size, |file| file.size = size);
        files.drop_idle(ino);
    }
}

/// Makes sure that moving extents finds the blocks that the trees may need, and readies the file for it.
fn prepare(store: &mut Store, files: &mut Files, ino: Ino, at: FileBlock, size: u64) -> Result<()> {
    // What is not marked as unwritten must not come into view.
    drop_behind_end(store, ino, size, FILE_END)?;
    let cut = Stretch { from: at, to: at.plus(1), below: Below::Unwritten };
    check_space(&mut Transaction::new(store), files, ino, [&cut, &cut].into_iter(), Pool::Open)?;
    drop_staging(store, files, ino);
    // Where the file ends is zeroed as if it were cut there, and for that copied where it is shared.
    zero_old_tail(store, files, ino, size)
}

/// How far the extents of a file have moved. A call that failed between two transactions, for want of space or of what is
/// not resident, is repeated with this and goes on from there: from the start, it would move again what has moved.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Where what is left of the part that goes starts.
    hole: Option<FileBlock>,
    /// Up to where extents have moved, or from where on.
    at: FileBlock,
    /// Size of the file before, and afterwards.
    sizes: (u64, u64),
    /// `di_changecount` as the last transaction left it; `None` before the first.
    changecount: Option<u64>,
}

impl Progress {
    /// Nothing is done of taking `part` out of a file of `size` bytes, which must reach beyond the part.
    #[must_use]
    pub fn collapse(geometry: &Geometry, part: Part, size: u64) -> Self {
        let (hole, at) = (Some(geometry.file_block(part.from)), geometry.file_block(part.to));
        Self { hole, at, sizes: (size, size - (part.to - part.from)), changecount: None }
    }

    /// Nothing is done of making room for `part` in a file of `size` bytes.
    #[must_use]
    pub fn insert(part: Part, size: u64) -> Self {
        Self { hole: None, at: FILE_END, sizes: (size, size + (part.to - part.from)), changecount: None }
    }

    /// Whether something is done, and nothing else has changed the file since.
    ///
    /// # Errors
    /// Those of reading the inode.
    pub fn goes_on(&self, store: &mut Store, ino: Ino) -> Result<bool> {
        let Some(count) = self.changecount else { return Ok(false) };
        Ok(core(&mut Transaction::new(store), ino)?.changecount.get() == count)
    }

    /// Ends a transaction that got as far as `hole` and `at`.
    fn commit(
        &mut self,
        mut tx: Transaction<'_>,
        ino: Ino,
        (hole, at): (Option<FileBlock>, FileBlock),
        size: u64,
        now: Timestamp,
    ) -> Result<()> {
        set_size(&mut tx, ino, size, now)?;
        let changecount = core(&mut tx, ino)?.changecount.get();
        tx.commit()?;
        *self = Self { hole, at, changecount: Some(changecount), ..*self };
        Ok(())
    }
}

/// Takes `part`, whole blocks, out of a file, which must be written back.
///
/// # Errors
/// Those of changing the trees.
pub fn collapse(
    store: &mut Store,
    files: &mut Files,
    ino: Ino,
    part: Part,
    progress: &mut Progress,
    now: Timestamp,
) -> Result<()> {
    let geometry = store.geometry().clone();
    let (from, to) = (geometry.file_block(part.from), geometry.file_block(part.to));
    let (before, after) = progress.sizes;
    if progress.changecount.is_none() {
        prepare(store, files, ino, from, before)?;
        // Blocks behind the end do not move with it: the file is cut to its new size.
        cut_off(store, files, ino, before, None, now)?;
    }
    let gap = to.since(from);
    loop {
        let (mut hole, mut at) = (progress.hole, progress.at);
        let mut tx = Transaction::new(store);
        if let Some(start) = hole {
            hole = bmap::unmap_some(&mut tx, ino, Fork::Data, start, to)?;
        }
        let mut done = false;
        while hole.is_none() && !tx.is_full() {
            let Some(extent) = bmap::lookup(&mut tx, ino, Fork::Data, at)? else {
                done = true;
                break;
            };
            let target = FileBlock(extent.file_block.0 - gap);
            bmap::shift(&mut tx, ino, extent.file_block, extent.file_end(), target)?;
            at = extent.file_end();
        }
        progress.commit(tx, ino, (hole, at), if done { after } else { before }, now)?;
        if done {
            note_size(store, files, ino, after);
            return Ok(());
        }
    }
}

/// Makes a hole of `part`, whole blocks, in a file, which must be written back; what lies at and behind its start moves.
///
/// # Errors
/// [`Mistake::FileTooLarge`]; those of changing the trees.
pub fn insert(
    store: &mut Store,
    files: &mut Files,
    ino: Ino,
    part: Part,
    progress: &mut Progress,
    now: Timestamp,
) -> Result<()> {
    let geometry = store.geometry().clone();
    let (from, to) = (geometry.file_block(part.from), geometry.file_block(part.to));
    let (before, after) = progress.sizes;
    if progress.changecount.is_none() {
        prepare(store, files, ino, from, before)?;
    }
    let gap = to.since(from);
    loop {
        let mut end = progress.at;
        let mut tx = Transaction::new(store);
        let mut done = false;
        while !tx.is_full() {
            let last = last_before(&mut tx, ino, end)?.filter(|extent| extent.file_end() > from);
            let Some(extent) = last else {
                done = true;
                break;
            };
            if extent.file_end().0 + gap > FILE_END.0 {
                return Err(Mistake::FileTooLarge.into());
            }
            let start = extent.file_block.max(from);
            bmap::shift(&mut tx, ino, start, extent.file_end(), start.plus(gap))?;
            end = start;
        }
        progress.commit(tx, ino, (None, end), after, now)?;
        if done {
            note_size(store, files, ino, after);
            return Ok(());
        }
    }
}

/// The last extent that starts before `end`.
fn last_before(
    tx: &mut Transaction<'_>,
    ino: Ino,
    end: FileBlock,
) -> Result<Option<crate::format::extent::Extent>> {
    match end.0.checked_sub(1) {
        Some(block) if end < FILE_END => bmap::at_or_before(tx, ino, Fork::Data, FileBlock(block)),
        Some(_) => bmap::last(tx, ino, Fork::Data),
        None => Ok(None),
    }
}

/// The size of a file that is written back, in bytes.
///
/// # Errors
/// Those of reading the inode.
pub fn size(store: &mut Store, ino: Ino) -> Result<u64> {
    Ok(core(&mut Transaction::new(store), ino)?.size.get())
}
