//! Changing the size of a file.

use super::file::{File, Files};
use super::reflink;
use super::write::{Tail, drop_behind_end, prepare_tail};
use super::writeback::writeback;
use crate::btree::bmap::Fork;
use crate::error::{Mistake, Result};
use crate::format::time::Timestamp;
use crate::inode::bmap;
use crate::inode::core::{core, core_mut};
use crate::inode::fork::FILE_END;
use crate::journal::{Store, Transaction};
use crate::units::{FileBlock, Ino, MAX_FILE_BYTES};

/// Makes a file `size` bytes long. What is cut off is freed, what is added reads as zeros.
///
/// # Errors
/// Those of changing the trees. Nothing that can be seen has changed then, or, where so much was cut off that it took
/// several transactions, the size has and part of the space behind it is not free yet.
pub fn truncate(store: &mut Store, files: &mut Files, ino: Ino, size: u64, now: Timestamp) -> Result<()> {
    if size > MAX_FILE_BYTES {
        return Err(Mistake::FileTooLarge.into());
    }
    let geometry = store.geometry().clone();
    let bs = geometry.blocksize as usize;
    let disk_size = core(&mut Transaction::new(store), ino)?.size.get();
    let current = files.get(ino).map_or(disk_size, |file| file.size);
    // The block that the smaller of both sizes lies in: what is behind it there must read as zeros from now on.
    let tail = prepare_tail(store, files, ino, size.min(current))?;
    let until = geometry.file_block_up(size);
    if size <= current {
        cut_off(store, files, ino, size, tail.as_ref(), now)?;
    } else {
        if let Some(tail) = &tail {
            tail.check_space(&mut Transaction::new(store), files, ino)?;
        }
        drop_behind_end(store, ino, current, until)?;
        if files.get(ino).is_none_or(|file| file.dirty.is_empty()) {
            let mut tx = Transaction::new(store);
            if reflink::clear_if_empty(&mut tx, ino)? {
                tx.commit()?;
            }
        }
    }
    let dropped = files.change(&geometry, ino, disk_size, |file| {
        file.dirty.forget(until, FileBlock(u64::MAX), bs);
        file.unreserve(until.0..u64::MAX);
        if let Some(tail) = &tail {
            tail.apply(file, bs);
        }
        file.size = size;
        file.modified = Some(now);
        file.staging.split_off(until)
    });
    release(store, dropped.into_iter());
    Ok(())
}

/// Frees what a file has behind byte `size`, in as many transactions as the log asks for. Then there is room for `tail`.
///
/// The first one sets the size: what is left behind the end when a later one fails is not seen, and goes the next time
/// that the file is cut or grows.
pub(super) fn cut_off(
    store: &mut Store,
    files: &Files,
    ino: Ino,
    size: u64,
    tail: Option<&Tail>,
    now: Timestamp,
) -> Result<()> {
    let first = store.geometry().file_block_up(size);
    let mut next = Some(first);
    while let Some(from) = next {
        let mut tx = Transaction::new(store);
        next = bmap::unmap_some(&mut tx, ino, Fork::Data, from, FILE_END)?;
        let waits = |file: &File| file.dirty.runs().next().is_some_and(|(start, _)| start < first);
        if next.is_none() && !files.get(ino).is_some_and(waits) {
            reflink::clear_if_empty(&mut tx, ino)?;
        }
        if from == first {
            set_size(&mut tx, ino, size, now)?;
            // What was cut off counts as room.
            tail.map_or(Ok(()), |tail| tail.check_space(&mut tx, files, ino))?;
        }
        tx.commit()?;
    }
    Ok(())
}

fn set_size(tx: &mut Transaction<'_>, ino: Ino, size: u64, now: Timestamp) -> Result<()> {
    let core = core_mut(tx, ino)?;
    core.size.set(core.size.get().min(size));
    core.note_contents_changed(now);
    Ok(())
}

/// Takes promises back.
pub fn release(store: &mut Store, staging: impl Iterator<Item = super::file::Staging>) {
    let geometry = store.geometry().clone();
    for staging in staging {
        let (ag, start) = geometry.split(staging.start);
        store.promised_mut().remove(ag, start, staging.len);
    }
}

/// Zeroes the rest of the block at the old end of a file on its way to disk: it comes into view. A shared one is copied.
///
/// # Errors
/// [`Error::NoSpace`](crate::Error::NoSpace) when there is no room for a copy; those of the device.
pub(super) fn zero_old_tail(store: &mut Store, files: &mut Files, ino: Ino, size: u64) -> Result<()> {
    let Some(tail) = prepare_tail(store, files, ino, size)? else { return Ok(()) };
    tail.check_space(&mut Transaction::new(store), files, ino)?;
    let geometry = store.geometry().clone();
    // Nothing that can be seen changes, so the times stay: what follows may still fail.
    files.change(&geometry, ino, size, |file| tail.apply(file, geometry.blocksize as usize));
    writeback(store, files, ino, false)
}
