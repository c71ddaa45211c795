//! One B+tree engine for all trees of a volume.
//!
//! A [`Tree`] says how records and keys look and where the root is; a [`Cursor`] walks and changes it. Policy, such
//! as where a new block comes from, is the [`BlockSource`]'s.
//!
//! Most roots are blocks named by an AG header. The root of a fork lives in the inode instead, and holds extents
//! while they fit: then it is a leaf like any other, one that grows into a tree by moving its contents to a block.
//!
//! Invariants of every tree, which each operation here keeps:
//! * records of a block are sorted; a node's key is the lowest key below it, and where intervals may overlap a
//!   second key holds the highest;
//! * a block that is not the root is at least half full (the only child of a root in an inode is exempt);
//! * blocks of one level are linked in both directions.
//!
//! Source: "B+trees".

pub mod ag_headers;
pub mod bmap;
mod cursor;
mod delete;
pub mod free_space;
pub mod inode;
mod insert;
mod layout;
mod node;
mod query;
pub mod refcount;
pub mod rmap;
#[cfg(test)]
mod tests;

pub use cursor::Cursor;
use layout::{Layout, Sizes};

use crate::error::{Error, Place, Problem, Result};
use crate::format::BlockKind;
use crate::geometry::Geometry;
use crate::journal::{Locator, Transaction};
use crate::units::Daddr;

/// More levels than any tree of a volume can have.
pub const MAX_HEIGHT: usize = 16;

/// A kind of tree, and which one of its kind.
pub trait Tree: Copy {
    /// A record.
    type Rec: Copy;
    /// What records are sorted by.
    type Key: Copy + Ord;

    /// Kind of its blocks.
    const KINDS: &'static [BlockKind];
    /// Bytes of a record.
    const REC_BYTES: usize;
    /// Bytes of one key.
    const KEY_BYTES: usize;
    /// Records may overlap, so that node entries have a high key too.
    const OVERLAPPING: bool = false;
    /// Block pointers are fsblocks (8 bytes), not AG blocks (4 bytes).
    const LONG: bool = false;

    /// Reads a record.
    fn decode(&self, bytes: &[u8]) -> Self::Rec;
    /// Writes a record.
    fn encode(&self, rec: &Self::Rec, bytes: &mut [u8]);
    /// Reads a key.
    fn decode_key(bytes: &[u8]) -> Self::Key;
    /// Writes a key.
    fn encode_key(key: &Self::Key, bytes: &mut [u8]);
    /// Key of a record.
    fn key(rec: &Self::Rec) -> Self::Key;
    /// Highest key that a record covers.
    fn high_key(rec: &Self::Rec) -> Self::Key {
        Self::key(rec)
    }

    /// AG number or inode that its blocks belong to.
    fn owner(&self) -> u64;
    /// Disk address of the block that `ptr` names; `None` when it lies outside the volume.
    fn daddr(&self, geometry: &Geometry, ptr: u64) -> Option<Daddr>;
    /// Where the root is.
    ///
    /// # Errors
    /// Those of reading the AG header or inode, and corruption found in it.
    fn root(&self, tx: &mut Transaction<'_>) -> Result<Root>;
    /// Makes block `ptr` the root of a tree of `height` levels. Only for roots that are blocks.
    ///
    /// # Errors
    /// Those of reading the AG header.
    fn set_root(&self, tx: &mut Transaction<'_>, ptr: u64, height: usize) -> Result<()>;
    /// Stores level and number of entries of a root in an inode.
    ///
    /// # Errors
    /// Those of reading the inode.
    fn set_inline(&self, _tx: &mut Transaction<'_>, _level: usize, _numrecs: usize) -> Result<()> {
        unreachable!("only forks have their root in the inode")
    }
    /// Takes note that the number of records changed.
    ///
    /// # Errors
    /// Those of whoever keeps the count.
    fn count_records(&self, _tx: &mut Transaction<'_>, _change: i64) -> Result<()> {
        Ok(())
    }
}

/// Where new blocks of a tree come from and freed ones go.
pub trait BlockSource {
    /// A free block, near block `near` of the same tree if it can be.
    ///
    /// # Errors
    /// [`Error::NoSpace`], and those of changing the free space.
    fn alloc(&mut self, tx: &mut Transaction<'_>, near: u64) -> Result<u64>;

    /// Gives a block back.
    ///
    /// # Errors
    /// Those of changing the free space.
    fn free(&mut self, tx: &mut Transaction<'_>, ptr: u64) -> Result<()>;
}

/// Where the root of a tree is.
#[derive(Debug, Clone)]
pub enum Root {
    /// A block.
    Block {
        /// Its address.
        ptr: u64,
        /// Levels of the tree, 1 for a root that is a leaf.
        height: usize,
    },
    /// A fork of an inode.
    Inline(Inline),
}

/// A root inside an inode.
#[derive(Debug, Clone)]
pub struct Inline {
    /// The inode.
    pub locator: Locator,
    /// Offset of the fork in the inode, in bytes.
    pub fork_at: usize,
    /// Length of the fork in bytes.
    pub fork_bytes: usize,
    /// 0 for an extent list.
    pub level: usize,
    /// Entries in it.
    pub numrecs: usize,
}

/// Most entries of a leaf and of a node in a block of `blocksize` bytes.
#[must_use]
pub fn max_records<T: Tree>(blocksize: u32) -> (u32, u32) {
    let (blocksize, sizes) = (blocksize as usize, Sizes::of::<T>());
    (sizes.max(blocksize, 0) as u32, sizes.max(blocksize, 1) as u32)
}

fn corrupt<L: Layout + ?Sized>(daddr: Daddr, tree: &L, problem: Problem) -> Error {
    damaged(daddr, tree.kinds()[0], tree.sizes().is_long(), tree.owner(), problem)
}

#[cold]
fn damaged(daddr: Daddr, kind: BlockKind, is_of_inode: bool, owner: u64, problem: Problem) -> Error {
    let mut place = Place::daddr(daddr);
    if is_of_inode {
        place.ino = Some(crate::units::Ino(owner));
    } else {
        place.ag = Some(crate::units::AgNumber(owner as u32));
    }
    Error::corrupt(kind.name(), place, problem)
}
