//! Block headers and records of the btrees.
//!
//! Every block is one fsblock: a header, then either records (level 0) or an array of keys followed by an array of
//! pointers. The pointer array starts where the *largest* key array would end, not behind the keys in use.
//!
//! Source: "B+trees", "AG Free Space B+trees", "Inode B+tree", "Reverse-Mapping B+tree", "Reference Count B+tree".

use crate::format::header::{be_u32, be_u64, put};
use crate::units::{AgBlock, AgIno};

/// Header bytes of a block in an AG.
pub const SHORT_HEADER_BYTES: usize = 56;
/// Header bytes of a bmbt block.
pub const LONG_HEADER_BYTES: usize = 72;
/// Offset of `bb_level` (u16).
pub const LEVEL_AT: usize = 4;
/// Offset of `bb_numrecs` (u16).
pub const NUMRECS_AT: usize = 6;
/// Offset of `bb_leftsib` (u32 in short form, u64 in long form); the right sibling follows it.
pub const LEFTSIB_AT: usize = 8;

/// A free extent: record and key of bnobt and cntbt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FreeRec {
    /// First block.
    pub start: AgBlock,
    /// Length in fsblocks.
    pub len: u32,
}

impl FreeRec {
    /// Bytes of the record.
    pub const BYTES: usize = 8;

    /// Reads the record at the start of `b`.
    #[must_use]
    #[inline]
    pub fn decode(b: &[u8]) -> Self {
        Self { start: AgBlock(be_u32(b, 0)), len: be_u32(b, 4) }
    }

    /// Writes the record to the start of `b`.
    #[inline]
    pub fn encode(&self, b: &mut [u8]) {
        put(b, 0, &self.start.0.to_be_bytes());
        put(b, 4, &self.len.to_be_bytes());
    }
}

/// Inodes in a chunk.
pub const INODES_PER_CHUNK: u32 = 64;
/// Inodes that one bit of a hole mask stands for.
pub const INODES_PER_HOLEMASK_BIT: u32 = 4;

/// A chunk of 64 inodes: record of inobt and finobt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InodeRec {
    /// First inode of the chunk.
    pub startino: AgIno,
    /// Bit k set: inodes `4k..4k+4` do not exist. Always 0 without SPINODES.
    pub holemask: u16,
    /// Inodes that exist.
    pub count: u8,
    /// Free inodes among them.
    pub freecount: u8,
    /// Bit k set: inode k is free or does not exist.
    pub free: u64,
}

impl InodeRec {
    /// Bytes of the record.
    pub const BYTES: usize = 16;

    /// Reads the record at the start of `b`. `sparse`: the volume has SPINODES.
    #[must_use]
    #[inline]
    pub fn decode(b: &[u8], sparse: bool) -> Self {
        let startino = AgIno(be_u32(b, 0));
        let word = be_u32(b, 4);
        let free = be_u64(b, 8);
        if sparse {
            let [_, _, count, freecount] = word.to_be_bytes();
            Self { startino, holemask: (word >> 16) as u16, count, freecount, free }
        } else {
            // A count above 64 cannot be told apart from a valid one after narrowing; 255 stays invalid.
            let freecount = u8::try_from(word).unwrap_or(u8::MAX);
            Self { startino, holemask: 0, count: INODES_PER_CHUNK as u8, freecount, free }
        }
    }

    /// Writes the record to the start of `b`.
    #[inline]
    pub fn encode(&self, b: &mut [u8], sparse: bool) {
        put(b, 0, &self.startino.0.to_be_bytes());
        if sparse {
            put(b, 4, &self.holemask.to_be_bytes());
            put(b, 6, &[self.count, self.freecount]);
        } else {
            put(b, 4, &u32::from(self.freecount).to_be_bytes());
        }
        put(b, 8, &self.free.to_be_bytes());
    }

    /// Bit per inode, set where the inode exists.
    #[must_use]
    pub fn present(&self) -> u64 {
        let mut mask = 0_u64;
        for bit in 0..16 {
            if self.holemask & (1 << bit) == 0 {
                mask |= 0xf << (bit * INODES_PER_HOLEMASK_BIT);
            }
        }
        mask
    }
}

/// An extent of blocks with one reference count: record of the refcountbt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefcountRec {
    /// Whether this is a CoW staging extent; those sort behind all shared extents.
    pub cow: bool,
    /// First block.
    pub start: AgBlock,
    /// Length in fsblocks.
    pub len: u32,
    /// References: 2 or more when shared, 1 when staging.
    pub refcount: u32,
}

impl RefcountRec {
    /// Bytes of the record.
    pub const BYTES: usize = 12;
    /// The domain bit of `rc_startblock`.
    pub const COW_FLAG: u32 = 1 << 31;

    /// Reads the record at the start of `b`.
    #[must_use]
    #[inline]
    pub fn decode(b: &[u8]) -> Self {
        let start = be_u32(b, 0);
        Self {
            cow: start & Self::COW_FLAG != 0,
            start: AgBlock(start & !Self::COW_FLAG),
            len: be_u32(b, 4),
            refcount: be_u32(b, 8),
        }
    }

    /// Writes the record to the start of `b`.
    #[inline]
    pub fn encode(&self, b: &mut [u8]) {
        put(b, 0, &self.raw_start().to_be_bytes());
        put(b, 4, &self.len.to_be_bytes());
        put(b, 8, &self.refcount.to_be_bytes());
    }

    /// `rc_startblock` as stored, by which the tree is sorted.
    #[must_use]
    pub fn raw_start(&self) -> u32 {
        self.start.0 | if self.cow { Self::COW_FLAG } else { 0 }
    }
}

/// Owner of blocks in the rmapbt: an inode number, or one of the constants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RmapOwner(pub u64);

impl RmapOwner {
    /// AG headers.
    pub const FS: Self = Self(-3_i64 as u64);
    /// The internal log.
    pub const LOG: Self = Self(-4_i64 as u64);
    /// Free space btrees, rmapbt and AGFL.
    pub const AG: Self = Self(-5_i64 as u64);
    /// Inode btrees.
    pub const INOBT: Self = Self(-6_i64 as u64);
    /// Inode chunks.
    pub const INODES: Self = Self(-7_i64 as u64);
    /// Refcountbt.
    pub const REFC: Self = Self(-8_i64 as u64);
    /// CoW staging extents.
    pub const COW: Self = Self(-9_i64 as u64);

    /// Whether this is an inode number.
    #[must_use]
    pub const fn is_inode(self) -> bool {
        self.0 >> 63 == 0
    }
}

/// Who owns an extent of blocks: record of the rmapbt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RmapRec {
    /// First block.
    pub start: AgBlock,
    /// Length in fsblocks.
    pub len: u32,
    /// Who owns it.
    pub owner: RmapOwner,
    /// `rm_offset` as stored: flags in the upper bits, file offset in fsblocks below.
    pub offset: u64,
}

impl RmapRec {
    /// Bytes of the record.
    pub const BYTES: usize = 24;
    /// Flag in `offset`: attribute fork.
    pub const ATTR_FORK: u64 = 1 << 63;
    /// Flag in `offset`: block of a bmbt.
    pub const BMBT_BLOCK: u64 = 1 << 62;
    /// Flag in `offset`: unwritten extent.
    pub const UNWRITTEN: u64 = 1 << 61;
    /// The bits of `offset` that hold the file offset.
    pub const OFFSET_MASK: u64 = (1 << 54) - 1;

    /// Blocks of an owner that is not an inode, and so has no offsets.
    #[must_use]
    pub const fn of_volume(start: AgBlock, len: u32, owner: RmapOwner) -> Self {
        Self { start, len, owner, offset: 0 }
    }

    /// Reads the record at the start of `b`.
    #[must_use]
    #[inline]
    pub fn decode(b: &[u8]) -> Self {
        Self {
            start: AgBlock(be_u32(b, 0)),
            len: be_u32(b, 4),
            owner: RmapOwner(be_u64(b, 8)),
            offset: be_u64(b, 16),
        }
    }

    /// Writes the record to the start of `b`.
    #[inline]
    pub fn encode(&self, b: &mut [u8]) {
        put(b, 0, &self.start.0.to_be_bytes());
        put(b, 4, &self.len.to_be_bytes());
        put(b, 8, &self.owner.0.to_be_bytes());
        put(b, 16, &self.offset.to_be_bytes());
    }

    /// The flag bits of `offset`.
    #[must_use]
    pub fn flags(&self) -> u64 {
        self.offset & (Self::ATTR_FORK | Self::BMBT_BLOCK | Self::UNWRITTEN)
    }

    /// Whether `offset` counts file blocks and so moves along with the block address.
    #[must_use]
    pub fn has_file_offset(&self) -> bool {
        self.owner.is_inode() && self.offset & Self::BMBT_BLOCK == 0
    }

    /// Block behind the last one.
    #[must_use]
    pub fn end(&self) -> AgBlock {
        self.start.plus(self.len)
    }
}

/// Key of the rmapbt: the record without its length, the unwritten flag cleared.
///
/// Compares by block, owner, offset, which is the order of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RmapKey {
    /// First (or, in a high key, last) block.
    pub start: AgBlock,
    /// Who owns it.
    pub owner: RmapOwner,
    /// `rm_offset` without the unwritten flag.
    pub offset: u64,
}

impl RmapKey {
    /// Bytes of one key; a node entry has two, low and high.
    pub const BYTES: usize = 20;

    /// Reads the key at the start of `b`.
    #[must_use]
    #[inline]
    pub fn decode(b: &[u8]) -> Self {
        // Kernels before 6.4 left the unwritten flag in keys, so it is masked here and not trusted.
        let offset = be_u64(b, 12) & !RmapRec::UNWRITTEN;
        Self { start: AgBlock(be_u32(b, 0)), owner: RmapOwner(be_u64(b, 4)), offset }
    }

    /// Writes the key to the start of `b`.
    #[inline]
    pub fn encode(&self, b: &mut [u8]) {
        put(b, 0, &self.start.0.to_be_bytes());
        put(b, 4, &self.owner.0.to_be_bytes());
        put(b, 12, &self.offset.to_be_bytes());
    }

    /// Low key of a record.
    #[must_use]
    #[inline]
    pub fn low(rec: &RmapRec) -> Self {
        Self { start: rec.start, owner: rec.owner, offset: rec.offset & !RmapRec::UNWRITTEN }
    }

    /// High key of a record: that of its last block.
    #[must_use]
    #[inline]
    pub fn high(rec: &RmapRec) -> Self {
        let last = rec.len.saturating_sub(1);
        let mut key = Self::low(rec);
        key.start = key.start.plus(last);
        if rec.has_file_offset() {
            key.offset = key.offset.wrapping_add(u64::from(last));
        }
        key
    }
}
