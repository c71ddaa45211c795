//! Step three of an overwrite: new blocks take the place of shared ones.

use crate::btree::bmap::Fork;
use crate::error::Result;
use crate::format::extent::Extent;
use crate::inode::bmap;
use crate::journal::Transaction;
use crate::units::Ino;

/// Puts `new` where the file has shared blocks now.
///
/// The old mapping goes and its blocks lose a reference, the new blocks are allocated and mapped: all of it in the
/// caller's transaction, so that what is seen from outside is the one or the other. The caller writes the data into
/// the new blocks before it commits.
///
/// # Errors
/// Those of changing the trees.
pub fn remap(tx: &mut Transaction<'_>, ino: Ino, new: Extent) -> Result<()> {
    bmap::unmap(tx, ino, Fork::Data, new.file_block, new.file_end())?;
    bmap::allocate_exact(tx, ino, Fork::Data, new)
}
