//! The mark of a file that may share blocks. Linux takes it off where it is sure that nothing is shared any more.

use super::extents::on_disk;
use super::file::Files;
use crate::error::Result;
use crate::format::inode::Flags2;
use crate::inode;
use crate::inode::core::{core, core_mut};
use crate::journal::{Store, Transaction};
use crate::units::Ino;

/// Marks a file.
///
/// # Errors
/// Those of reading the inode.
pub(super) fn set(tx: &mut Transaction<'_>, ino: Ino) -> Result<()> {
    if !core(tx, ino)?.flags2().contains(Flags2::REFLINK) {
        let core = core_mut(tx, ino)?;
        core.flags2.set(core.flags2.get() | Flags2::REFLINK.bits());
    }
    Ok(())
}

fn clear(tx: &mut Transaction<'_>, ino: Ino) -> Result<()> {
    let core = core_mut(tx, ino)?;
    core.flags2.set(core.flags2.get() & !Flags2::REFLINK.bits());
    Ok(())
}

/// Takes the mark off a file that was cut and has no blocks left. Whether there was anything to do.
///
/// # Errors
/// Those of reading the inode.
pub(super) fn clear_if_empty(tx: &mut Transaction<'_>, ino: Ino) -> Result<bool> {
    let inode = core(tx, ino)?;
    let is_stale = inode.flags2().contains(Flags2::REFLINK) && inode.data_nextents() == 0;
    if is_stale {
        clear(tx, ino)?;
    }
    Ok(is_stale)
}

/// Takes the mark off a file of which no block is shared. The file must be written back.
///
/// # Errors
/// Those of reading the trees.
pub fn clear_if_unshared(store: &mut Store, files: &mut Files, ino: Ino) -> Result<()> {
    if !core(&mut Transaction::new(store), ino)?.flags2().contains(Flags2::REFLINK) {
        return Ok(());
    }
    let mut tx = Transaction::new(store);
    let inode = inode::read(&mut tx, ino)?;
    if on_disk(&mut tx, &inode)?.iter().any(|extent| extent.shared) {
        return Ok(());
    }
    drop(tx);
    super::punch::drop_staging(store, files, ino);
    let mut tx = Transaction::new(store);
    clear(&mut tx, ino)?;
    tx.commit()
}
