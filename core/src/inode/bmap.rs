//! Changing the extents of a fork, together with who owns the blocks.
//!
//! Source: "Data Extents".

use ::alloc::vec::Vec;

use crate::btree::Cursor;
use crate::btree::bmap::{Bmbt, Fork};
use crate::error::{Error, Place, Problem, Result};
use crate::format::btree::{RmapOwner, RmapRec};
use crate::format::extent::Extent;
use crate::inode::core::{core, core_mut};
use crate::journal::Transaction;
use crate::space::source::ForkSource;
use crate::space::{alloc, refcount, rmap};
use crate::units::{AgNumber, FileBlock, FsBlock, Ino, MAX_EXTENT_FSBLOCKS};

/// Blocks of one extent that change owners at once: if they are shared, each of them may change the refcountbt.
pub const STEP_FSBLOCKS: u32 = 16 << 10;

/// `rm_offset` of an extent of a fork.
fn rmap_offset(fork: Fork, extent: &Extent) -> u64 {
    let attr = if fork == Fork::Attr { RmapRec::ATTR_FORK } else { 0 };
    let unwritten = if extent.unwritten { RmapRec::UNWRITTEN } else { 0 };
    extent.file_block.0 | attr | unwritten
}

/// The AG that an extent lies in, and its record in the rmapbt there.
fn reverse(tx: &Transaction<'_>, ino: Ino, fork: Fork, extent: &Extent) -> (AgNumber, RmapRec) {
    let (ag, start) = tx.geometry().split(extent.start);
    let (owner, offset) = (RmapOwner(ino.0), rmap_offset(fork, extent));
    (ag, RmapRec { start, len: extent.len, owner, offset })
}

fn check(tx: &Transaction<'_>, ino: Ino, extent: Extent) -> Result<Extent> {
    if extent.len > 0 && tx.geometry().is_valid_extent(extent.start, extent.len) {
        return Ok(extent);
    }
    let place = Place::file_block(ino, extent.file_block);
    Err(Error::corrupt("extent", place, Problem::Bounds { field: "startblock", found: extent.start.0 }))
}

/// The extent that holds `block`, or else the next one behind it.
///
/// # Errors
/// Those of reading the fork; corruption when the extent lies outside the volume.
pub fn lookup(tx: &mut Transaction<'_>, ino: Ino, fork: Fork, block: FileBlock) -> Result<Option<Extent>> {
    let mut cursor = Cursor::new(Bmbt { ino, fork });
    let found = match cursor.seek_le(tx, &block)? {
        Some(extent) if extent.file_end() > block => Some(extent),
        Some(_) => cursor.next(tx)?,
        None => cursor.seek_first(tx)?,
    };
    let found = found.map(|extent| check(tx, ino, extent)).transpose()?;
    // Callers go on behind what they get, and must get somewhere.
    if found.is_some_and(|extent| extent.file_end() <= block) {
        return Err(Error::corrupt("extent", Place::file_block(ino, block), Problem::Rule("out of order")));
    }
    Ok(found)
}

/// The extent that holds `block`, or else the last one before it.
///
/// # Errors
/// Those of [`lookup`].
pub fn at_or_before(
    tx: &mut Transaction<'_>,
    ino: Ino,
    fork: Fork,
    block: FileBlock,
) -> Result<Option<Extent>> {
    let found = Cursor::new(Bmbt { ino, fork }).seek_le(tx, &block)?;
    found.map(|extent| check(tx, ino, extent)).transpose()
}

/// The last extent of a fork.
///
/// # Errors
/// Those of reading the fork.
pub fn last(tx: &mut Transaction<'_>, ino: Ino, fork: Fork) -> Result<Option<Extent>> {
    let found = Cursor::new(Bmbt { ino, fork }).seek_last(tx)?;
    found.map(|extent| check(tx, ino, extent)).transpose()
}

fn continues(tx: &Transaction<'_>, a: &Extent, b: &Extent) -> bool {
    a.file_end() == b.file_block
        && a.start.0 + u64::from(a.len) == b.start.0
        && a.unwritten == b.unwritten
        && a.len + b.len <= MAX_EXTENT_FSBLOCKS
        // Packed numbers run on from one AG to the next when AGs are a power of two long.
        && tx.geometry().split(a.start).0 == tx.geometry().split(b.start).0
}

/// Maps blocks into a hole of a fork, without a word to their owner tree. Neighbours that fit are merged.
///
/// # Errors
/// Those of changing the fork; corruption when there is no hole.
pub fn insert(tx: &mut Transaction<'_>, ino: Ino, fork: Fork, new: Extent) -> Result<()> {
    let tree = Bmbt { ino, fork };
    let mut cursor = Cursor::new(tree);
    let left = cursor.seek_le(tx, &new.file_block)?;
    let right = match left {
        Some(_) => cursor.clone().next(tx)?,
        None => Cursor::new(tree).seek_first(tx)?,
    };
    if left.is_some_and(|l| l.file_end() > new.file_block)
        || right.is_some_and(|r| r.file_block < new.file_end())
    {
        let problem = Problem::Rule("extents overlap");
        return Err(Error::corrupt("extent", Place::file_block(ino, new.file_block), problem));
    }
    let left = left.filter(|l| continues(tx, l, &new));
    let joined = left.map_or(new, |l| Extent { len: l.len + new.len, ..l });
    let right = right.filter(|r| continues(tx, &joined, r));
    let mut source = ForkSource { ino, fork };
    match (left, right) {
        (None, None) => {
            let limit = core(tx, ino)?;
            let is_full = match fork {
                Fork::Data => limit.data_nextents() >= limit.max_data_nextents(),
                Fork::Attr => limit.attr_nextents() >= limit.max_attr_nextents(),
            };
            if is_full {
                return Err(crate::error::Mistake::FileTooLarge.into());
            }
            cursor.insert(tx, &mut source, &new)
        }
        (Some(_), None) => cursor.update(tx, &joined),
        (None, Some(right)) => {
            cursor.seek_le(tx, &right.file_block)?;
            cursor.update(tx, &Extent { len: new.len + right.len, ..new })
        }
        (Some(left), Some(right)) => {
            cursor.update(tx, &Extent { len: joined.len + right.len, ..left })?;
            cursor.seek_le(tx, &right.file_block)?;
            cursor.delete(tx, &mut source)
        }
    }
}

/// Takes `from..to` out of a fork, without a word to the blocks' owner tree. Returns what was mapped there.
///
/// # Errors
/// Those of changing the fork.
pub fn remove(
    tx: &mut Transaction<'_>,
    ino: Ino,
    fork: Fork,
    from: FileBlock,
    to: FileBlock,
) -> Result<Vec<Extent>> {
    let mut removed = Vec::new();
    let mut at = from;
    while at < to {
        let Some(gone) = remove_first(tx, ino, fork, at, to)? else { break };
        removed.push(gone);
        at = gone.file_end();
    }
    Ok(removed)
}

/// Takes the first mapped part of `at..to` out of a fork, if there is one.
fn remove_first(
    tx: &mut Transaction<'_>,
    ino: Ino,
    fork: Fork,
    at: FileBlock,
    to: FileBlock,
) -> Result<Option<Extent>> {
    let mut source = ForkSource { ino, fork };
    let Some(extent) = lookup(tx, ino, fork, at)? else { return Ok(None) };
    let Some(gone) = extent.within(at, to) else { return Ok(None) };
    let before = gone.file_block.since(extent.file_block) as u32;
    let after = extent.file_end().since(gone.file_end()) as u32;
    let mut cursor = Cursor::new(Bmbt { ino, fork });
    cursor.seek_le(tx, &extent.file_block)?;
    let tail = || extent.part(extent.len - after, after);
    match (before > 0, after > 0) {
        (false, false) => cursor.delete(tx, &mut source)?,
        (true, false) => cursor.update(tx, &extent.part(0, before))?,
        (false, true) => cursor.update(tx, &tail())?,
        (true, true) => {
            cursor.update(tx, &extent.part(0, before))?;
            cursor.insert(tx, &mut source, &tail())?;
        }
    }
    Ok(Some(gone))
}

/// Counts blocks that a fork gained or lost.
fn count_blocks(tx: &mut Transaction<'_>, ino: Ino, change: i64) -> Result<()> {
    let core = core_mut(tx, ino)?;
    core.nblocks.set(core.nblocks.get().saturating_add_signed(change));
    Ok(())
}

/// Allocates up to `len_fsblocks` blocks for a hole at `block` and maps them; returns what came.
///
/// # Errors
/// [`Error::NoSpace`], and those of changing the trees.
pub fn allocate(
    tx: &mut Transaction<'_>,
    ino: Ino,
    fork: Fork,
    block: FileBlock,
    len_fsblocks: u32,
    near: FsBlock,
) -> Result<Extent> {
    let wanted = Extent {
        file_block: block,
        start: near,
        len: len_fsblocks.min(MAX_EXTENT_FSBLOCKS),
        unwritten: false,
    };
    let request = alloc::Request {
        near,
        want_fsblocks: wanted.len,
        owner: RmapOwner(ino.0),
        offset: rmap_offset(fork, &wanted),
    };
    let (start, len) = alloc::allocate(tx, &request)?;
    let extent = Extent { start, len, ..wanted };
    insert(tx, ino, fork, extent)?;
    count_blocks(tx, ino, i64::from(len))?;
    Ok(extent)
}

/// The first of `len_fsblocks` file blocks in a row that are not mapped.
///
/// # Errors
/// Those of reading the fork.
pub fn first_unused(tx: &mut Transaction<'_>, ino: Ino, fork: Fork, len_fsblocks: u32) -> Result<FileBlock> {
    let mut cursor = Cursor::new(Bmbt { ino, fork });
    let mut next = cursor.seek_first(tx)?;
    let mut at = FileBlock(0);
    while let Some(extent) = next.filter(|extent| extent.file_block.since(at) < len_fsblocks.into()) {
        at = at.max(extent.file_end());
        next = cursor.next(tx)?;
    }
    Ok(at)
}

/// Allocates `len_fsblocks` blocks in one piece for a hole at `block` and maps them.
///
/// Directory blocks are allocated this way: the log cannot take one that is in pieces.
///
/// # Errors
/// [`Error::NoSpace`] when no free extent is that long, and those of changing the trees.
pub fn allocate_whole(
    tx: &mut Transaction<'_>,
    ino: Ino,
    fork: Fork,
    block: FileBlock,
    len_fsblocks: u32,
    near: FsBlock,
) -> Result<Extent> {
    let start = alloc::find_whole(tx, near, len_fsblocks)?;
    let extent = Extent { file_block: block, start, len: len_fsblocks, unwritten: false };
    allocate_exact(tx, ino, fork, extent)?;
    Ok(extent)
}

/// Allocates exactly the blocks of `extent`, which must be free, and maps them.
///
/// # Errors
/// Those of changing the trees.
pub fn allocate_exact(tx: &mut Transaction<'_>, ino: Ino, fork: Fork, extent: Extent) -> Result<()> {
    let (ag, blocks) = reverse(tx, ino, fork, &extent);
    alloc::take(tx, ag, &blocks)?;
    insert(tx, ino, fork, extent)?;
    count_blocks(tx, ino, i64::from(extent.len))
}

/// Maps blocks that another file owns already: each gains a reference.
///
/// # Errors
/// Those of changing the trees.
pub fn share(tx: &mut Transaction<'_>, ino: Ino, extent: Extent) -> Result<()> {
    let (ag, blocks) = reverse(tx, ino, Fork::Data, &extent);
    refcount::increase(tx, ag, blocks.start, blocks.len)?;
    insert(tx, ino, Fork::Data, extent)?;
    rmap::map(tx, ag, &blocks)?;
    count_blocks(tx, ino, i64::from(extent.len))
}

/// Unmaps `from..to` of a fork. Blocks that nobody else refers to become free.
///
/// # Errors
/// Those of changing the trees.
pub fn unmap(tx: &mut Transaction<'_>, ino: Ino, fork: Fork, from: FileBlock, to: FileBlock) -> Result<()> {
    unmap_while(tx, ino, fork, from, to, |_| true).map(|_| ())
}

/// Unmaps the start of `from..to`, until all of it is done or the transaction is full. Returns where to go on.
///
/// # Errors
/// Those of changing the trees.
pub fn unmap_some(
    tx: &mut Transaction<'_>,
    ino: Ino,
    fork: Fork,
    from: FileBlock,
    to: FileBlock,
) -> Result<Option<FileBlock>> {
    unmap_while(tx, ino, fork, from, to, |tx| !tx.is_full())
}

fn unmap_while(
    tx: &mut Transaction<'_>,
    ino: Ino,
    fork: Fork,
    from: FileBlock,
    to: FileBlock,
    mut go_on: impl FnMut(&Transaction<'_>) -> bool,
) -> Result<Option<FileBlock>> {
    let mut at = from;
    while at < to {
        let Some(next) = lookup(tx, ino, fork, at)?.and_then(|extent| extent.within(at, to)) else { break };
        let until = next.file_end().min(next.file_block.plus(STEP_FSBLOCKS.into()));
        let Some(gone) = remove_first(tx, ino, fork, next.file_block, until)? else { break };
        give_up(tx, ino, fork, &gone)?;
        at = gone.file_end();
        if at < to && !go_on(tx) {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

/// Takes the reference to an extent that a fork no longer maps away, and frees what has none left.
fn give_up(tx: &mut Transaction<'_>, ino: Ino, fork: Fork, gone: &Extent) -> Result<()> {
    // Asked of the tree, not of the inode's flag: a block that somebody else has must not be freed even when the
    // flag is missing.
    let may_share = fork == Fork::Data && tx.geometry().has_reflink();
    let (ag, blocks) = reverse(tx, ino, fork, gone);
    if may_share {
        rmap::unmap(tx, ag, &blocks)?;
        for (start, len) in refcount::decrease(tx, ag, blocks.start, blocks.len)? {
            alloc::free_unmapped(tx, ag, start, len)?;
        }
    } else {
        alloc::free(tx, ag, &blocks)?;
    }
    count_blocks(tx, ino, -i64::from(gone.len))
}

/// Turns the unwritten blocks of `from..to` into written ones.
///
/// # Errors
/// Those of changing the trees.
pub fn set_written(tx: &mut Transaction<'_>, ino: Ino, from: FileBlock, to: FileBlock) -> Result<()> {
    change(tx, ino, from, to, |old| Extent { unwritten: false, ..*old })
}

/// Turns the blocks of `from..to`, which nobody else must own, into unwritten ones.
///
/// # Errors
/// Those of changing the trees.
pub fn set_unwritten(tx: &mut Transaction<'_>, ino: Ino, from: FileBlock, to: FileBlock) -> Result<()> {
    change(tx, ino, from, to, |old| Extent { unwritten: true, ..*old })
}

/// Moves what is mapped in `from..to` so that it starts at `target`, where there must be a hole.
///
/// # Errors
/// Those of changing the trees.
pub fn shift(
    tx: &mut Transaction<'_>,
    ino: Ino,
    from: FileBlock,
    to: FileBlock,
    target: FileBlock,
) -> Result<()> {
    change(tx, ino, from, to, |old| Extent { file_block: target.plus(old.file_block.since(from)), ..*old })
}

/// Maps the data fork's blocks of `from..to` in another way.
fn change(
    tx: &mut Transaction<'_>,
    ino: Ino,
    from: FileBlock,
    to: FileBlock,
    new_of: impl Fn(&Extent) -> Extent,
) -> Result<()> {
    for old in remove(tx, ino, Fork::Data, from, to)? {
        let new = new_of(&old);
        insert(tx, ino, Fork::Data, new)?;
        if new != old {
            let (ag, before) = reverse(tx, ino, Fork::Data, &old);
            rmap::unmap(tx, ag, &before)?;
            rmap::map(tx, ag, &reverse(tx, ino, Fork::Data, &new).1)?;
        }
    }
    Ok(())
}
