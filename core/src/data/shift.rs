//! Taking a part out of a file, and making room inside one: what lies behind moves.
//!
//! Where it fits in one transaction it is one. A file of very many extents takes several, as in Linux: a crash in between
//! leaves a hole in the file that has moved only in part.

use super::file::Files;
use super::punch::{Part, drop_staging};
use super::truncate::cut_off;
use super::write::{Below, Pool, Stretch, check_space, drop_behind_end};
use crate::btree::bmap::Fork;
use crate::error::{Mistake, Result};
use crate::format::time::Timestamp;
use crate::inode::bmap;
use crate::inode::core::{core, core_mut};
use crate::inode::fork::FILE_END;
use crate::journal::{Store, Transaction};
use crate::units::{FileBlock, Ino};

/// Stores the size that a file is to have, on disk and in memory.
fn set_size(tx: &mut Transaction<'_>, ino: Ino, size: u64, now: Timestamp) -> Result<()> {
    let core = core_mut(tx, ino)?;
    core.size.set(size);
    let time = core.encode_time(now);
    core.mtime = time;
    core.ctime = time;
    core.changecount.set(core.changecount.get().wrapping_add(1));
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
    Ok(())
}

/// Takes `part`, whole blocks, out of a file of `size` bytes. The file must be written back, and reach beyond the part.
///
/// # Errors
/// Those of changing the trees.
pub fn collapse(
    store: &mut Store,
    files: &mut Files,
    ino: Ino,
    part: Part,
    size: u64,
    now: Timestamp,
) -> Result<()> {
    let geometry = store.geometry().clone();
    let (from, to) = (geometry.file_block(part.from), geometry.file_block(part.to));
    prepare(store, files, ino, from, size)?;
    // Blocks behind the end do not move with it: the file is cut to its new size.
    cut_off(store, files, ino, size, None, now)?;
    let gap = to.since(from);
    let (mut hole, mut at) = (Some(from), to);
    loop {
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
        let size = if done { size - (part.to - part.from) } else { size };
        set_size(&mut tx, ino, size, now)?;
        tx.commit()?;
        if done {
            note_size(store, files, ino, size);
            return Ok(());
        }
    }
}

/// Makes a hole of `part`, whole blocks, in a file of `size` bytes, which must be written back; what lies at and behind
/// its start moves.
///
/// # Errors
/// [`Mistake::FileTooLarge`]; those of changing the trees.
pub fn insert(
    store: &mut Store,
    files: &mut Files,
    ino: Ino,
    part: Part,
    size: u64,
    now: Timestamp,
) -> Result<()> {
    let geometry = store.geometry().clone();
    let (from, to) = (geometry.file_block(part.from), geometry.file_block(part.to));
    prepare(store, files, ino, from, size)?;
    let gap = to.since(from);
    let size = size + (part.to - part.from);
    let mut end = FILE_END;
    loop {
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
        set_size(&mut tx, ino, size, now)?;
        tx.commit()?;
        if done {
            note_size(store, files, ino, size);
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
