//! Adding and removing names, in directories of shortform and block form.
//!
//! Source: "Shortform Directories", "Block Directories".

use alloc::vec::Vec;

use super::da::damaged;
use super::list::shortform;
use super::lookup::dir_hash;
use super::{Form, block_form, form};
use crate::btree::bmap::{Fork, inode_locator};
use crate::error::{Error, Result};
use crate::format::dir::data::{Tile, entry_bytes, tiles};
use crate::format::dir::shortform::{Entry, Shortform};
use crate::format::dir::{DATA_HEADER_BYTES, FIRST_ENTRY_AT};
use crate::format::header::put;
use crate::format::inode::{CORE_BYTES, FileType, fork_format};
use crate::inode::core::core_mut;
use crate::inode::{self, Inode, bmap};
use crate::journal::Transaction;
use crate::units::{AgBlock, FileBlock, Ino};

/// A name on its way into a directory.
#[derive(Debug, Clone, Copy)]
pub struct NewName<'a> {
    /// The name; it must be valid and not there yet.
    pub name: &'a [u8],
    /// What it names.
    pub ino: Ino,
    /// Type of that.
    pub file_type: FileType,
}

fn unsupported() -> Error {
    Error::unsupported("changing names of a directory in leaf or node form")
}

/// Adds a name.
///
/// # Errors
/// [`Error::Unsupported`] when that takes leaf form; those of changing the trees.
pub fn add(tx: &mut Transaction<'_>, dir: &Inode, new: &NewName<'_>) -> Result<()> {
    match form(tx, dir)? {
        Form::Shortform => add_shortform(tx, dir, new),
        Form::Block => add_block(tx, dir, new),
        Form::Leaf | Form::Node => Err(unsupported()),
    }
}

/// Removes a name, which must be there.
///
/// # Errors
/// [`Error::Unsupported`] for leaf and node form; those of changing the trees.
pub fn remove(tx: &mut Transaction<'_>, dir: &Inode, name: &[u8]) -> Result<()> {
    match form(tx, dir)? {
        Form::Shortform => {
            let mut sf = shortform(dir)?;
            sf.entries.retain(|entry| entry.name != name);
            store_shortform(tx, dir.ino, &sf)
        }
        Form::Block => remove_block(tx, dir, name),
        Form::Leaf | Form::Node => Err(unsupported()),
    }
}

/// Makes an inode an empty directory.
///
/// # Errors
/// Those of reading the inode.
pub fn initialise(tx: &mut Transaction<'_>, ino: Ino, parent: Ino) -> Result<()> {
    store_shortform(tx, ino, &Shortform { parent, entries: Vec::new() })
}

fn store_shortform(tx: &mut Transaction<'_>, ino: Ino, sf: &Shortform<'_>) -> Result<()> {
    let bytes = sf.encode();
    let core = core_mut(tx, ino)?;
    core.format = fork_format::LOCAL;
    core.size.set(bytes.len() as u64);
    let at = inode_locator(tx.geometry(), ino);
    put(tx.modify(&at, CORE_BYTES..CORE_BYTES + bytes.len())?, CORE_BYTES, &bytes);
    Ok(())
}

/// Offset in a data block that a new shortform entry takes: behind the last, or in the first gap that is large
/// enough. `None` when the directory would not fit a block.
fn shortform_offset(sf: &Shortform<'_>, namelen: usize, dir_blocksize: usize) -> Option<(usize, u16)> {
    let need = entry_bytes(namelen);
    let end = |entry: &Entry<'_>| usize::from(entry.offset) + entry_bytes(entry.name.len());
    // "." and ".." have leaf entries too, and the new one will.
    let index_bytes = (sf.entries.len() + 3) * 8 + 8;
    let last_end = sf.entries.last().map_or(FIRST_ENTRY_AT as usize, end);
    if last_end + need + index_bytes <= dir_blocksize {
        return Some((sf.entries.len(), last_end as u16));
    }
    // A gap takes the name, but the index of the block grows by one entry all the same.
    if last_end + index_bytes > dir_blocksize {
        return None;
    }
    let mut at = FIRST_ENTRY_AT as usize;
    for (index, entry) in sf.entries.iter().enumerate() {
        if at + need <= usize::from(entry.offset) {
            return Some((index, at as u16));
        }
        at = end(entry);
    }
    None
}

fn add_shortform(tx: &mut Transaction<'_>, dir: &Inode, new: &NewName<'_>) -> Result<()> {
    let mut sf = shortform(dir)?;
    let dir_blocksize = tx.geometry().dir_blocksize() as usize;
    if let Some((index, offset)) = shortform_offset(&sf, new.name.len(), dir_blocksize) {
        let entry = Entry { offset, name: new.name, ftype: new.file_type.dir_code(), ino: new.ino };
        sf.entries.insert(index, entry);
        if sf.encoded_bytes() <= dir.data_fork_bytes() && sf.entries.len() < 255 {
            return store_shortform(tx, dir.ino, &sf);
        }
        sf.entries.remove(index);
    }
    to_block(tx, dir, &sf)?;
    let dir = inode::read(tx, dir.ino)?;
    add_block(tx, &dir, new)
}

/// Moves a directory of shortform out of its inode, where its room is wanted for something else.
///
/// # Errors
/// Those of changing the trees.
pub fn leave_inode(tx: &mut Transaction<'_>, dir: &Inode) -> Result<()> {
    to_block(tx, dir, &shortform(dir)?)
}

/// Moves a directory out of its inode into a block.
fn to_block(tx: &mut Transaction<'_>, dir: &Inode, sf: &Shortform<'_>) -> Result<()> {
    let geometry = tx.geometry().clone();
    let entries: Vec<_> =
        sf.entries.iter().map(|e| (usize::from(e.offset), e.ino, e.name, e.ftype)).collect();
    let bytes = block_form::build(&geometry, dir.ino, sf.parent, &entries);
    let bytes =
        bytes.map_err(|problem| damaged(crate::format::BlockKind::DirBlock, dir, FileBlock(0), problem))?;
    let core = core_mut(tx, dir.ino)?;
    core.format = fork_format::EXTENTS;
    core.size.set(geometry.dir_blocksize().into());
    core.set_data_nextents(0);
    let near = geometry.fsblock(geometry.split_ino(dir.ino).0, AgBlock(0));
    let extent = bmap::allocate_whole(tx, dir.ino, Fork::Data, FileBlock(0), geometry.dir_fsblocks(), near)?;
    block_form::create(tx, dir.ino, extent.start, &bytes);
    Ok(())
}

fn add_block(tx: &mut Transaction<'_>, dir: &Inode, new: &NewName<'_>) -> Result<()> {
    let geometry = tx.geometry().clone();
    let hash = dir_hash(&geometry, new.name);
    let ftype = new.file_type.dir_code();
    let added = block_form::change(tx, dir, |block| block.add(new.name, new.ino, ftype, hash))?;
    if added { Ok(()) } else { Err(unsupported()) }
}

fn remove_block(tx: &mut Transaction<'_>, dir: &Inode, name: &[u8]) -> Result<()> {
    let hash = dir_hash(&tx.geometry().clone(), name);
    block_form::change(tx, dir, |block| block.remove(name, hash))?;
    shrink_to_shortform(tx, dir)
}

/// Moves a directory back into its inode when it fits.
fn shrink_to_shortform(tx: &mut Transaction<'_>, dir: &Inode) -> Result<()> {
    let Some((block, end)) = block_form::read(tx, dir)? else { return Ok(()) };
    let mut sf = Shortform { parent: dir.ino, entries: Vec::new() };
    for tile in tiles(&block, end) {
        let tile =
            tile.map_err(|problem| damaged(crate::format::BlockKind::DirBlock, dir, FileBlock(0), problem))?;
        let Tile::Entry(entry) = tile else { continue };
        match entry.name {
            b"." => {}
            b".." => sf.parent = entry.ino,
            name => {
                let offset = entry.at as u16;
                sf.entries.push(Entry { offset, name, ftype: entry.ftype, ino: entry.ino });
            }
        }
    }
    debug_assert!(end >= DATA_HEADER_BYTES);
    if sf.encoded_bytes() > dir.data_fork_bytes() || sf.entries.len() > 255 {
        return Ok(());
    }
    block_form::discard(tx, dir)?;
    store_shortform(tx, dir.ino, &sf)
}

/// Where a shortform directory would end as a block, its index included, and where a block ends.
#[cfg(test)]
pub(crate) fn shortform_limit(tx: &mut Transaction<'_>, dir: Ino) -> Result<(usize, usize)> {
    let limit = tx.geometry().dir_blocksize() as usize;
    let dir = inode::read(tx, dir)?;
    if form(tx, &dir)? != Form::Shortform {
        return Ok((0, limit));
    }
    let sf = shortform(&dir)?;
    let end = |entry: &Entry<'_>| usize::from(entry.offset) + entry_bytes(entry.name.len());
    let last_end = sf.entries.last().map_or(FIRST_ENTRY_AT as usize, end);
    Ok((last_end + (sf.entries.len() + 2) * 8 + 8, limit))
}
