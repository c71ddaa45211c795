//! The end of an inode: everything that it owns is freed, then itself.

use crate::btree::bmap::Fork;
use crate::error::Result;
use crate::format::inode::{FileType, fork_format};
use crate::inode::{alloc, bmap, core::core};
use crate::journal::Transaction;
use crate::units::{FileBlock, Ino};

/// Behind the last file block that any fork can have.
const END: FileBlock = FileBlock(1 << 54);

/// Frees an inode that no name leads to any more, with all its blocks.
///
/// # Errors
/// Those of changing the trees.
pub fn inactivate(tx: &mut Transaction<'_>, ino: Ino) -> Result<()> {
    let before = core(tx, ino)?;
    let is_regular = FileType::from_mode(before.mode.get()) == Some(FileType::Regular);
    let has_extents = |format| matches!(format, fork_format::EXTENTS | fork_format::BTREE);
    if has_extents(before.format) {
        if !is_regular {
            cancel_blocks(tx, ino, Fork::Data)?;
        }
        bmap::unmap(tx, ino, Fork::Data, FileBlock(0), END)?;
    }
    if before.forkoff != 0 && has_extents(before.aformat) {
        cancel_blocks(tx, ino, Fork::Attr)?;
        bmap::unmap(tx, ino, Fork::Attr, FileBlock(0), END)?;
    }
    alloc::free(tx, ino)
}

/// Forgets what a fork of metadata holds: directory blocks, attribute blocks, symlink targets.
fn cancel_blocks(tx: &mut Transaction<'_>, ino: Ino, fork: Fork) -> Result<()> {
    let mut at = FileBlock(0);
    while let Some(extent) = bmap::lookup(tx, ino, fork, at)? {
        let (daddr, blocklog) = (tx.geometry().daddr(extent.start), tx.geometry().blocklog);
        for block in 0..u64::from(extent.len) {
            let daddr = crate::units::Daddr(daddr.0 + (block << (blocklog - 9)));
            tx.cancel(daddr, 1 << blocklog);
        }
        at = extent.file_end();
    }
    Ok(())
}
