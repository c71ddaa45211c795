//! Newtypes for every kind of address in an XFS volume.
//!
//! A bare integer never says what it counts, so each address space has its own type and only
//! [`Geometry`](crate::geometry::Geometry) turns one into another. Lengths are bare integers whose name ends in
//! their unit (`len_fsblocks`, `len_bytes`).
//!
//! Format source: "XFS Algorithms & Data Structures", "Allocation Groups" and "Inode Numbers".

pub mod map;

use core::fmt;

macro_rules! address {
    ($(#[$doc:meta])* $name:ident($int:ty), null $null:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $int);

        impl $name {
            /// The value that stands for "none" on disk.
            pub const NULL: Self = Self($null);

            /// Whether this is the "none" value.
            #[must_use]
            pub const fn is_null(self) -> bool {
                self.0 == $null
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

address! {
    /// Number of an allocation group, `0..agcount`.
    AgNumber(u32), null u32::MAX
}
address! {
    /// A filesystem block counted from the start of its allocation group.
    AgBlock(u32), null u32::MAX
}
address! {
    /// A filesystem block of the volume: the AG number packed above the AG block.
    ///
    /// The packing leaves gaps between AGs, so these are not linear: arithmetic goes through
    /// [`Geometry`](crate::geometry::Geometry).
    FsBlock(u64), null u64::MAX
}
address! {
    /// A filesystem block of a file, counted from the start of the file (54 bits).
    FileBlock(u64), null u64::MAX
}
address! {
    /// A disk address in basic blocks of 512 bytes, whatever the sector size.
    Daddr(u64), null u64::MAX
}
address! {
    /// An inode counted from the start of its allocation group.
    AgIno(u32), null u32::MAX
}
address! {
    /// An inode number of the volume: the AG number packed above the AG-relative inode.
    Ino(u64), null u64::MAX
}
address! {
    /// A log sequence number: cycle in the upper 32 bits, basic block in the lower.
    Lsn(u64), null u64::MAX
}

/// Bytes in a basic block, the unit of [`Daddr`].
pub const BASIC_BLOCK_BYTES: u64 = 512;

/// Largest length of one extent record, in fsblocks (21 bits).
pub const MAX_EXTENT_FSBLOCKS: u32 = (1 << 21) - 1;

/// Largest file offset, in bytes, that Linux accepts.
pub const MAX_FILE_BYTES: u64 = (1 << 63) - 1;

impl AgBlock {
    /// The block `count_fsblocks` further on.
    ///
    /// Saturates: an address that ran past the end is caught by the bounds of the AG.
    #[must_use]
    pub const fn plus(self, count_fsblocks: u32) -> Self {
        Self(self.0.saturating_add(count_fsblocks))
    }
}

impl FileBlock {
    /// The block `count_fsblocks` further on (saturating).
    #[must_use]
    pub const fn plus(self, count_fsblocks: u64) -> Self {
        Self(self.0.saturating_add(count_fsblocks))
    }

    /// Blocks from `earlier` to here; zero when `earlier` is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Lsn {
    /// The number of a record in `cycle` at basic block `block_bb` of the log.
    #[must_use]
    pub const fn new(cycle: u32, block_bb: u32) -> Self {
        Self(((cycle as u64) << 32) | block_bb as u64)
    }

    /// Cycle of the log in which the record was written.
    #[must_use]
    pub const fn cycle(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Basic block of the record, counted from the start of the log.
    #[must_use]
    pub const fn block_bb(self) -> u32 {
        self.0 as u32
    }
}
