//! Having an existing name, or `..`, lead to another inode.
//!
//! The entry stays where it is: only inode number and type in it change. What refers to it, by its place and its hash,
//! is not touched.
//!
//! Source: "Shortform Directories", "Block Directories".

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::da::{Chain, Space, damaged};
use super::edit::{NewName, leave_inode};
use super::list::shortform;
use super::lookup::dir_hash;
use super::{Form, entries_end, form, locate_data};
use crate::btree::bmap::{Fork, inode_locator};
use crate::error::{Problem, Result};
use crate::format::BlockKind;
use crate::format::dir::data::{BlockTail, DataHeader, TAIL_BYTES, entry_at};
use crate::format::dir::leaf::{Leaf, LeafEntries};
use crate::format::dir::{DOTDOT_AT, Dataptr};
use crate::format::header::put;
use crate::format::inode::CORE_BYTES;
use crate::inode::core::core_mut;
use crate::inode::{self, Inode, bmap};
use crate::journal::{Locator, Transaction};
use crate::units::{AgBlock, FileBlock};

/// Has `new.name`, which must be there, lead to `new.ino`.
///
/// # Errors
/// [`Error::Corrupt`](crate::Error::Corrupt) when the name is not there; those of changing the trees.
pub fn replace(tx: &mut Transaction<'_>, dir: &Inode, new: &NewName<'_>) -> Result<()> {
    let address = match form(tx, dir)? {
        Form::Shortform if in_shortform(tx, dir, new)? => return Ok(()),
        Form::Shortform => {
            // Inode numbers of eight bytes take more room than the inode has.
            leave_inode(tx, dir)?;
            let dir = inode::read(tx, dir.ino)?;
            return replace(tx, &dir, new);
        }
        _ if new.name == b".." => Some(Dataptr(DOTDOT_AT >> Dataptr::LOG)),
        Form::Block => in_block(tx, dir, new.name)?,
        Form::Leaf | Form::Node => in_leaves(tx, dir, new.name)?,
    };
    match address {
        Some(address) => change_entry(tx, dir, address, new),
        None => Err(missing(dir)),
    }
}

fn missing(dir: &Inode) -> crate::Error {
    dir.corrupt(Problem::Rule("name to be replaced is not in the directory"))
}

/// Changes a shortform directory; false when it would not fit its inode any more.
fn in_shortform(tx: &mut Transaction<'_>, dir: &Inode, new: &NewName<'_>) -> Result<bool> {
    let mut sf = shortform(dir)?;
    if new.name == b".." {
        sf.parent = new.ino;
    } else {
        let entry = sf.entries.iter_mut().find(|entry| entry.name == new.name);
        let entry = entry.ok_or_else(|| missing(dir))?;
        entry.ino = new.ino;
        entry.ftype = new.file_type.dir_code();
    }
    if sf.encoded_bytes() > dir.data_fork_bytes() {
        return Ok(false);
    }
    let bytes = sf.encode();
    core_mut(tx, dir.ino)?.size.set(bytes.len() as u64);
    let at = inode_locator(tx.geometry(), dir.ino);
    put(tx.modify(&at, CORE_BYTES..CORE_BYTES + bytes.len())?, CORE_BYTES, &bytes);
    Ok(true)
}

/// Where the entry of `name` is, in a directory of block form.
fn in_block(tx: &mut Transaction<'_>, dir: &Inode, name: &[u8]) -> Result<Option<Dataptr>> {
    let fail = |problem| damaged(BlockKind::DirBlock, dir, FileBlock(0), problem);
    let Some(locator) = locate_data(tx, dir, FileBlock(0))? else {
        return Err(fail(Problem::Rule("directory has no block")));
    };
    let hash = dir_hash(&Arc::clone(tx.geometry()), name);
    let bytes = tx.read(&locator)?;
    let tail = BlockTail::decode(bytes).map_err(fail)?;
    let leaf = LeafEntries::new(&bytes[tail.leaf_at(bytes.len())..bytes.len() - TAIL_BYTES]);
    let addresses: Vec<_> = leaf.with_hash(hash).map(|entry| entry.address).collect();
    among(tx, dir, name, &addresses)
}

/// Where the entry of `name` is, in a directory with leaves.
fn in_leaves(tx: &mut Transaction<'_>, dir: &Inode, name: &[u8]) -> Result<Option<Dataptr>> {
    let hash = dir_hash(&Arc::clone(tx.geometry()), name);
    let space = Space::dir(tx.geometry());
    let mut chain = Chain::default();
    let mut next = Some(space.leaf_for(tx, dir, hash)?);
    while let Some(at) = next {
        let block = tx.block(&at.locator)?;
        let fail = |problem| damaged(block.kind, dir, at.block, problem);
        if block.kind == BlockKind::DaNode {
            return Err(fail(Problem::Rule("node in the chain of leaves")));
        }
        let leaf = Leaf::new(&block.bytes, block.kind == BlockKind::DirLeaf1).map_err(fail)?;
        let addresses: Vec<_> = leaf.entries.with_hash(hash).map(|entry| entry.address).collect();
        let goes_on = leaf.entries.is_empty() || leaf.entries.get(leaf.entries.len() - 1).hash <= hash;
        let forw = if goes_on { leaf.header.info.forw.get() } else { 0 };
        if let Some(found) = among(tx, dir, name, &addresses)? {
            return Ok(Some(found));
        }
        next = space.next_leaf(tx, dir, &mut chain, forw)?;
    }
    Ok(None)
}

/// The one of these entries that has that name.
fn among(
    tx: &mut Transaction<'_>,
    dir: &Inode,
    name: &[u8],
    addresses: &[Dataptr],
) -> Result<Option<Dataptr>> {
    for &address in addresses {
        let (at, byte) = split(tx, address);
        let fail = |problem| damaged(BlockKind::DirData, dir, at, problem);
        let Some(locator) = locate_data(tx, dir, at)? else {
            return Err(fail(Problem::Rule("leaf entry leads into a hole")));
        };
        let block = tx.block(&locator)?;
        let end = entries_end(block).map_err(fail)?;
        if entry_at(&block.bytes, byte, end).map_err(fail)?.name == name {
            return Ok(Some(address));
        }
    }
    Ok(None)
}

/// The data block of an entry, and the byte in it.
fn split(tx: &Transaction<'_>, address: Dataptr) -> (FileBlock, usize) {
    let len_bytes = u64::from(tx.geometry().dir_blocksize());
    let block = address.byte() / len_bytes * u64::from(tx.geometry().dir_fsblocks());
    (FileBlock(block), (address.byte() % len_bytes) as usize)
}

/// Changes the entry at `address`.
fn change_entry(tx: &mut Transaction<'_>, dir: &Inode, address: Dataptr, new: &NewName<'_>) -> Result<()> {
    let (at, byte) = split(tx, address);
    let fail = |problem| damaged(BlockKind::DirData, dir, at, problem);
    let Some(locator) = locate_data(tx, dir, at)? else {
        return Err(fail(Problem::Rule("directory has no block")));
    };
    let block = tx.block(&locator)?;
    let end = entries_end(block).map_err(fail)?;
    if entry_at(&block.bytes, byte, end).map_err(fail)?.name != new.name {
        return Err(missing(dir));
    }
    let locator = in_one_piece(tx, dir, at, locator)?;
    // Inode number, length of the name, name, type.
    let ftype_at = byte + 9 + new.name.len();
    let bytes = tx.modify(&locator, byte..ftype_at + 1)?;
    put(bytes, byte, &new.ino.0.to_be_bytes());
    bytes[ftype_at] = new.file_type.dir_code();
    Ok(())
}

/// Gives a block that lies in pieces a place where it is whole: Linux can't recover a log with a change of the former.
fn in_one_piece(tx: &mut Transaction<'_>, dir: &Inode, at: FileBlock, old: Locator) -> Result<Locator> {
    if old.pieces.len() < 2 {
        return Ok(old);
    }
    let block = tx.block(&old)?;
    let bytes = block.bytes.clone();
    let kinds: &'static [BlockKind] =
        if block.kind == BlockKind::DirBlock { &[BlockKind::DirBlock] } else { &[BlockKind::DirData] };
    for piece in &old.pieces {
        tx.cancel(piece.daddr, piece.len_bytes);
    }
    let (len, ag) = (tx.geometry().dir_fsblocks(), tx.geometry().split_ino(dir.ino).0);
    let near = tx.geometry().fsblock(ag, AgBlock(0));
    bmap::unmap(tx, dir.ino, Fork::Data, at, at.plus(len.into()))?;
    let extent = bmap::allocate_whole(tx, dir.ino, Fork::Data, at, len, near)?;
    let whole = Locator::new(kinds, tx.geometry().daddr(extent.start), old.len_bytes, Some(dir.ino.0));
    // Behind the self-describing part, which ends with the owner.
    const OWN_AT: usize = core::mem::offset_of!(DataHeader, bestfree);
    tx.create(&whole)[OWN_AT..].copy_from_slice(&bytes[OWN_AT..]);
    Ok(whole)
}
