//! Preallocation: blocks before there is data for them, unwritten, so that they read as zeros.

use ::alloc::vec::Vec;

use super::file::Files;
use super::write::{Below, Pool, Stretch, check_space};
use crate::btree::bmap::Fork;
use crate::error::{Error, Result};
use crate::format::extent::Extent;
use crate::format::inode::Flags;
use crate::inode::bmap;
use crate::inode::core::{core, core_mut};
use crate::inode::flags::extsize_of;
use crate::journal::{Store, Transaction};
use crate::space::alloc;
use crate::units::{AgBlock, FileBlock, FsBlock, Ino, MAX_EXTENT_FSBLOCKS};

/// A stretch of file blocks without blocks of the volume, and where blocks for it should lie.
#[derive(Debug, Clone, Copy)]
struct Hole {
    from: FileBlock,
    to: FileBlock,
    near: FsBlock,
}

impl Hole {
    /// The first hole at or behind `at`; it ends at `to` at the latest when something else does not end it.
    fn first(tx: &mut Transaction<'_>, ino: Ino, at: FileBlock, to: FileBlock) -> Result<Option<Self>> {
        let mut before = match at.0.checked_sub(1) {
            Some(before) => bmap::lookup(tx, ino, Fork::Data, FileBlock(before))?,
            None => None,
        };
        before = before.filter(|extent| extent.file_block < at);
        let mut from = before.map_or(at, |extent| extent.file_end().max(at));
        while from < to {
            match bmap::lookup(tx, ino, Fork::Data, from)? {
                Some(extent) if extent.file_block <= from => {
                    from = extent.file_end();
                    before = Some(extent);
                }
                next => {
                    let to = next.map_or(to, |extent| extent.file_block.min(to));
                    return Ok(Some(Self { from, to, near: near(tx, ino, from, before) }));
                }
            }
        }
        Ok(None)
    }
}

/// Maps unwritten blocks to the start of the hole at `from`, which ends at `to` at the latest, in whole units of `hint`.
///
/// # Errors
/// Those of changing the trees; corruption when there is no hole.
pub(super) fn fill_hole(
    tx: &mut Transaction<'_>,
    ino: Ino,
    from: FileBlock,
    to: FileBlock,
    hint: u32,
) -> Result<()> {
    let hole = Hole::first(tx, ino, from, to)?;
    hole.map_or(Ok(()), |hole| fill(tx, ino, hole, hint).map(drop))
}

/// Where blocks for `from` should lie: behind those of the extent before, or in the inode's AG.
fn near(tx: &Transaction<'_>, ino: Ino, from: FileBlock, before: Option<Extent>) -> FsBlock {
    match before.filter(|extent| extent.file_end() == from) {
        Some(extent) => FsBlock(extent.start.0 + u64::from(extent.len)),
        None => tx.geometry().fsblock(tx.geometry().split_ino(ino).0, AgBlock(0)),
    }
}

/// Widens `from..to` to whole units of a hint, as far as the hole around it lets it.
///
/// What would lie over a neighbour is moved to the other side, and cut where there is no room either. Linux does the
/// same.
fn aligned(
    tx: &mut Transaction<'_>,
    ino: Ino,
    (from, to): (FileBlock, FileBlock),
    hint: u64,
) -> Result<(FileBlock, FileBlock)> {
    let (mut start, mut end) = (from.0 / hint * hint, to.0.next_multiple_of(hint));
    let before = match from.0.checked_sub(1) {
        Some(block) => bmap::at_or_before(tx, ino, Fork::Data, FileBlock(block))?,
        None => None,
    };
    let left = before.map_or(0, |extent| extent.file_end().0);
    let right = bmap::lookup(tx, ino, Fork::Data, to)?.map_or(u64::MAX, |extent| extent.file_block.0);
    if start < left {
        (start, end) = (left, end + left - start);
    }
    if end > right {
        let too_far = end - right;
        (start, end) = (start.saturating_sub(too_far).max(left), right);
    }
    Ok((FileBlock(start), FileBlock(end)))
}

/// Maps unwritten blocks to the start of a hole, or to all of it, in whole units of `hint` where that is possible.
/// Returns what was mapped.
fn fill(tx: &mut Transaction<'_>, ino: Ino, hole: Hole, hint: u32) -> Result<Extent> {
    let (mut from, mut to) = (hole.from, hole.to);
    if hint > 1 {
        (from, to) = aligned(tx, ino, (from, to), hint.into())?;
    }
    let longest = if hint > 1 { MAX_EXTENT_FSBLOCKS / hint * hint } else { MAX_EXTENT_FSBLOCKS };
    let want = to.since(from).min(longest.into()) as u32;
    let whole = alloc::find_whole(tx, hole.near, want).map(|start| (start, want));
    let (start, len) = match whole {
        Err(Error::NoSpace) => {
            // Pieces start where the hole does: what lies in front of it in its unit is not needed.
            from = hole.from;
            alloc::find_for_file(tx, hole.near, hole.to.since(from).min(want.into()) as u32)?
        }
        found => found?,
    };
    let extent = Extent { file_block: from, start, len, unwritten: true };
    bmap::allocate_exact(tx, ino, Fork::Data, extent)?;
    Ok(extent)
}

/// Maps unwritten blocks to every hole of `from..to`, in as many transactions as the log asks for.
///
/// # Errors
/// Those of changing the trees. What was mapped before stays; that does not show in the contents.
pub(super) fn fill_holes(store: &mut Store, ino: Ino, from: FileBlock, to: FileBlock) -> Result<()> {
    let mut at = from;
    loop {
        let mut tx = Transaction::new(store);
        let hint = extsize_of(&core(&mut tx, ino)?);
        let mut done = false;
        while !tx.is_full() {
            let Some(hole) = Hole::first(&mut tx, ino, at, to)? else {
                done = true;
                break;
            };
            at = fill(&mut tx, ino, hole, hint)?.file_end();
        }
        let core = core_mut(&mut tx, ino)?;
        core.flags.set((core.flags() | Flags::PREALLOC).bits());
        tx.commit()?;
        if done {
            return Ok(());
        }
    }
}

/// Makes sure that there is room for blocks for every hole of `from..to`, with what a hint adds at both ends.
///
/// # Errors
/// [`Error::NoSpace`] when there is not; those of reading the trees.
pub(super) fn check_holes(store: &mut Store, files: &Files, ino: Ino, stretches: &[Stretch]) -> Result<()> {
    let mut tx = Transaction::new(store);
    let hint = u64::from(extsize_of(&core(&mut tx, ino)?));
    let wider = |stretch: &Stretch| match stretch.below {
        Below::Hole => {
            let to = stretch.to.plus(2 * hint.saturating_sub(1));
            Stretch { from: stretch.from, to, below: Below::Hole }
        }
        below => Stretch { from: stretch.from, to: stretch.to, below },
    };
    let wanted: Vec<Stretch> = stretches.iter().map(wider).collect();
    check_space(&mut tx, files, ino, wanted.iter(), Pool::Whole)
}
