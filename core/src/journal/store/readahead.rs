//! Blocks read together with those that are wanted next.
//!
//! A directory that grew along with the files in it lies between their inodes, in many short extents that follow each
//! other on the device at small distances. Fetched one by one each of its blocks waits for the device; what lies between
//! two that are close costs less to read than a second wait.

use alloc::sync::Arc;

use super::Store;
use crate::device::{DeviceError, read_vec};
use crate::error::Result;
use crate::journal::Locator;
use crate::units::Daddr;

/// Bytes between two blocks that are rather read than skipped.
const GAP_BYTES: u64 = 32 << 10;

/// Bytes that are read at once, at most: a small part of the cache.
const SPAN_BYTES: u64 = 256 << 10;

impl Store {
    /// Whether a block is in memory.
    #[must_use]
    pub fn is_cached(&self, daddr: Daddr) -> bool {
        self.cache.contains(daddr)
    }

    /// Brings the first of `blocks` into the cache, and with it those after it that lie close behind each other.
    ///
    /// What cannot be read or is not what it must be is left out: whoever loads it is told why.
    ///
    /// # Errors
    /// Only that bytes have to be fetched first.
    pub fn read_ahead(&mut self, mut blocks: &[Locator]) -> Result<()> {
        let Some(first) = blocks.first() else { return Ok(()) };
        let start = first.daddr.0 << 9;
        let (mut end, mut count) = (start, 0);
        for block in blocks {
            let (from, behind) = (block.daddr.0 << 9, (block.daddr.0 << 9) + u64::from(block.len_bytes));
            if from < end || from - end > GAP_BYTES || behind - start > SPAN_BYTES {
                break;
            }
            (end, count) = (behind, count + 1);
        }
        blocks = &blocks[..count];
        let bytes = match read_vec(&mut *self.device, start, (end - start) as usize) {
            Ok(bytes) => bytes,
            Err(error @ DeviceError::NotResident { .. }) => return Err(error.into()),
            Err(_) => return Ok(()),
        };
        for at in blocks.iter().filter(|at| at.pieces.is_empty()) {
            let from = ((at.daddr.0 << 9) - start) as usize;
            if !self.cache.contains(at.daddr)
                && let Ok(block) = self.verified(at, bytes[from..from + at.len_bytes as usize].to_vec())
            {
                self.cache.insert_clean(at.daddr, Arc::new(block));
            }
        }
        Ok(())
    }
}
