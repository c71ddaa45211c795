//! Feature words of the superblock. Unknown bits are kept: they decide how far a volume may be opened.
//!
//! Source: "Superblocks", `sb_features_*`.

use alloc::format;
use alloc::string::String;

bitflags::bitflags! {
    /// `sb_versionnum` above the version nibble.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Version: u16 {
        /// Extended attributes were used once.
        const ATTR = 0x0010;
        /// Link counts of 32 bits.
        const NLINK = 0x0020;
        /// Quota was used.
        const QUOTA = 0x0040;
        /// Inode chunks are aligned.
        const ALIGN = 0x0080;
        /// Stripe unit and width are valid.
        const DALIGN = 0x0100;
        /// Never set.
        const SHARED = 0x0200;
        /// Log version 2.
        const LOGV2 = 0x0400;
        /// Sectors are not 512 bytes.
        const SECTOR = 0x0800;
        /// Unwritten extents.
        const EXTFLG = 0x1000;
        /// Directory version 2.
        const DIRV2 = 0x2000;
        /// Names compare without regard to ASCII case.
        const BORG = 0x4000;
        /// `sb_features2` is valid.
        const MOREBITS = 0x8000;
    }

    /// `sb_features2`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Features2: u32 {
        /// Counters are written lazily.
        const LAZYSBCOUNT = 0x2;
        /// Attributes version 2.
        const ATTR2 = 0x8;
        /// Project ids of 32 bits.
        const PROJID32 = 0x80;
        /// Checksums: format version 5.
        const CRC = 0x100;
        /// File types in directories (version 4 only).
        const FTYPE = 0x200;
    }

    /// `sb_features_ro_compat`: a reader may ignore bits that it does not know, a writer may not.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct RoCompat: u32 {
        /// Free inode btree.
        const FINOBT = 0x1;
        /// Reverse mapping btree.
        const RMAPBT = 0x2;
        /// Shared blocks and the reference count btree.
        const REFLINK = 0x4;
        /// Block counts of the inode btrees in the AGI.
        const INOBTCNT = 0x8;
    }

    /// `sb_features_incompat`: nobody may touch a volume with bits that they do not know.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Incompat: u32 {
        /// File types in directory entries.
        const FTYPE = 0x1;
        /// Sparse inode chunks.
        const SPINODES = 0x2;
        /// Metadata carries `sb_meta_uuid`.
        const META_UUID = 0x4;
        /// Timestamps of 64 bits.
        const BIGTIME = 0x8;
        /// The volume must be repaired before use.
        const NEEDSREPAIR = 0x10;
        /// Extent counters of 48 and 32 bits.
        const NREXT64 = 0x20;
        /// Exchange of file ranges through the log.
        const EXCHRANGE = 0x40;
        /// Parent pointers.
        const PARENT = 0x80;
        /// Metadata directory tree.
        const METADIR = 0x100;
        /// Zoned realtime device.
        const ZONED = 0x200;
        /// Zones have gaps between them.
        const ZONE_GAPS = 0x400;
    }

    /// `sb_features_log_incompat`: a dirty log with unknown bits cannot be recovered.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct LogIncompat: u32 {
        /// Extended attribute intents in the log.
        const XATTRS = 0x1;
    }
}

/// Names the bits of `flags` that have no name of their own, for messages ("0x800").
pub fn unknown_bits<F: bitflags::Flags<Bits = u32>>(flags: &F) -> Option<String> {
    let unknown = flags.bits() & !F::all().bits();
    (unknown != 0).then(|| format!("{unknown:#x}"))
}
