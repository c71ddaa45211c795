//! What is known of a file in memory only: dirty data, its size, reservations, and the CoW fork.

use alloc::collections::BTreeMap;

use hashbrown::HashMap;

use super::dirty::Dirty;
use crate::btree::{bmap::Bmbt, free_space::Bnobt, max_records};
use crate::format::time::Timestamp;
use crate::geometry::Geometry;
use crate::intervals::Intervals;
use crate::units::{FileBlock, FsBlock, Ino};

/// One extent of the CoW fork that has blocks: they are promised to it, but free on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Staging {
    /// First block.
    pub start: FsBlock,
    /// Length in fsblocks.
    pub len: u32,
}

/// A file with data that is not written back yet.
#[derive(Debug, Default)]
pub struct File {
    /// Data that waits for writeback.
    pub dirty: Dirty,
    /// Delayed allocation: dirty blocks over holes. One fsblock is reserved for each.
    pub delalloc: Intervals,
    /// The CoW fork's delalloc-overwrite extents: dirty blocks over shared ones. One fsblock is reserved for each.
    pub overwrite: Intervals,
    /// The CoW fork's extents with blocks, by first file block.
    pub staging: BTreeMap<FileBlock, Staging>,
    /// Where the next staging extent should lie.
    pub staging_near: Option<FsBlock>,
    /// Size in bytes as callers see it.
    pub size: u64,
    /// When data last changed, if that is not in the inode yet.
    pub modified: Option<Timestamp>,
}

impl File {
    /// Blocks that are reserved for this file's writeback, metadata included.
    #[must_use]
    pub fn reserved_fsblocks(&self, geometry: &Geometry) -> u64 {
        reservation(geometry, self.delalloc.count() + self.overwrite.count())
    }

    /// Whether nothing in memory goes beyond what is on disk.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.dirty.is_empty() && self.modified.is_none()
    }

    /// The part of the CoW fork that covers `block`: where that block's staging block is, and how many follow.
    #[must_use]
    pub fn staged(&self, block: FileBlock) -> Option<Staging> {
        let (&start, staging) = self.staging.range(..=block).next_back()?;
        let skip = u32::try_from(block.since(start)).ok().filter(|&skip| skip < staging.len)?;
        Some(Staging { start: FsBlock(staging.start.0 + u64::from(skip)), len: staging.len - skip })
    }

    /// Takes `len_fsblocks` blocks from `block` on out of the CoW fork: they are the data fork's now.
    pub fn unstage(&mut self, block: FileBlock, len_fsblocks: u32) {
        let Some((&start, &staging)) = self.staging.range(..=block).next_back() else { return };
        let before = block.since(start) as u32;
        if before >= staging.len {
            return;
        }
        let after = staging.len.saturating_sub(before + len_fsblocks);
        self.staging.remove(&start);
        if before > 0 {
            self.staging.insert(start, Staging { len: before, ..staging });
        }
        if after > 0 {
            let skip = u64::from(staging.len - after);
            self.staging
                .insert(start.plus(skip), Staging { start: FsBlock(staging.start.0 + skip), len: after });
        }
    }
}

/// Blocks to reserve so that the writeback of `blocks` dirty blocks can't fail for want of space.
///
/// In the worst case every block becomes an extent of its own, splits an extent of the file in three, and splits a
/// free extent in two.
fn reservation(geometry: &Geometry, blocks: u64) -> u64 {
    if blocks == 0 {
        return 0;
    }
    let (leaf, node) = max_records::<Bmbt>(geometry.blocksize);
    let mut total = blocks;
    let mut level = blocks * 2;
    let mut fill = u64::from(leaf / 2);
    for _ in 0..crate::btree::MAX_HEIGHT {
        level = level.div_ceil(fill) + 1;
        total += level;
        fill = u64::from(node / 2);
        if level <= 2 {
            break;
        }
    }
    let free_leaf = max_records::<Bnobt>(geometry.blocksize).0;
    total + 2 * (blocks.div_ceil(u64::from(free_leaf / 2)) + 2)
}

/// Memory that a file with a single dirty block takes besides that block, in bytes, roughly. With many small files it
/// adds up to a good part of the bound on dirty memory.
const FILE_BYTES: usize = 1024;

/// All files with something in memory.
#[derive(Debug, Default)]
pub struct Files {
    files: HashMap<Ino, File>,
    /// Sum over all files.
    reserved_fsblocks: u64,
    dirty_bytes: usize,
}

impl Files {
    /// The file `ino`, if anything of it is in memory.
    #[must_use]
    pub fn get(&self, ino: Ino) -> Option<&File> {
        self.files.get(&ino)
    }

    /// Blocks reserved for writeback, over all files.
    #[must_use]
    pub fn reserved_fsblocks(&self) -> u64 {
        self.reserved_fsblocks
    }

    /// Bytes of data in memory, over all files, with what it takes to keep track of them.
    #[must_use]
    pub fn dirty_bytes(&self) -> usize {
        self.dirty_bytes + self.files.len() * FILE_BYTES
    }

    /// Every file with something in memory, by rising inode number.
    #[must_use]
    pub fn inodes(&self) -> alloc::vec::Vec<Ino> {
        let mut inodes: alloc::vec::Vec<Ino> = self.files.keys().copied().collect();
        inodes.sort_unstable();
        inodes
    }

    /// Changes the file `ino`, which starts out with `size` bytes, and keeps the sums right.
    pub fn change<R>(
        &mut self,
        geometry: &Geometry,
        ino: Ino,
        size: u64,
        act: impl FnOnce(&mut File) -> R,
    ) -> R {
        let file = self.files.entry(ino).or_insert_with(|| File { size, ..File::default() });
        let before = (file.reserved_fsblocks(geometry), file.dirty.bytes());
        let outcome = act(file);
        self.reserved_fsblocks = self.reserved_fsblocks - before.0 + file.reserved_fsblocks(geometry);
        self.dirty_bytes = self.dirty_bytes - before.1 + file.dirty.bytes();
        outcome
    }

    /// What `ino`'s reservation would grow by with `more` dirty blocks that need space.
    #[must_use]
    pub fn extra_reservation(&self, geometry: &Geometry, ino: Ino, more: u64) -> u64 {
        let held = self.files.get(&ino).map_or(0, |file| file.delalloc.count() + file.overwrite.count());
        reservation(geometry, held + more) - reservation(geometry, held)
    }

    /// Forgets the file, its dirty data included. Returns its staging extents.
    pub fn forget(&mut self, geometry: &Geometry, ino: Ino) -> BTreeMap<FileBlock, Staging> {
        let Some(file) = self.files.remove(&ino) else { return BTreeMap::new() };
        self.reserved_fsblocks -= file.reserved_fsblocks(geometry);
        self.dirty_bytes -= file.dirty.bytes();
        file.staging
    }

    /// Forgets a file of which nothing in memory goes beyond what is on disk.
    pub fn drop_idle(&mut self, ino: Ino) {
        if self.files.get(&ino).is_some_and(|file| file.is_clean() && file.staging.is_empty()) {
            self.files.remove(&ino);
        }
    }

    /// Forgets every staging extent of every file.
    pub fn forget_staging(&mut self) {
        for file in self.files.values_mut() {
            file.staging.clear();
        }
    }
}
