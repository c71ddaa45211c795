//! What is known of a file in memory only: dirty data, its size, reservations, and the CoW fork.

use alloc::vec::Vec;
use core::ops::Range;

use super::dirty::Dirty;
use super::reservation::{Reservation, Work};
use crate::format::time::Timestamp;
use crate::geometry::Geometry;
use crate::intervals::Intervals;
use crate::sort;
use crate::units::map::{Hashed, Ordered};
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
    /// Dirty blocks over unwritten ones. Metadata is reserved for turning them into written ones.
    pub convert: Intervals,
    /// Extents of the data fork when work was last added or taken off.
    pub extents: u64,
    /// The CoW fork's extents with blocks, by first file block.
    pub staging: Ordered<FileBlock, Staging>,
    /// Where the next staging extent should lie.
    pub staging_near: Option<FsBlock>,
    /// Size in bytes as callers see it.
    pub size: u64,
    /// When data last changed, if that is not in the inode yet.
    pub modified: Option<Timestamp>,
}

impl File {
    /// What writeback of this file has to do.
    #[must_use]
    pub fn work(&self) -> Work {
        Work {
            extents: self.extents,
            data_fsblocks: self.delalloc.count() + self.overwrite.count(),
            data_runs: self.delalloc.runs() + self.overwrite.runs(),
            convert_runs: self.convert.runs(),
        }
    }

    /// Strikes off the reservations for some file blocks.
    pub fn unreserve(&mut self, blocks: Range<u64>) {
        for set in [&mut self.delalloc, &mut self.overwrite, &mut self.convert] {
            set.remove(blocks.clone());
        }
    }

    /// Whether nothing in memory goes beyond what is on disk.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.dirty.is_empty() && self.modified.is_none()
    }

    /// The part of the CoW fork that covers `block`: where that block's staging block is, and how many follow.
    #[must_use]
    pub fn staged(&self, block: FileBlock) -> Option<Staging> {
        let (start, staging) = self.staging.at_or_before(block)?;
        let skip = u32::try_from(block.since(start)).ok().filter(|&skip| skip < staging.len)?;
        Some(Staging { start: FsBlock(staging.start.0 + u64::from(skip)), len: staging.len - skip })
    }

    /// Takes `len_fsblocks` blocks from `block` on out of the CoW fork: they are the data fork's now.
    pub fn unstage(&mut self, block: FileBlock, len_fsblocks: u32) {
        let Some((start, &staging)) = self.staging.at_or_before(block) else { return };
        let before = block.since(start) as u32;
        if before >= staging.len {
            return;
        }
        let after = staging.len.saturating_sub(before + len_fsblocks);
        self.staging.remove(start);
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

/// Memory that a file with a single dirty block takes besides that block, in bytes, roughly. With many small files it
/// adds up to a good part of the bound on dirty memory.
const FILE_BYTES: usize = 1024;

/// All files with something in memory.
#[derive(Debug, Default)]
pub struct Files {
    files: Hashed<Ino, File>,
    /// Sum over all files.
    reserved: Reservation,
    dirty_bytes: usize,
}

impl Files {
    /// The file `ino`, if anything of it is in memory.
    #[must_use]
    pub fn get(&self, ino: Ino) -> Option<&File> {
        self.files.get(ino)
    }

    /// Blocks reserved for writeback, over all files.
    #[must_use]
    pub fn reserved(&self) -> Reservation {
        self.reserved
    }

    /// Bytes of data in memory, over all files, with what it takes to keep track of them.
    #[must_use]
    pub fn dirty_bytes(&self) -> usize {
        self.dirty_bytes + self.files.len() * FILE_BYTES
    }

    /// Every file with something in memory, by rising inode number.
    #[must_use]
    pub fn inodes(&self) -> Vec<Ino> {
        let mut inodes: Vec<Ino> = self.files.items().iter().map(|&(ino, _)| ino).collect();
        sort::by_number(&mut inodes, |ino| ino.0);
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
        let file = self.files.get_or_insert_with(ino, || File { size, ..File::default() });
        let before = (file.work().reservation(geometry), file.dirty.bytes());
        let outcome = act(file);
        self.reserved = self.reserved.minus(before.0).plus(file.work().reservation(geometry));
        self.dirty_bytes = self.dirty_bytes - before.1 + file.dirty.bytes();
        outcome
    }

    /// What would be reserved over all files if the work of `ino` were what `change` makes of it.
    #[must_use]
    pub fn reserved_with(
        &self,
        geometry: &Geometry,
        ino: Ino,
        change: impl FnOnce(&mut Work),
    ) -> Reservation {
        let held = self.files.get(ino).map(File::work).unwrap_or_default();
        let mut work = held;
        change(&mut work);
        self.reserved.minus(held.reservation(geometry)).plus(work.reservation(geometry))
    }

    /// Forgets the file, its dirty data included. Returns its staging extents.
    pub fn forget(&mut self, geometry: &Geometry, ino: Ino) -> Vec<(FileBlock, Staging)> {
        let Some(mut file) = self.files.remove(ino) else { return Vec::new() };
        self.reserved = self.reserved.minus(file.work().reservation(geometry));
        self.dirty_bytes -= file.dirty.bytes();
        file.staging.take()
    }

    /// Forgets a file of which nothing in memory goes beyond what is on disk.
    pub fn drop_idle(&mut self, ino: Ino) {
        if self.files.get(ino).is_some_and(|file| file.is_clean() && file.staging.is_empty()) {
            self.files.remove(ino);
        }
    }

    /// Forgets every staging extent of every file.
    pub fn forget_staging(&mut self) {
        for (_, file) in self.files.values_mut() {
            file.staging.clear();
        }
    }
}
