//! The tree of reference counts, and in its upper half the CoW staging extents.
//!
//! Source: "Reference Count B+tree".

use super::ag_headers::{agf, agf_mut};
use super::free_space::ag_ptr;
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

    fn owner(&self) -> u64 {
        self.0.0.into()
    }

    fn daddr(&self, geometry: &Geometry, ptr: u64) -> Option<Daddr> {
        ag_ptr(geometry, self.0, ptr)
    }

    fn root(&self, tx: &mut Transaction<'_>) -> Result<Root> {
        let agf = agf(tx, self.0)?;
        Ok(Root::Block { ptr: agf.refcount_root.get().into(), height: agf.refcount_level.get() as usize })
    }

    fn set_root(&self, tx: &mut Transaction<'_>, ptr: u64, height: usize) -> Result<()> {
        let agf = agf_mut(tx, self.0)?;
        agf.refcount_root.set(ptr as u32);
        agf.refcount_level.set(height as u32);
        Ok(())
    }
}
