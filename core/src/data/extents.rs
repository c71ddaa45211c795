//! The extents of a file as they are shown to the outside.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::ControlFlow;

use crate::error::{Error, Result};
use crate::inode::{Fork, Inode, for_each_extent};
use crate::journal::Transaction;
use crate::units::{AgBlock, AgNumber, FileBlock};

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

/// The extents of a file's data fork as they are on disk.
///
/// # Errors
/// [`Error::Unsupported`] for a realtime file; [`Error::Corrupt`]; those of the device.
pub fn on_disk(tx: &mut Transaction<'_>, inode: &Inode) -> Result<Vec<FileExtent>> {
    if inode.is_realtime() {
        return Err(Error::unsupported("file on the realtime device"));
    }
    let geometry = Arc::clone(tx.geometry());
    let mut extents = Vec::new();
    for_each_extent(tx, inode, Fork::Data, FileBlock(0), |extent| {
        let (ag, agblock) = geometry.split(extent.start);
        extents.push(FileExtent {
            offset_fsblocks: extent.file_block.0,
            len_fsblocks: extent.len.into(),
            place: ExtentPlace::Disk { ag, agblock },
            unwritten: extent.unwritten,
            shared: false,
        });
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(extents)
}
