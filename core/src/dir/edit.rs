//! Adding and removing names, in every form and from form to form.
//!
//! The forms change where Linux changes them: a directory leaves its inode, its block, its one leaf when what comes does
//! not fit, and goes back when what is left does.
//!
//! Source: "Directories".

use super::blocks::Dir;
use super::lookup::Wanted;
use super::{Form, block_form, form, leaf_form, node_form, shortform};
use crate::btree::bmap::Bmbt;
use crate::btree::max_records;
use crate::error::{Error, Result};
use crate::format::da::MAX_LEVELS;
use crate::format::dir::shortform::Shortform;
use crate::format::features::Incompat;
use crate::format::inode::FileType;
use crate::geometry::Geometry;
use crate::inode::Inode;
use crate::journal::Transaction;
use crate::space::reserve;
use crate::units::Ino;

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

/// Adds a name.
///
/// # Errors
/// [`Error::NoSpace`] when there is not as much as it could take at worst; those of changing the trees.
pub fn add(tx: &mut Transaction<'_>, dir: &Inode, new: &NewName<'_>) -> Result<()> {
    let mut dir = Dir::read(tx, dir.ino)?;
    let hash = dir.geometry().dir_hash(new.name);
    let form = form(tx, &dir.inode)?;
    if form == Form::Shortform && shortform::add(tx, &dir, new)? {
        return Ok(());
    }
    if !reserve::is_available(tx, add_fsblocks(dir.geometry()))? {
        return Err(Error::NoSpace);
    }
    match form {
        Form::Shortform => {
            shortform::leave(tx, &mut dir)?;
            block_form::add(tx, &mut dir, new, hash)
        }
        Form::Block => block_form::add(tx, &mut dir, new, hash),
        Form::Leaf => leaf_form::add(tx, &mut dir, new, hash),
        Form::Node => node_form::add(tx, &mut dir, new, hash),
    }
}

/// Removes a name, which must be there. It needs no space, but without any the directory may keep blocks that it could
/// do without.
///
/// # Errors
/// Those of changing the trees; [`Error::NoSpace`] when a block that lies in pieces can't be given a place where it is
/// whole.
pub fn remove(tx: &mut Transaction<'_>, dir: &Inode, name: &[u8]) -> Result<()> {
    let mut dir = Dir::read(tx, dir.ino)?;
    let wanted = Wanted::new(tx.geometry(), name);
    match form(tx, &dir.inode)? {
        Form::Shortform => shortform::remove(tx, &dir, &wanted),
        Form::Block => block_form::remove(tx, &mut dir, &wanted),
        Form::Leaf => leaf_form::remove(tx, &mut dir, &wanted),
        Form::Node => node_form::remove(tx, &mut dir, &wanted),
    }
}

/// Makes an inode an empty directory.
///
/// # Errors
/// Those of reading the inode.
pub fn initialise(tx: &mut Transaction<'_>, ino: Ino, parent: Ino) -> Result<()> {
    let empty = Shortform { parent, entries: alloc::vec::Vec::new() };
    shortform::store(tx, ino, &empty.encode())
}

/// Moves a directory of shortform out of its inode, where its room is wanted for something else.
///
/// # Errors
/// Those of changing the trees.
pub fn leave_inode(tx: &mut Transaction<'_>, dir: &Inode) -> Result<()> {
    let mut dir = Dir::read(tx, dir.ino)?;
    shortform::leave(tx, &mut dir)
}

/// Fsblocks that one more name can take at worst, by the reckoning of Linux: a split of every level of the tree, a data
/// block and one of the free index, and what each may cost the bmbt.
#[must_use]
pub fn add_fsblocks(geometry: &Geometry) -> u64 {
    let blocks = u64::from(MAX_LEVELS) + 2;
    let unit = u64::from(geometry.dir_fsblocks());
    let (leaf, node) = max_records::<Bmbt>(geometry.blocksize);
    // Extents of one block each, at most, go into so many leaves, and each leaf may split all the way up.
    let extents_per_leaf = u64::from(leaf - leaf / 2).max(1);
    let splits = unit.div_ceil(extents_per_leaf);
    // What an extent count of 64 bits may reach, or one of 32.
    let extents = match geometry.incompat.contains(Incompat::NREXT64) {
        true => (1 << 48) - 1,
        false => i32::MAX as u64,
    };
    blocks * (unit + splits * (bmbt_levels(extents, leaf / 2, node / 2) - 1))
}

/// Most levels of a bmbt over so many extents, its root in the inode included, which holds three pointers at least.
fn bmbt_levels(extents: u64, leaf_min: u32, node_min: u32) -> u64 {
    let mut blocks = extents.div_ceil(u64::from(leaf_min).max(1));
    let mut levels = 1;
    while blocks > 1 {
        blocks = if blocks <= 3 { 1 } else { blocks.div_ceil(u64::from(node_min).max(2)) };
        levels += 1;
    }
    levels
}

/// Where a shortform directory would end as a block, its index included, and where a block ends.
#[cfg(test)]
pub(crate) fn shortform_limit(tx: &mut Transaction<'_>, dir: Ino) -> Result<(usize, usize)> {
    let dir = Dir::read(tx, dir)?;
    if form(tx, &dir.inode)? == Form::Shortform { shortform::limit(&dir) } else { Ok((0, dir.block_bytes())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The figures of Linux for blocks of 4 KiB and of 1 KiB.
    #[test]
    fn levels_of_the_bmbt_are_those_of_linux() {
        for (extents, min, levels) in [
            ((1 << 48) - 1, 125, 7),
            (i32::MAX as u64, 125, 5),
            ((1 << 48) - 1, 29, 10),
            (i32::MAX as u64, 29, 7),
        ] {
            assert_eq!(bmbt_levels(extents, min, min), levels, "{extents} extents, {min} at least");
        }
    }
}
