//! The two trees of free space: by block (bnobt) and by size (cntbt).
//!
//! Source: "AG Free Space B+trees".

use core::cmp::Ordering;

use super::ag_headers::{agf, agf_mut};
use super::{Root, Tree};
use crate::error::Result;
use crate::format::BlockKind;
use crate::format::btree::FreeRec;
use crate::geometry::Geometry;
use crate::journal::Transaction;
use crate::units::{AgBlock, AgNumber, Daddr};

/// Disk address of an AG block that a tree of `ag` points to.
pub(super) fn ag_ptr(geometry: &Geometry, ag: AgNumber, ptr: u64) -> Option<Daddr> {
    let agblock = AgBlock(u32::try_from(ptr).ok()?);
    geometry.is_valid_ag_extent(ag, agblock, 1).then(|| geometry.ag_daddr(ag, agblock))
}

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

    fn owner(&self) -> u64 {
        self.0.0.into()
    }

    fn daddr(&self, geometry: &Geometry, ptr: u64) -> Option<Daddr> {
        ag_ptr(geometry, self.0, ptr)
    }

    fn root(&self, tx: &mut Transaction<'_>) -> Result<Root> {
        let agf = agf(tx, self.0)?;
        Ok(Root::Block { ptr: agf.bno_root.get().into(), height: agf.bno_level.get() as usize })
    }

    fn set_root(&self, tx: &mut Transaction<'_>, ptr: u64, height: usize) -> Result<()> {
        let agf = agf_mut(tx, self.0)?;
        agf.bno_root.set(ptr as u32);
        agf.bno_level.set(height as u32);
        Ok(())
    }
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

    fn owner(&self) -> u64 {
        self.0.0.into()
    }

    fn daddr(&self, geometry: &Geometry, ptr: u64) -> Option<Daddr> {
        ag_ptr(geometry, self.0, ptr)
    }

    fn root(&self, tx: &mut Transaction<'_>) -> Result<Root> {
        let agf = agf(tx, self.0)?;
        Ok(Root::Block { ptr: agf.cnt_root.get().into(), height: agf.cnt_level.get() as usize })
    }

    fn set_root(&self, tx: &mut Transaction<'_>, ptr: u64, height: usize) -> Result<()> {
        let agf = agf_mut(tx, self.0)?;
        agf.cnt_root.set(ptr as u32);
        agf.cnt_level.set(height as u32);
        Ok(())
    }
}
