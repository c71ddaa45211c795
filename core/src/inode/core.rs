//! Reading and changing the core of an inode inside a transaction.

use zerocopy::FromBytes;

use crate::btree::bmap::inode_locator;
use crate::error::{Error, Place, Problem, Result};
use crate::format::inode::{CORE_BYTES, Dinode};
use crate::format::time::Timestamp;
use crate::journal::Transaction;
use crate::units::Ino;

/// A copy of the core of `ino`.
///
/// # Errors
/// Those of reading it; corruption when `ino` is not inside the volume.
pub fn core(tx: &mut Transaction<'_>, ino: Ino) -> Result<Dinode> {
    if !tx.geometry().is_valid_ino(ino) {
        let problem = Problem::Bounds { field: "inode number", found: ino.0 };
        return Err(Error::corrupt("inode", Place::ino(ino), problem));
    }
    let at = inode_locator(tx.geometry(), ino);
    Ok(Dinode::read_from_prefix(tx.read(&at)?).expect("an inode holds its core").0)
}

/// The core of `ino`, to change it.
///
/// # Errors
/// Those of [`core()`].
pub fn core_mut<'t>(tx: &'t mut Transaction<'_>, ino: Ino) -> Result<&'t mut Dinode> {
    let at = inode_locator(tx.geometry(), ino);
    let bytes = tx.modify(&at, 0..CORE_BYTES)?;
    Ok(Dinode::mut_from_prefix(bytes).expect("an inode holds its core").0)
}

/// Notes that attributes of `ino` changed at `now`.
///
/// # Errors
/// Those of [`core()`].
pub fn touch(tx: &mut Transaction<'_>, ino: Ino, now: Timestamp) -> Result<()> {
    core_mut(tx, ino)?.note_change(now);
    Ok(())
}
