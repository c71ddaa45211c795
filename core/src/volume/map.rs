//! What a stretch of the volume holds: who owns it, and what is free.

use alloc::vec::Vec;

use super::Volume;
use crate::btree::Cursor;
use crate::btree::free_space::Bnobt;
use crate::error::{Error, Place, Problem, Result};
use crate::format::btree::{FreeRec, RmapRec};
use crate::space::rmap;
use crate::units::{AgBlock, AgNumber};

impl Volume {
    /// Every owner of any of `len_fsblocks` blocks, by block and owner, as far as transactions have committed.
    ///
    /// # Errors
    /// [`Error::Unsupported`] without reverse mappings; those of the device; corruption.
    pub fn owners(&mut self, ag: AgNumber, start: AgBlock, len_fsblocks: u32) -> Result<Vec<RmapRec>> {
        if !self.geometry().has_rmapbt() {
            return Err(Error::unsupported("owners of blocks on a volume without rmapbt"));
        }
        if len_fsblocks == 0 || !self.geometry().is_valid_ag_extent(ag, start, len_fsblocks) {
            return Ok(Vec::new());
        }
        rmap::owners(&mut self.transaction(), ag, start, len_fsblocks)
    }

    /// The free extents of an AG, by block. Blocks that its trees keep for themselves (AGFL) are not among them.
    ///
    /// # Errors
    /// Those of the device; corruption.
    pub fn free_extents(&mut self, ag: AgNumber) -> Result<Vec<FreeRec>> {
        let mut tx = self.transaction();
        let mut cursor = Cursor::new(Bnobt(ag));
        let mut free: Vec<FreeRec> = Vec::new();
        let mut next = cursor.seek_first(&mut tx)?;
        while let Some(rec) = next {
            let is_behind = free.last().is_none_or(|last| last.start.plus(last.len) < rec.start);
            if !is_behind || !tx.geometry().is_valid_ag_extent(ag, rec.start, rec.len) {
                let problem = Problem::Rule("records overlap, are out of order, or reach out of the AG");
                return Err(Error::corrupt("bnobt", Place::agblock(ag, rec.start), problem));
            }
            free.push(rec);
            next = cursor.next(&mut tx)?;
        }
        Ok(free)
    }
}
