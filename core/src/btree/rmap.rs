//! The tree of reverse mappings: who owns which blocks.
//!
//! Source: "Reverse-Mapping B+tree".

use super::ag_headers::rooted_in_ag_header;
use super::{Root, Tree};
use crate::error::Result;
use crate::format::BlockKind;
use crate::format::btree::{RmapKey, RmapRec};
use crate::geometry::Geometry;
use crate::journal::Transaction;
use crate::units::{AgNumber, Daddr};

/// Reverse mappings of an AG. Shared blocks have several, so records overlap.
#[derive(Debug, Clone, Copy)]
pub struct Rmapbt(pub AgNumber);

impl Tree for Rmapbt {
    type Rec = RmapRec;
    type Key = RmapKey;

    const KINDS: &'static [BlockKind] = &[BlockKind::Rmapbt];
    const REC_BYTES: usize = RmapRec::BYTES;
    const KEY_BYTES: usize = RmapKey::BYTES;
    const OVERLAPPING: bool = true;

    fn decode(&self, bytes: &[u8]) -> RmapRec {
        RmapRec::decode(bytes)
    }

    fn encode(&self, rec: &RmapRec, bytes: &mut [u8]) {
        rec.encode(bytes);
    }

    fn decode_key(bytes: &[u8]) -> RmapKey {
        RmapKey::decode(bytes)
    }

    fn encode_key(key: &RmapKey, bytes: &mut [u8]) {
        key.encode(bytes);
    }

    fn key(rec: &RmapRec) -> RmapKey {
        RmapKey::low(rec)
    }

    fn high_key(rec: &RmapRec) -> RmapKey {
        RmapKey::high(rec)
    }

    rooted_in_ag_header!(0, agf, agf_mut, rmap_root, rmap_level);
}
