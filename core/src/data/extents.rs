//! The extents of a file as they are shown to the outside.

use crate::units::{AgBlock, AgNumber};

/// Where an extent of a file lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtentPlace {
    /// On disk.
    Disk {
        /// Allocation group.
        ag: AgNumber,
        /// First block in it.
        agblock: AgBlock,
    },
    /// Only in memory so far: space is reserved, blocks are chosen at writeback.
    Delalloc,
}

/// A run of blocks of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileExtent {
    /// First block of the file, in fsblocks.
    pub offset_fsblocks: u64,
    /// Length in fsblocks.
    pub len_fsblocks: u64,
    /// Where it lies.
    pub place: ExtentPlace,
    /// Allocated but never written: reads as zeros.
    pub unwritten: bool,
    /// Another file, or another part of this one, uses the same blocks.
    pub shared: bool,
}
