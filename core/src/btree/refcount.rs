//! The tree of reference counts, and in its upper half the CoW staging extents.
//!
//! Source: "Reference Count B+tree".

use super::ag_headers::rooted_in_ag_header;
use super::{Root, Tree};
use crate::error::Result;
use crate::format::BlockKind;
use crate::format::btree::RefcountRec;
use crate::format::header::{be_u32, put};
use crate::geometry::Geometry;
use crate::journal::Transaction;
use crate::units::{AgNumber, Daddr};

/// Reference counts of an AG.
#[derive(Debug, Clone, Copy)]
pub struct Refcountbt(pub AgNumber);

impl Tree for Refcountbt {
    type Rec = RefcountRec;
    /// `rc_startblock` as stored: the staging flag in the highest bit, so that staging extents sort last.
    type Key = u32;

    const KINDS: &'static [BlockKind] = &[BlockKind::Refcountbt];
    const REC_BYTES: usize = RefcountRec::BYTES;
    const KEY_BYTES: usize = 4;

    fn decode(&self, bytes: &[u8]) -> RefcountRec {
        RefcountRec::decode(bytes)
    }

    fn encode(&self, rec: &RefcountRec, bytes: &mut [u8]) {
        rec.encode(bytes);
    }

    fn decode_key(bytes: &[u8]) -> u32 {
        be_u32(bytes, 0)
    }

    fn encode_key(key: &u32, bytes: &mut [u8]) {
        put(bytes, 0, &key.to_be_bytes());
    }

    fn key(rec: &RefcountRec) -> u32 {
        rec.raw_start()
    }

    rooted_in_ag_header!(0, agf, agf_mut, refcount_root, refcount_level);
}
