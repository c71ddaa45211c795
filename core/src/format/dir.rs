//! Directories on disk: shortform, data blocks, leaves, free index.
//!
//! Source: "Directories".

pub mod data;
pub mod free;
pub mod leaf;
pub mod shortform;

use crate::units::FileBlock;

/// Longest name, in bytes.
pub const MAX_NAME_BYTES: usize = 255;

/// Bytes before the entries of a data block.
pub const DATA_HEADER_BYTES: usize = 64;

/// Offset of `..` in the first data block; `.` stands right before it.
pub const DOTDOT_AT: u32 = 80;

/// Offset of the first other entry.
pub const FIRST_ENTRY_AT: u32 = 96;

/// Address of an entry in the data space of a directory, in units of eight bytes. Zero means stale.
///
/// It stays the same as long as the entry lives, in every form: this is what positions in a directory are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Dataptr(pub u32);

impl Dataptr {
    /// Log2 of the bytes that one unit stands for.
    pub const LOG: u32 = 3;

    /// The address of byte `at` in the directory block that starts at file block `block`.
    #[must_use]
    pub const fn new(block: FileBlock, blocklog: u8, at: usize) -> Self {
        Self((((block.0 << blocklog) + at as u64) >> Self::LOG) as u32)
    }

    /// The byte of the data space.
    #[must_use]
    pub const fn byte(self) -> u64 {
        (self.0 as u64) << Self::LOG
    }
}

/// Whether `name` can be that of an entry.
#[must_use]
pub fn is_valid_name(name: &[u8]) -> bool {
    (1..=MAX_NAME_BYTES).contains(&name.len()) && !name.iter().any(|&byte| byte == b'/' || byte == 0)
}
