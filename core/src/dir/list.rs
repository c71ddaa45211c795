//! Listing a directory, in the order of its entries' addresses.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::da::damaged;
use super::{DirEntry, entries_end, locate_data};
use crate::cache::Block;
use crate::error::{Problem, Result};
use crate::format::BlockKind;
use crate::format::dir::data::{Tile, tiles};
use crate::format::dir::shortform::Shortform;
use crate::format::dir::{Dataptr, FIRST_ENTRY_AT};
use crate::format::inode::{FileType, fork_format};
use crate::geometry::Geometry;
use crate::inode::fork::extents_from;
use crate::inode::{Fork, Inode, map_at};
use crate::journal::{Locator, Transaction};
use crate::units::{FileBlock, FsBlock, Ino};

/// Blocks that are considered to be read together, at most.
const AHEAD_BLOCKS: usize = 64;

/// At most `max` entries behind the one whose cookie is `after` (0: from the start), without `.` and `..`.
///
/// # Errors
/// [`Error::Corrupt`](crate::Error::Corrupt); those of the device.
pub fn list(tx: &mut Transaction<'_>, dir: &Inode, after: u64, max: usize) -> Result<Vec<DirEntry>> {
    let Ok(after) = u32::try_from(after) else { return Ok(Vec::new()) };
    if dir.core.format == fork_format::LOCAL {
        return list_shortform(tx.geometry(), dir, after, max);
    }
    let mut entries = Vec::new();
    let (blocklog, end) = (tx.geometry().blocklog, tx.geometry().dir_leaf_start());
    let len_fsblocks = u64::from(tx.geometry().dir_fsblocks());
    let align = |block: FileBlock| FileBlock(block.0 / len_fsblocks * len_fsblocks);
    let mut at = align(FileBlock(Dataptr(after).byte() >> blocklog));
    // Mappings that lead to one block again and again would make a long list out of a small volume.
    let mut blocks_left = dir.core.nblocks.get() / len_fsblocks;
    while entries.len() < max {
        let Some(extent) = map_at(tx, dir, Fork::Data, at)?.filter(|extent| extent.file_block < end) else {
            break;
        };
        at = align(extent.file_block).max(at);
        let Some(left) = blocks_left.checked_sub(1) else {
            return Err(damaged(BlockKind::DirData, dir, at, Problem::Rule("more blocks than nblocks says")));
        };
        blocks_left = left;
        if let Some(locator) = locate_data(tx, dir, at)? {
            read_ahead(tx, dir, at, &locator)?;
            let geometry = Arc::clone(tx.geometry());
            let block = tx.block(&locator)?;
            let scan = Scan { geometry: &geometry, dir, at, after, max };
            scan.block(block, &mut entries).map_err(|problem| damaged(block.kind, dir, at, problem))?;
        }
        at = at.plus(len_fsblocks);
    }
    Ok(entries)
}

/// Reads the block at `at`, unless it is in memory, together with those behind it in the directory that lie close by.
fn read_ahead(tx: &mut Transaction<'_>, dir: &Inode, at: FileBlock, locator: &Locator) -> Result<()> {
    if !locator.pieces.is_empty() || tx.store().is_cached(locator.daddr) {
        return Ok(());
    }
    let geometry = Arc::clone(tx.geometry());
    let len_fsblocks = geometry.dir_fsblocks();
    let mut wanted = Vec::new();
    for extent in extents_from(tx, dir, Fork::Data, at..geometry.dir_leaf_start())? {
        // A block that begins in one extent and ends in another is left to who asks for it.
        let first = extent.file_block.max(at).0.next_multiple_of(len_fsblocks.into());
        let last = extent.file_end().0.saturating_sub(len_fsblocks.into());
        for block in (first..=last).step_by(len_fsblocks as usize).take(AHEAD_BLOCKS) {
            let start = geometry.daddr(FsBlock(extent.start.0 + (block - extent.file_block.0)));
            wanted.push(Locator { daddr: start, ..locator.clone() });
        }
        if wanted.len() >= AHEAD_BLOCKS {
            break;
        }
    }
    tx.store().read_ahead(&wanted)
}

fn list_shortform(geometry: &Geometry, dir: &Inode, after: u32, max: usize) -> Result<Vec<DirEntry>> {
    let sf = shortform(dir)?;
    let mut entries = Vec::new();
    for entry in sf.entries {
        let cookie = u32::from(entry.offset) >> Dataptr::LOG;
        if cookie > after && entries.len() < max {
            let ino = check_ino(geometry, entry.ino).map_err(|problem| dir.corrupt(problem))?;
            entries.push(dir_entry(entry.name, ino, entry.ftype, cookie));
        }
    }
    Ok(entries)
}

/// The entries of a shortform directory.
pub(super) fn shortform(dir: &Inode) -> Result<Shortform<'_>> {
    let bytes = usize::try_from(dir.size()).ok().and_then(|size| dir.data_fork().get(..size));
    let decoded = Shortform::decode(bytes.unwrap_or_default());
    let first = |sf: &Shortform<'_>| sf.entries.first().is_some_and(|e| u32::from(e.offset) < FIRST_ENTRY_AT);
    match decoded {
        Ok(sf) if first(&sf) => Err(dir.corrupt(Problem::Rule("shortform entry before the first offset"))),
        Ok(sf) => Ok(sf),
        Err(problem) => Err(dir.corrupt(problem)),
    }
}

pub(super) fn check_ino(geometry: &Geometry, ino: Ino) -> Result<Ino, Problem> {
    if geometry.is_valid_ino(ino) {
        return Ok(ino);
    }
    Err(Problem::Bounds { field: "inumber of an entry", found: ino.0 })
}

fn dir_entry(name: &[u8], ino: Ino, ftype: u8, cookie: u32) -> DirEntry {
    DirEntry { name: name.to_vec(), ino, file_type: FileType::from_dir_code(ftype), cookie: cookie.into() }
}

/// The listing of one data block.
struct Scan<'a> {
    geometry: &'a Geometry,
    dir: &'a Inode,
    /// The block's place in the directory.
    at: FileBlock,
    after: u32,
    max: usize,
}

impl Scan<'_> {
    fn block(&self, block: &Block, entries: &mut Vec<DirEntry>) -> Result<(), Problem> {
        for tile in tiles(&block.bytes, entries_end(block)?) {
            let Tile::Entry(entry) = tile? else { continue };
            let cookie = Dataptr::new(self.at, self.geometry.blocklog, entry.at).0;
            if cookie <= self.after || entry.name == b"." || entry.name == b".." {
                continue;
            }
            if entries.len() == self.max {
                return Ok(());
            }
            let ino = check_ino(self.geometry, entry.ino)?;
            if ino == self.dir.ino {
                return Err(Problem::Rule("directory has an entry for itself"));
            }
            entries.push(dir_entry(entry.name, ino, entry.ftype, cookie));
        }
        Ok(())
    }
}
