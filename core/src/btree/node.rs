//! Access to the entries of one block of a tree.

use alloc::vec::Vec;
use core::ops::Range;

use super::layout::{Keys, Layout, Sizes};
use super::{Inline, Root, Tree, corrupt};
use crate::error::{Error, Problem, Result};
use crate::format::BlockKind;
use crate::format::btree::{LEFTSIB_AT, LEVEL_AT, NUMRECS_AT};
use crate::format::header::{be_u16, be_u32, be_u64, put};
use crate::journal::{Locator, Transaction};
use crate::units::Daddr;

/// One block of a tree, or the root inside an inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    Inline,
    Block(u64),
}

/// Where the entries of a node stand.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) locator: Locator,
    pub(super) level: usize,
    pub(super) numrecs: usize,
    pub(super) maxrecs: usize,
    /// Offset of the first record or key.
    first_at: usize,
    /// Offset of the first pointer.
    ptrs_at: usize,
    /// Length of a record, or of a node's keys.
    head_bytes: usize,
    /// Length of a pointer.
    ptr_bytes: usize,
}

/// Entries taken out of a node: records or keys, and pointers.
pub(super) struct Entries {
    pub(super) heads: Vec<u8>,
    pub(super) ptrs: Vec<u8>,
}

/// Which neighbour of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

impl Side {
    /// The entry beside `index` of `numrecs`, if there is one.
    #[inline]
    pub(super) fn next(self, index: usize, numrecs: usize) -> Option<usize> {
        match self {
            Self::Left => index.checked_sub(1),
            Self::Right => (index + 1 < numrecs).then_some(index + 1),
        }
    }
}

impl Shape {
    #[inline]
    fn head_at(&self, index: usize) -> usize {
        self.first_at + index * self.head_bytes
    }

    #[inline]
    fn ptr_at(&self, index: usize) -> usize {
        self.ptrs_at + index * self.ptr_bytes
    }

    #[inline]
    pub(super) fn rec<T: Tree>(&self, tree: &T, bytes: &[u8], index: usize) -> T::Rec {
        let at = self.head_at(index);
        tree.decode(&bytes[at..at + T::REC_BYTES])
    }

    /// Lowest key of entry `index`.
    #[inline]
    pub(super) fn key<T: Tree>(&self, tree: &T, bytes: &[u8], index: usize) -> T::Key {
        let at = self.head_at(index);
        if self.level == 0 { T::key(&self.rec(tree, bytes, index)) } else { T::decode_key(&bytes[at..]) }
    }

    /// Highest key of entry `index`.
    #[inline]
    pub(super) fn high<T: Tree>(&self, tree: &T, bytes: &[u8], index: usize) -> T::Key {
        let at = self.head_at(index) + T::KEY_BYTES;
        if self.level == 0 { T::high_key(&self.rec(tree, bytes, index)) } else { T::decode_key(&bytes[at..]) }
    }

    #[inline]
    pub(super) fn ptr(&self, bytes: &[u8], index: usize) -> u64 {
        let at = self.ptr_at(index);
        if self.ptr_bytes == 8 { be_u64(bytes, at) } else { be_u32(bytes, at).into() }
    }

    /// Number of entries whose lowest key is at most `key`.
    #[inline]
    pub(super) fn count_le<T: Tree>(&self, tree: &T, bytes: &[u8], key: &T::Key) -> usize {
        let (mut low, mut high) = (0, self.numrecs);
        while low < high {
            let middle = low.midpoint(high);
            if self.key(tree, bytes, middle) <= *key { low = middle + 1 } else { high = middle }
        }
        low
    }
}

/// What is the same for all blocks of a tree. What follows from it alone is compiled once.
#[derive(Clone, Copy)]
struct Blocks {
    kinds: &'static [BlockKind],
    sizes: Sizes,
    owner: u64,
}

impl Blocks {
    fn of<L: Layout + ?Sized>(tree: &L) -> Self {
        Self { kinds: tree.kinds(), sizes: tree.sizes(), owner: tree.owner() }
    }

    fn corrupt(&self, daddr: Daddr, problem: Problem) -> Error {
        super::damaged(daddr, self.kinds[0], self.sizes.is_long(), self.owner, problem)
    }
}

/// Finds the shape of a node that must be on `level`.
pub(super) fn shape<L: Layout + ?Sized>(
    tree: &L,
    tx: &mut Transaction<'_>,
    at: At,
    level: usize,
) -> Result<Shape> {
    match at {
        At::Block(ptr) => {
            let daddr = tree.daddr(tx.geometry(), ptr);
            block_shape(Blocks::of(tree), tx, ptr, daddr, level)
        }
        At::Inline => match tree.root(tx)? {
            Root::Inline(inline) => root_shape(Blocks::of(tree), inline, level),
            Root::Block { .. } => unreachable!("a root does not move out of its inode"),
        },
    }
}

fn root_shape(blocks: Blocks, inline: Inline, level: usize) -> Result<Shape> {
    let shape = inline_shape(blocks.sizes, inline);
    if shape.level != level || shape.numrecs > shape.maxrecs || (level > 0 && shape.numrecs == 0) {
        let problem = Problem::Bounds { field: "numrecs", found: shape.numrecs as u64 };
        return Err(blocks.corrupt(shape.locator.daddr, problem));
    }
    Ok(shape)
}

fn inline_shape(sizes: Sizes, inline: Inline) -> Shape {
    let maxrecs = sizes.max_inline(inline.fork_bytes, inline.level);
    let first_at = inline.fork_at + if inline.level == 0 { 0 } else { 4 };
    Shape {
        ptrs_at: first_at + maxrecs * sizes.keys,
        head_bytes: if inline.level == 0 { sizes.rec } else { sizes.keys },
        ptr_bytes: sizes.ptr,
        locator: inline.locator,
        level: inline.level,
        numrecs: inline.numrecs,
        maxrecs,
        first_at,
    }
}

/// Where the block `ptr` lies.
pub(super) fn locator<L: Layout + ?Sized>(tree: &L, tx: &Transaction<'_>, ptr: u64) -> Result<Locator> {
    locate(Blocks::of(tree), tx, ptr, tree.daddr(tx.geometry(), ptr))
}

fn locate(blocks: Blocks, tx: &Transaction<'_>, ptr: u64, daddr: Option<Daddr>) -> Result<Locator> {
    let Some(daddr) = daddr else {
        let problem = Problem::Bounds { field: "block pointer", found: ptr };
        return Err(blocks.corrupt(Daddr::NULL, problem));
    };
    Ok(Locator::new(blocks.kinds, daddr, tx.geometry().blocksize, Some(blocks.owner)))
}

/// Disk address of a block, for error messages.
pub(super) fn daddr_of(tree: &dyn Layout, tx: &Transaction<'_>, at: At) -> Daddr {
    match at {
        At::Block(ptr) => tree.daddr(tx.geometry(), ptr).unwrap_or(Daddr::NULL),
        At::Inline => Daddr::NULL,
    }
}

fn block_shape(
    blocks: Blocks,
    tx: &mut Transaction<'_>,
    ptr: u64,
    daddr: Option<Daddr>,
    level: usize,
) -> Result<Shape> {
    let locator = locate(blocks, tx, ptr, daddr)?;
    let bytes = tx.read(&locator)?;
    let numrecs = usize::from(be_u16(bytes, NUMRECS_AT));
    let found = usize::from(be_u16(bytes, LEVEL_AT));
    if found != level {
        let problem = Problem::Value { field: "level", expected: level as u64, found: found as u64 };
        return Err(blocks.corrupt(locator.daddr, problem));
    }
    let shape = with_entries(blocks.sizes, locator, level, numrecs);
    if numrecs > shape.maxrecs || (level > 0 && numrecs == 0) {
        let problem = Problem::Bounds { field: "numrecs", found: numrecs as u64 };
        return Err(blocks.corrupt(shape.locator.daddr, problem));
    }
    Ok(shape)
}

#[inline]
fn with_entries(sizes: Sizes, locator: Locator, level: usize, numrecs: usize) -> Shape {
    let maxrecs = sizes.max(locator.len_bytes as usize, level);
    Shape {
        ptrs_at: sizes.header + maxrecs * sizes.keys,
        head_bytes: if level == 0 { sizes.rec } else { sizes.keys },
        ptr_bytes: sizes.ptr,
        locator,
        level,
        numrecs,
        maxrecs,
        first_at: sizes.header,
    }
}

/// Shape of a block that was just created: a node may be empty only in that moment.
pub(super) fn empty_shape<L: Layout + ?Sized>(
    tree: &L,
    tx: &Transaction<'_>,
    ptr: u64,
    level: usize,
) -> Result<Shape> {
    Ok(with_entries(tree.sizes(), locator(tree, tx, ptr)?, level, 0))
}

/// Shape of a root in an inode whose entries were just taken out.
pub(super) fn empty_inline(tree: &dyn Layout, tx: &mut Transaction<'_>) -> Result<Shape> {
    match tree.root(tx)? {
        Root::Inline(inline) => Ok(inline_shape(tree.sizes(), Inline { numrecs: 0, ..inline })),
        Root::Block { .. } => unreachable!("a root does not move out of its inode"),
    }
}

/// Stores how many entries a node has.
fn set_numrecs(
    tree: &dyn Layout,
    tx: &mut Transaction<'_>,
    at: At,
    shape: &Shape,
    numrecs: usize,
) -> Result<()> {
    match at {
        At::Inline => tree.set_inline(tx, shape.level, numrecs),
        At::Block(_) => {
            let bytes = tx.modify(&shape.locator, NUMRECS_AT..NUMRECS_AT + 2)?;
            put(bytes, NUMRECS_AT, &(numrecs as u16).to_be_bytes());
            Ok(())
        }
    }
}

/// Overwrites record `index` of a leaf.
pub(super) fn set_rec<T: Tree>(
    tree: &T,
    tx: &mut Transaction<'_>,
    shape: &Shape,
    index: usize,
    rec: &T::Rec,
) -> Result<()> {
    let at = shape.head_at(index);
    let bytes = tx.modify(&shape.locator, at..at + T::REC_BYTES)?;
    tree.encode(rec, &mut bytes[at..at + T::REC_BYTES]);
    Ok(())
}

/// Whether entry `index` of a node has just these keys, to the byte.
pub(super) fn has_keys(shape: &Shape, bytes: &[u8], index: usize, keys: &Keys) -> bool {
    let at = shape.head_at(index);
    bytes[at..at + keys.len] == *keys.bytes()
}

/// Overwrites the keys of entry `index` of a node.
pub(super) fn set_keys(tx: &mut Transaction<'_>, shape: &Shape, index: usize, keys: &Keys) -> Result<()> {
    let at = shape.head_at(index);
    put(tx.modify(&shape.locator, at..at + keys.len)?, at, keys.bytes());
    Ok(())
}

/// Takes entries out of a node; what is behind them moves down.
pub(super) fn take(
    tree: &dyn Layout,
    tx: &mut Transaction<'_>,
    at: At,
    shape: &Shape,
    range: Range<usize>,
) -> Result<Entries> {
    let heads = shape.head_at(range.start)..shape.head_at(range.end);
    let heads_end = shape.head_at(shape.numrecs);
    let bytes = tx.modify(&shape.locator, heads.start..heads_end)?;
    let taken_heads = bytes[heads.clone()].to_vec();
    bytes.copy_within(heads.end..heads_end, heads.start);
    let mut taken_ptrs = Vec::new();
    if shape.level > 0 {
        let ptrs = shape.ptr_at(range.start)..shape.ptr_at(range.end);
        let ptrs_end = shape.ptr_at(shape.numrecs);
        let bytes = tx.modify(&shape.locator, ptrs.start..ptrs_end)?;
        taken_ptrs = bytes[ptrs.clone()].to_vec();
        bytes.copy_within(ptrs.end..ptrs_end, ptrs.start);
    }
    set_numrecs(tree, tx, at, shape, shape.numrecs - range.len())?;
    Ok(Entries { heads: taken_heads, ptrs: taken_ptrs })
}

/// Puts entries into a node in front of entry `index`. They must fit.
pub(super) fn insert(
    tree: &dyn Layout,
    tx: &mut Transaction<'_>,
    at: At,
    shape: &Shape,
    index: usize,
    entries: &Entries,
) -> Result<()> {
    let count = entries.heads.len() / shape.head_bytes;
    let start = shape.head_at(index);
    let end = shape.head_at(shape.numrecs);
    let bytes = tx.modify(&shape.locator, start..end + entries.heads.len())?;
    bytes.copy_within(start..end, start + entries.heads.len());
    put(bytes, start, &entries.heads);
    if shape.level > 0 {
        let start = shape.ptr_at(index);
        let end = shape.ptr_at(shape.numrecs);
        let bytes = tx.modify(&shape.locator, start..end + entries.ptrs.len())?;
        bytes.copy_within(start..end, start + entries.ptrs.len());
        put(bytes, start, &entries.ptrs);
    }
    set_numrecs(tree, tx, at, shape, shape.numrecs + count)
}

/// An entry for a leaf.
pub(super) fn leaf_entry<T: Tree>(tree: &T, rec: &T::Rec) -> Entries {
    let mut heads = alloc::vec![0; T::REC_BYTES];
    tree.encode(rec, &mut heads);
    Entries { heads, ptrs: Vec::new() }
}

/// An entry for a node: the child `ptr` with its lowest and highest key.
pub(super) fn node_entry(tree: &dyn Layout, keys: &Keys, ptr: u64) -> Entries {
    let wide = ptr.to_be_bytes();
    let ptrs = wide[wide.len() - tree.sizes().ptr..].to_vec();
    Entries { heads: keys.bytes().to_vec(), ptrs }
}

/// Lowest and highest key of a node that is not empty.
pub(super) fn keys(tree: &dyn Layout, tx: &mut Transaction<'_>, at: At, level: usize) -> Result<Keys> {
    let shape = shape(tree, tx, at, level)?;
    let bytes = tx.read(&shape.locator)?;
    if shape.numrecs == 0 {
        return Err(corrupt(shape.locator.daddr, tree, Problem::Rule("empty block inside a tree")));
    }
    Ok(tree.keys(&shape, bytes))
}

/// Address of a block's neighbour on its level.
pub(super) fn sibling(
    tree: &dyn Layout,
    tx: &mut Transaction<'_>,
    ptr: u64,
    side: Side,
) -> Result<Option<u64>> {
    let locator = locator(tree, tx, ptr)?;
    let bytes = tx.read(&locator)?;
    let (at, ptr_bytes) = (sibling_at(tree, side), tree.sizes().ptr);
    let (found, null) = if ptr_bytes == 8 {
        (be_u64(bytes, at), u64::MAX)
    } else {
        (be_u32(bytes, at).into(), u64::from(u32::MAX))
    };
    Ok((found != null).then_some(found))
}

/// Stores the address of a block's neighbour.
pub(super) fn set_sibling(
    tree: &dyn Layout,
    tx: &mut Transaction<'_>,
    ptr: u64,
    side: Side,
    sibling: Option<u64>,
) -> Result<()> {
    let locator = locator(tree, tx, ptr)?;
    let (at, ptr_bytes) = (sibling_at(tree, side), tree.sizes().ptr);
    let bytes = tx.modify(&locator, at..at + ptr_bytes)?;
    let wide = sibling.unwrap_or(u64::MAX).to_be_bytes();
    put(bytes, at, &wide[wide.len() - ptr_bytes..]);
    Ok(())
}

fn sibling_at(tree: &dyn Layout, side: Side) -> usize {
    match side {
        Side::Left => LEFTSIB_AT,
        Side::Right => LEFTSIB_AT + tree.sizes().ptr,
    }
}

/// Makes `ptr` an empty block on `level` without neighbours.
pub(super) fn create(tree: &dyn Layout, tx: &mut Transaction<'_>, ptr: u64, level: usize) -> Result<()> {
    let locator = locator(tree, tx, ptr)?;
    let bytes = tx.create(&locator);
    put(bytes, LEVEL_AT, &(level as u16).to_be_bytes());
    set_sibling(tree, tx, ptr, Side::Left, None)?;
    set_sibling(tree, tx, ptr, Side::Right, None)
}
