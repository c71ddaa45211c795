//! Symbolic links: their targets, in the inode or in blocks.
//!
//! Source: "Symbolic Links".

use alloc::vec::Vec;

use crate::btree::bmap::{fork_bounds, inode_locator};
use crate::error::{Error, Place, Problem, Result};
use crate::format::BlockKind;
use crate::format::header::{be_u32, put};
use crate::format::inode::fork_format;
use crate::format::symlink::{MAX_TARGET_BYTES, SYMLINK_HEADER_BYTES, SymlinkHeader};
use crate::inode::core::core_mut;
use crate::inode::{Fork, Inode, bmap, map_at};
use crate::journal::{Locator, Transaction};
use crate::units::{AgBlock, FileBlock, Ino};

/// The target of a symbolic link.
///
/// # Errors
/// [`Error::Corrupt`]; those of the device.
pub fn target(tx: &mut Transaction<'_>, link: &Inode) -> Result<Vec<u8>> {
    let size = link.size();
    if size == 0 || size > MAX_TARGET_BYTES {
        return Err(link.corrupt(Problem::Bounds { field: "size", found: size }));
    }
    let target = match link.core.format {
        fork_format::LOCAL => link.data_fork().get(..size as usize).unwrap_or_default().to_vec(),
        _ => remote_target(tx, link, size as usize)?,
    };
    if target.contains(&0) {
        return Err(link.corrupt(Problem::Rule("NUL in the target of a symlink")));
    }
    Ok(target)
}

fn remote_target(tx: &mut Transaction<'_>, link: &Inode, size: usize) -> Result<Vec<u8>> {
    let blocksize = tx.geometry().blocksize;
    let blocks = size.div_ceil(blocksize as usize - SYMLINK_HEADER_BYTES) as u64;
    let end = FileBlock(blocks);
    let mut at = FileBlock(0);
    let mut target = Vec::with_capacity(size);
    while target.len() < size {
        let place = Place::file_block(link.ino, at);
        let fail = |problem| Err(Error::corrupt("symlink", place, problem));
        let mapped = map_at(tx, link, Fork::Data, at)?.and_then(|extent| extent.within(at, end));
        let Some(extent) = mapped.filter(|extent| extent.file_block == at && !extent.unwritten) else {
            return fail(Problem::Rule("target lies in a hole"));
        };
        let len_bytes = extent.len * blocksize;
        let daddr = tx.geometry().daddr(extent.start);
        let locator = Locator::new(&[BlockKind::Symlink], daddr, len_bytes, Some(link.ino.0));
        let bytes = tx.read(&locator)?;
        let offset = be_u32(bytes, core::mem::offset_of!(SymlinkHeader, offset));
        let len = be_u32(bytes, core::mem::offset_of!(SymlinkHeader, bytes)) as usize;
        if offset as usize != target.len() {
            let (expected, found) = (target.len() as u64, offset.into());
            return fail(Problem::Value { field: "offset", expected, found });
        }
        match bytes[SYMLINK_HEADER_BYTES..].get(..len) {
            Some(piece) if len > 0 && target.len() + len <= size => target.extend_from_slice(piece),
            _ => return fail(Problem::Bounds { field: "bytes", found: len as u64 }),
        }
        at = extent.file_end();
    }
    Ok(target)
}

/// Makes a fresh symlink lead to `target`, which has 1 to [`MAX_TARGET_BYTES`] bytes.
///
/// # Errors
/// [`Error::NoSpace`], and those of changing the trees.
pub fn initialise(tx: &mut Transaction<'_>, ino: Ino, target: &[u8]) -> Result<()> {
    let inodesize = tx.geometry().inodesize;
    let core = core_mut(tx, ino)?;
    core.size.set(target.len() as u64);
    let (at, room) = fork_bounds(core, inodesize, ino, Fork::Data)?;
    if target.len() > room {
        return store(tx, ino, target);
    }
    core.format = fork_format::LOCAL;
    let locator = inode_locator(tx.geometry(), ino);
    put(tx.modify(&locator, at..at + target.len())?, at, target);
    Ok(())
}

/// Stores a target in blocks, in one piece.
fn store(tx: &mut Transaction<'_>, ino: Ino, target: &[u8]) -> Result<()> {
    let geometry = tx.geometry().clone();
    // One header for all of it, and not one per block; but that is how blocks are counted.
    let blocks = target.len().div_ceil(geometry.blocksize as usize - SYMLINK_HEADER_BYTES) as u32;
    let near = geometry.fsblock(geometry.split_ino(ino).0, AgBlock(0));
    let extent = bmap::allocate_whole(tx, ino, Fork::Data, FileBlock(0), blocks, near)?;
    let daddr = geometry.daddr(extent.start);
    let locator = Locator::new(&[BlockKind::Symlink], daddr, blocks * geometry.blocksize, Some(ino.0));
    let block = tx.create(&locator);
    put(block, core::mem::offset_of!(SymlinkHeader, bytes), &(target.len() as u32).to_be_bytes());
    put(block, SYMLINK_HEADER_BYTES, target);
    Ok(())
}

/// Moves a target that is in the inode to blocks, where its room is wanted for something else.
///
/// # Errors
/// [`Error::NoSpace`], and those of changing the trees.
pub fn leave_inode(tx: &mut Transaction<'_>, link: &Inode) -> Result<()> {
    let target = target(tx, link)?;
    let core = core_mut(tx, link.ino)?;
    core.format = fork_format::EXTENTS;
    core.set_data_nextents(0);
    store(tx, link.ino, &target)
}
