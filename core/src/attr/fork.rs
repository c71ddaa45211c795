//! Making and removing the attribute fork of an inode.

use alloc::vec::Vec;

use crate::btree::Cursor;
use crate::btree::bmap::{Bmbt, fork_bounds, inode_locator, set_forkoff};
use crate::dir::edit::leave_inode as move_directory;
use crate::error::{Error, Result};
use crate::format::attr::{Attr, encode_shortform};
use crate::format::header::put;
use crate::format::inode::{FileType, fork_format};
use crate::inode::core::core_mut;
use crate::inode::{self, Fork, Inode, bmap, forkoff};
use crate::journal::Transaction;
use crate::space::source::ForkSource;
use crate::symlink::leave_inode as move_target;
use crate::units::{FileBlock, Ino};

/// Behind the last file block that any fork can have.
const END: FileBlock = FileBlock(1 << 54);

/// Makes sure that an inode has an attribute fork. A new one is empty, and has room for `bytes` bytes in the inode if
/// that can be; what of the data fork is in its way moves to blocks.
///
/// # Errors
/// Those of changing the trees.
pub(super) fn ensure(tx: &mut Transaction<'_>, ino: Ino, bytes: usize) -> Result<()> {
    let inode = inode::read(tx, ino)?;
    if inode.has_attr_fork() {
        return Ok(());
    }
    let border = forkoff::with_room(&inode, bytes).unwrap_or_else(|| forkoff::default(&inode));
    if !forkoff::data_fits(&inode, border) {
        make_way(tx, &inode)?;
    }
    set_forkoff(tx, ino, border)?;
    set_empty(tx, ino)
}

/// Moves what the data fork holds in the inode to blocks.
fn make_way(tx: &mut Transaction<'_>, inode: &Inode) -> Result<()> {
    let ino = inode.ino;
    match (inode.core.format, inode.file_type) {
        (fork_format::EXTENTS | fork_format::BTREE, _) => {
            let fork = Fork::Data;
            Cursor::new(Bmbt { ino, fork }).push_root(tx, &mut ForkSource { ino, fork })
        }
        (fork_format::LOCAL, FileType::Directory) => move_directory(tx, inode),
        (fork_format::LOCAL, FileType::Symlink) => move_target(tx, inode),
        _ => Err(Error::unsupported("attributes of an inode of the volume's own")),
    }
}

/// Makes the attribute fork an empty list of extents.
pub(super) fn set_empty(tx: &mut Transaction<'_>, ino: Ino) -> Result<()> {
    let core = core_mut(tx, ino)?;
    core.aformat = fork_format::EXTENTS;
    core.set_attr_nextents(0);
    Ok(())
}

/// Makes the attribute fork an empty list of extents, in place of attributes that go to blocks; room that it no longer
/// needs goes back to the data fork.
pub(super) fn leave_inode(tx: &mut Transaction<'_>, inode: &Inode) -> Result<()> {
    set_empty(tx, inode.ino)?;
    let border = forkoff::default(inode);
    if inode.core.format != fork_format::BTREE && border > inode.core.forkoff {
        set_forkoff(tx, inode.ino, border)?;
    }
    Ok(())
}

/// Whether an inode keeps its attribute fork when the last attribute goes.
pub(super) fn stays(tx: &Transaction<'_>, inode: &Inode) -> bool {
    inode.core.format == fork_format::BTREE || tx.geometry().has_parent_pointers()
}

/// Removes the attribute fork, of which no blocks are left; its room goes to the data fork.
pub(super) fn discard(tx: &mut Transaction<'_>, ino: Ino) -> Result<()> {
    set_empty(tx, ino)?;
    set_forkoff(tx, ino, 0)
}

/// An attribute fork in shortform, and where it is to start.
pub(super) struct Shortform {
    bytes: Vec<u8>,
    border: u8,
}

impl Shortform {
    /// The shortform of attributes, if they have one that fits the inode.
    pub(super) fn of(inode: &Inode, attrs: &[Attr<'_>]) -> Option<Self> {
        let bytes = encode_shortform(attrs)?;
        let border = forkoff::with_room(inode, bytes.len())?;
        Some(Self { bytes, border })
    }

    /// Makes it the attribute fork of that inode, which must have no blocks.
    pub(super) fn store(&self, tx: &mut Transaction<'_>, ino: Ino) -> Result<()> {
        set_forkoff(tx, ino, self.border)?;
        let core = core_mut(tx, ino)?;
        core.aformat = fork_format::LOCAL;
        core.set_attr_nextents(0);
        let core = *core;
        let (at, _) = fork_bounds(&core, tx.geometry().inodesize, ino, Fork::Attr)?;
        let locator = inode_locator(tx.geometry(), ino);
        put(tx.modify(&locator, at..at + self.bytes.len())?, at, &self.bytes);
        Ok(())
    }
}

/// Gives all blocks of an attribute fork back whose only leaf holds nothing any more: that leaf, and any blocks of
/// values that a crash of Linux left there.
pub(super) fn free_blocks(tx: &mut Transaction<'_>, ino: Ino) -> Result<()> {
    if let Some(root) = bmap::lookup(tx, ino, Fork::Attr, FileBlock(0))? {
        let (daddr, len_bytes) = (tx.geometry().daddr(root.start), tx.geometry().blocksize);
        tx.cancel(daddr, len_bytes);
    }
    bmap::unmap(tx, ino, Fork::Attr, FileBlock(0), END)
}
