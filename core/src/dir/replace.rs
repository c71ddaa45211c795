//! Having an existing name, or `..`, lead to another inode.
//!
//! The entry stays where it is: only inode number and type in it change. What refers to it, by its place and its hash,
//! is not touched.
//!
//! Source: "Shortform Directories", "Block Directories".

use super::blocks::{Dir, kinds};
use super::edit::NewName;
use super::list::shortform;
use super::lookup::{Wanted, in_blocks};
use super::{Form, entries_end, form, shortform as in_inode};
use crate::error::{Error, Problem, Result};
use crate::format::BlockKind;
use crate::format::dir::data::entry_at;
use crate::format::dir::{DOTDOT_AT, Dataptr};
use crate::format::header::put;
use crate::inode::Inode;
use crate::journal::Transaction;

/// Has `new.name`, which must be there, lead to `new.ino`.
///
/// # Errors
/// [`Error::Corrupt`] when the name is not there; [`Error::NoSpace`] when inode numbers of eight bytes push the directory
/// out of its inode; those of changing the trees.
pub fn replace(tx: &mut Transaction<'_>, dir: &Inode, new: &NewName<'_>) -> Result<()> {
    let mut dir = Dir::read(tx, dir.ino)?;
    let mut form = form(tx, &dir.inode)?;
    if form == Form::Shortform {
        if in_shortform(tx, &dir, new)? {
            return Ok(());
        }
        in_inode::leave(tx, &mut dir)?;
        form = Form::Block;
    }
    if new.name == b".." {
        return change_entry(tx, &mut dir, form, Dataptr(DOTDOT_AT >> Dataptr::LOG), new);
    }
    let wanted = Wanted::new(tx.geometry(), new.name);
    match in_blocks(tx, &dir.inode, form, &wanted)? {
        Some(at) => change_entry(tx, &mut dir, form, at.address, new),
        None => Err(missing(&dir)),
    }
}

fn missing(dir: &Dir) -> Error {
    dir.inode.corrupt(Problem::Rule("name to be replaced is not in the directory"))
}

/// Changes a shortform directory; false when it would not fit its inode any more.
fn in_shortform(tx: &mut Transaction<'_>, dir: &Dir, new: &NewName<'_>) -> Result<bool> {
    let mut sf = shortform(&dir.inode)?;
    if new.name == b".." {
        sf.parent = new.ino;
    } else {
        let entry = sf.entries.iter_mut().find(|entry| entry.name == new.name);
        let entry = entry.ok_or_else(|| missing(dir))?;
        entry.ino = new.ino;
        entry.ftype = new.file_type.dir_code();
    }
    if sf.encoded_bytes() > dir.inode.data_fork_bytes() {
        return Ok(false);
    }
    in_inode::store(tx, dir.ino(), &sf.encode()).map(|()| true)
}

/// Changes the entry at `address`.
fn change_entry(
    tx: &mut Transaction<'_>,
    dir: &mut Dir,
    form: Form,
    address: Dataptr,
    new: &NewName<'_>,
) -> Result<()> {
    let (index, byte) = dir.data_index(address);
    let at = dir.data_at(index);
    let locator = dir.writable(tx, at, if form == Form::Block { kinds::BLOCK } else { kinds::DATA })?;
    let block = tx.block(&locator)?;
    let fail = |problem| dir.damaged(BlockKind::DirData, at, problem);
    let end = entries_end(block).map_err(fail)?;
    if entry_at(&block.bytes, byte, end).map_err(fail)?.name != new.name {
        return Err(missing(dir));
    }
    // Inode number, length of the name, name, type.
    let ftype_at = byte + 9 + new.name.len();
    let bytes = tx.modify(&locator, byte..ftype_at + 1)?;
    put(bytes, byte, &new.ino.0.to_be_bytes());
    bytes[ftype_at] = new.file_type.dir_code();
    Ok(())
}
