//! What a tree is to the code that changes its shape, which does not care what records mean: sizes in bytes, where
//! the root is, and the keys of a block as bytes. Splits, joins and moves are compiled once for all trees that way;
//! searching, which compares keys all the time, is compiled for each.

use super::node::Shape;
use super::{Root, Tree};
use crate::error::Result;
use crate::format::BlockKind;
use crate::format::btree::{LONG_HEADER_BYTES, SHORT_HEADER_BYTES};
use crate::geometry::Geometry;
use crate::journal::Transaction;
use crate::units::Daddr;

/// Room for the widest keys of a node entry, the two of the rmapbt.
const MAX_KEYS_BYTES: usize = 40;

/// Sizes in a tree's blocks, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// Header of a block.
    pub(super) header: usize,
    /// A record.
    pub(super) rec: usize,
    /// Keys of one node entry.
    pub(super) keys: usize,
    /// A block pointer.
    pub(super) ptr: usize,
    /// Node entries have a high key too.
    pub(super) overlapping: bool,
}

impl Sizes {
    /// Those of a kind of tree.
    pub(super) const fn of<T: Tree>() -> Self {
        Self {
            header: if T::LONG { LONG_HEADER_BYTES } else { SHORT_HEADER_BYTES },
            rec: T::REC_BYTES,
            keys: if T::OVERLAPPING { 2 * T::KEY_BYTES } else { T::KEY_BYTES },
            ptr: if T::LONG { 8 } else { 4 },
            overlapping: T::OVERLAPPING,
        }
    }

    /// Block pointers are fsblocks, and blocks belong to an inode.
    pub(super) const fn is_long(self) -> bool {
        self.ptr == 8
    }

    /// Entries that fit a block.
    pub(super) const fn max(self, blocksize: usize, level: usize) -> usize {
        let entry = if level == 0 { self.rec } else { self.keys + self.ptr };
        (blocksize - self.header) / entry
    }

    /// Entries that fit a root in a fork of `fork_bytes` bytes.
    pub(super) const fn max_inline(self, fork_bytes: usize, level: usize) -> usize {
        if level == 0 { fork_bytes / self.rec } else { fork_bytes.saturating_sub(4) / (self.keys + self.ptr) }
    }
}

/// Keys of a node entry as they are stored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keys {
    pub(super) bytes: [u8; MAX_KEYS_BYTES],
    pub(super) len: usize,
}

impl Keys {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// A tree without the meaning of its records. Every [`Tree`] is one.
pub(super) trait Layout {
    fn kinds(&self) -> &'static [BlockKind];
    fn sizes(&self) -> Sizes;
    fn owner(&self) -> u64;
    fn daddr(&self, geometry: &Geometry, ptr: u64) -> Option<Daddr>;
    fn root(&self, tx: &mut Transaction<'_>) -> Result<Root>;
    fn set_root(&self, tx: &mut Transaction<'_>, ptr: u64, height: usize) -> Result<()>;
    fn set_inline(&self, tx: &mut Transaction<'_>, level: usize, numrecs: usize) -> Result<()>;
    /// Lowest and, where there are such, highest key of the block with these bytes, which is not empty.
    fn keys(&self, shape: &Shape, bytes: &[u8]) -> Keys;
}

impl<T: Tree> Layout for T {
    fn kinds(&self) -> &'static [BlockKind] {
        T::KINDS
    }

    fn sizes(&self) -> Sizes {
        Sizes::of::<T>()
    }

    fn owner(&self) -> u64 {
        Tree::owner(self)
    }

    fn daddr(&self, geometry: &Geometry, ptr: u64) -> Option<Daddr> {
        Tree::daddr(self, geometry, ptr)
    }

    fn root(&self, tx: &mut Transaction<'_>) -> Result<Root> {
        Tree::root(self, tx)
    }

    fn set_root(&self, tx: &mut Transaction<'_>, ptr: u64, height: usize) -> Result<()> {
        Tree::set_root(self, tx, ptr, height)
    }

    fn set_inline(&self, tx: &mut Transaction<'_>, level: usize, numrecs: usize) -> Result<()> {
        Tree::set_inline(self, tx, level, numrecs)
    }

    fn keys(&self, shape: &Shape, bytes: &[u8]) -> Keys {
        let mut keys = Keys { bytes: [0; MAX_KEYS_BYTES], len: Sizes::of::<T>().keys };
        let low = shape.key(self, bytes, 0);
        T::encode_key(&low, &mut keys.bytes);
        if T::OVERLAPPING {
            let all = (0..shape.numrecs).map(|index| shape.high(self, bytes, index));
            T::encode_key(&all.max().unwrap_or(low), &mut keys.bytes[T::KEY_BYTES..]);
        }
        keys
    }
}
