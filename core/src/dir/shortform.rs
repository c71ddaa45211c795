//! A directory of shortform: changing what its inode holds.
//!
//! Source: "Shortform Directories".

use super::block_form;
use super::blocks::Dir;
use super::edit::NewName;
use super::list::shortform;
use super::lookup::Wanted;
use crate::btree::bmap::inode_locator;
use crate::error::{Problem, Result};
use crate::format::dir::FIRST_ENTRY_AT;
use crate::format::dir::data::{TAIL_BYTES, entry_bytes};
use crate::format::dir::leaf::LeafEntry;
use crate::format::dir::shortform::{Entry, Shortform};
use crate::format::header::put;
use crate::format::inode::{CORE_BYTES, fork_format};
use crate::inode::core::core_mut;
use crate::journal::Transaction;
use crate::units::Ino;

/// Makes these bytes what an inode holds.
pub(super) fn store(tx: &mut Transaction<'_>, ino: Ino, bytes: &[u8]) -> Result<()> {
    let core = core_mut(tx, ino)?;
    core.format = fork_format::LOCAL;
    core.size.set(bytes.len() as u64);
    let at = inode_locator(tx.geometry(), ino);
    put(tx.modify(&at, CORE_BYTES..CORE_BYTES + bytes.len())?, CORE_BYTES, bytes);
    Ok(())
}

/// Adds a name. Says whether it found its room; else nothing has changed.
pub(super) fn add(tx: &mut Transaction<'_>, dir: &Dir, new: &NewName<'_>) -> Result<bool> {
    let mut sf = shortform(&dir.inode)?;
    let Some((index, offset)) = offset_for(&sf, new.name.len(), dir.block_bytes()) else { return Ok(false) };
    let entry = Entry { offset, name: new.name, ftype: new.file_type.dir_code(), ino: new.ino };
    sf.entries.insert(index, entry);
    if sf.encoded_bytes() > dir.inode.data_fork_bytes() || sf.entries.len() >= 255 {
        return Ok(false);
    }
    store(tx, dir.ino(), &sf.encode()).map(|()| true)
}

/// Removes a name, which must be there.
pub(super) fn remove(tx: &mut Transaction<'_>, dir: &Dir, wanted: &Wanted<'_>) -> Result<()> {
    let mut sf = shortform(&dir.inode)?;
    let exact = sf.entries.iter().position(|entry| entry.name == wanted.name);
    let Some(index) = exact.or_else(|| sf.entries.iter().position(|entry| wanted.is(entry.name))) else {
        return Err(dir.inode.corrupt(Problem::Rule("name to remove is not there")));
    };
    sf.entries.remove(index);
    store(tx, dir.ino(), &sf.encode())
}

/// Moves all of it out of the inode into a block.
pub(super) fn leave(tx: &mut Transaction<'_>, dir: &mut Dir) -> Result<()> {
    let inode = dir.inode.clone();
    block_form::from_shortform(tx, dir, &shortform(&inode)?)
}

fn end_of(entry: &Entry<'_>) -> usize {
    usize::from(entry.offset) + entry_bytes(entry.name.len())
}

/// Offset in a data block that a new entry takes, and where it comes in the list: behind the last, or in the first gap
/// that is large enough. `None` when the directory would not fit a block.
fn offset_for(sf: &Shortform<'_>, namelen: usize, dir_blocksize: usize) -> Option<(usize, u16)> {
    let need = entry_bytes(namelen);
    // "." and ".." have entries in the index too, and the new one will.
    let index_bytes = (sf.entries.len() + 3) * LeafEntry::BYTES + TAIL_BYTES;
    let last_end = sf.entries.last().map_or(FIRST_ENTRY_AT as usize, end_of);
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
        at = end_of(entry);
    }
    None
}

/// Where such a directory would end as a block, its index included, and where a block ends.
#[cfg(test)]
pub(super) fn limit(dir: &Dir) -> Result<(usize, usize)> {
    let sf = shortform(&dir.inode)?;
    let last_end = sf.entries.last().map_or(FIRST_ENTRY_AT as usize, end_of);
    Ok((last_end + (sf.entries.len() + 2) * LeafEntry::BYTES + TAIL_BYTES, dir.block_bytes()))
}
