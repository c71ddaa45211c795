//! Directories: listed, searched and changed in every form.
//!
//! Small ones live in the inode (shortform), then in one block with its own index (block form), then in data blocks
//! with one leaf as index (leaf form), at last with a tree over many leaves and a free index (node form).

mod block_form;
mod blocks;
pub mod da;
mod data_block;
pub mod edit;
mod free_index;
mod join;
mod leaf_block;
mod leaf_form;
mod list;
mod lookup;
mod node_form;
pub mod replace;
mod shortform;
mod tree;

use alloc::vec::Vec;

#[cfg(test)]
pub(crate) use blocks::copy_contents;
pub use list::list;
pub use lookup::{Found, lookup, spelling};

use crate::cache::Block;
use crate::error::{Problem, Result};
use crate::format::BlockKind;
use crate::format::dir::data::BlockTail;
use crate::format::inode::{FileType, fork_format};
use crate::inode::{Fork, Inode, map_at};
use crate::journal::{Locator, Transaction};
use crate::units::{FileBlock, Ino};

/// A name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// The name.
    pub name: Vec<u8>,
    /// The inode that it names.
    pub ino: Ino,
    /// The inode's type, as the directory remembers it.
    pub file_type: Option<FileType>,
    /// Position in the directory: grows from entry to entry, and stays while the entry does.
    pub cookie: u64,
}

/// How a directory is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// In its inode.
    Shortform,
    /// In one block.
    Block,
    /// Data blocks with one leaf.
    Leaf,
    /// Data blocks with a tree of leaves and a free index.
    Node,
}

/// The form of a directory.
///
/// # Errors
/// [`Error::Corrupt`](crate::Error::Corrupt); those of the device.
pub fn form(tx: &mut Transaction<'_>, dir: &Inode) -> Result<Form> {
    if dir.core.format == fork_format::LOCAL {
        return Ok(Form::Shortform);
    }
    let root = tx.geometry().dir_leaf_start();
    if map_at(tx, dir, Fork::Data, root)?.is_none_or(|extent| extent.file_block > root) {
        return Ok(Form::Block);
    }
    let space = da::Space::dir(tx.geometry());
    match da::locate(tx, dir, space.fork, root, space.len_fsblocks, space.kinds)? {
        Some(locator) if tx.block(&locator)?.kind == BlockKind::DirLeaf1 => Ok(Form::Leaf),
        _ => Ok(Form::Node),
    }
}

/// Where the data block at file block `at` lies; `None` when there is none.
///
/// # Errors
/// [`Error::Corrupt`](crate::Error::Corrupt); those of the device.
pub fn locate_data(tx: &mut Transaction<'_>, dir: &Inode, at: FileBlock) -> Result<Option<Locator>> {
    let len_fsblocks = tx.geometry().dir_fsblocks();
    da::locate(tx, dir, Fork::Data, at, len_fsblocks, &[BlockKind::DirData, BlockKind::DirBlock])
}

/// Byte behind the area for entries of a data block.
///
/// # Errors
/// A tail that cannot be.
pub fn entries_end(block: &Block) -> Result<usize, Problem> {
    match block.kind {
        BlockKind::DirBlock => Ok(BlockTail::decode(&block.bytes)?.leaf_at(block.bytes.len())),
        _ => Ok(block.bytes.len()),
    }
}
