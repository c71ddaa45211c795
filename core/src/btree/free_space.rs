//! The two trees of free space: by block (bnobt) and by size (cntbt).
//!
//! Source: "AG Free Space B+trees".

use core::cmp::Ordering;

use super::ag_headers::rooted_in_ag_header;
use super::{Root, Tree};
use crate::error::Result;
use crate::format::BlockKind;
use crate::format::btree::FreeRec;
use crate::geometry::Geometry;
use crate::journal::Transaction;
use crate::units::{AgBlock, AgNumber, Daddr};

/// Free extents by first block.
#[derive(Debug, Clone, Copy)]
pub struct Bnobt(pub AgNumber);

/// Free extents by length, then first block.
#[derive(Debug, Clone, Copy)]
pub struct Cntbt(pub AgNumber);

/// Key of the bnobt: a whole record, of which only the first block is compared.
#[derive(Debug, Clone, Copy)]
pub struct BnoKey(FreeRec);

impl From<AgBlock> for BnoKey {
    /// A key to look for; the length of what is found does not matter.
    fn from(start: AgBlock) -> Self {
        Self(FreeRec { start, len: 0 })
    }
}

impl PartialEq for BnoKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.start == other.0.start
    }
}

impl Eq for BnoKey {}

impl PartialOrd for BnoKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for BnoKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.start.cmp(&other.0.start)
    }
}

impl Tree for Bnobt {
    type Rec = FreeRec;
    type Key = BnoKey;

    const KINDS: &'static [BlockKind] = &[BlockKind::Bnobt];
    const REC_BYTES: usize = FreeRec::BYTES;
    const KEY_BYTES: usize = FreeRec::BYTES;

    fn decode(&self, bytes: &[u8]) -> FreeRec {
        FreeRec::decode(bytes)
    }

    fn encode(&self, rec: &FreeRec, bytes: &mut [u8]) {
        rec.encode(bytes);
    }

    fn decode_key(bytes: &[u8]) -> BnoKey {
        BnoKey(FreeRec::decode(bytes))
    }

    fn encode_key(key: &BnoKey, bytes: &mut [u8]) {
        key.0.encode(bytes);
    }

    fn key(rec: &FreeRec) -> BnoKey {
        BnoKey(*rec)
    }

    rooted_in_ag_header!(0, agf, agf_mut, bno_root, bno_level);
}

impl Tree for Cntbt {
    type Rec = FreeRec;
    type Key = (u32, AgBlock);

    const KINDS: &'static [BlockKind] = &[BlockKind::Cntbt];
    const REC_BYTES: usize = FreeRec::BYTES;
    const KEY_BYTES: usize = FreeRec::BYTES;

    fn decode(&self, bytes: &[u8]) -> FreeRec {
        FreeRec::decode(bytes)
    }

    fn encode(&self, rec: &FreeRec, bytes: &mut [u8]) {
        rec.encode(bytes);
    }

    fn decode_key(bytes: &[u8]) -> (u32, AgBlock) {
        Self::key(&FreeRec::decode(bytes))
    }

    fn encode_key(key: &(u32, AgBlock), bytes: &mut [u8]) {
        FreeRec { start: key.1, len: key.0 }.encode(bytes);
    }

    fn key(rec: &FreeRec) -> (u32, AgBlock) {
        (rec.len, rec.start)
    }

    rooted_in_ag_header!(0, agf, agf_mut, cnt_root, cnt_level);
}
