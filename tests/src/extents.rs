//! Where the blocks of a file lie, as FIEMAP tells it.

#[cfg(unix)]
mod fiemap;

#[cfg(unix)]
pub use fiemap::fiemap;

use serde::{Deserialize, Serialize};

/// One mapped range of a file; all lengths and positions in units of 512 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// Position in the file.
    pub logical: u64,
    /// Position on the device.
    pub physical: u64,
    /// Length.
    pub count: u64,
    /// Allocated, and reads as zeros.
    pub unwritten: bool,
    /// Some of it belongs to another file too.
    pub shared: bool,
}

/// Joins neighbours that differ in nothing: how a range is cut into records is nobody's promise.
pub fn joined(extents: &[Extent]) -> Vec<Extent> {
    let mut joined: Vec<Extent> = Vec::with_capacity(extents.len());
    for &next in extents {
        if let Some(last) = joined.last_mut()
            && last.logical + last.count == next.logical
            && last.physical + last.count == next.physical
            && (last.unwritten, last.shared) == (next.unwritten, next.shared)
        {
            last.count += next.count;
        } else {
            joined.push(next);
        }
    }
    joined
}
