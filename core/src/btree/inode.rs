//! The trees of inode chunks: all of them (inobt), and those with free inodes (finobt).
//!
//! Source: "Inode B+tree", "Free Inode B+tree".

use super::ag_headers::rooted_in_ag_header;
use super::{Root, Tree};
use crate::error::Result;
use crate::format::BlockKind;
use crate::format::btree::InodeRec;
use crate::format::header::{be_u32, put};
use crate::geometry::Geometry;
use crate::journal::Transaction;
use crate::units::{AgIno, AgNumber, Daddr};

/// All inode chunks of an AG.
#[derive(Debug, Clone, Copy)]
pub struct Inobt {
    /// The AG.
    pub ag: AgNumber,
    /// Records have a hole mask (SPINODES).
    pub sparse: bool,
}

/// Inode chunks of an AG that have free inodes.
#[derive(Debug, Clone, Copy)]
pub struct Finobt {
    /// The AG.
    pub ag: AgNumber,
    /// Records have a hole mask (SPINODES).
    pub sparse: bool,
}

impl Inobt {
    /// The tree of `ag`.
    #[must_use]
    pub fn new(geometry: &Geometry, ag: AgNumber) -> Self {
        Self { ag, sparse: geometry.has_sparse_inodes() }
    }
}

impl Finobt {
    /// The tree of `ag`.
    #[must_use]
    pub fn new(geometry: &Geometry, ag: AgNumber) -> Self {
        Self { ag, sparse: geometry.has_sparse_inodes() }
    }
}

macro_rules! inode_tree {
    ($name:ident, $root:ident, $level:ident) => {
        impl Tree for $name {
            type Rec = InodeRec;
            type Key = AgIno;

            const KINDS: &'static [BlockKind] = &[BlockKind::$name];
            const REC_BYTES: usize = InodeRec::BYTES;
            const KEY_BYTES: usize = 4;

            fn decode(&self, bytes: &[u8]) -> InodeRec {
                InodeRec::decode(bytes, self.sparse)
            }

            fn encode(&self, rec: &InodeRec, bytes: &mut [u8]) {
                rec.encode(bytes, self.sparse);
            }

            fn decode_key(bytes: &[u8]) -> AgIno {
                AgIno(be_u32(bytes, 0))
            }

            fn encode_key(key: &AgIno, bytes: &mut [u8]) {
                put(bytes, 0, &key.0.to_be_bytes());
            }

            fn key(rec: &InodeRec) -> AgIno {
                rec.startino
            }

            rooted_in_ag_header!(ag, agi, agi_mut, $root, $level);
        }
    };
}

inode_tree!(Inobt, root, level);
inode_tree!(Finobt, free_root, free_level);
