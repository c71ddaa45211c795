//! The free index of a directory in node form: which data blocks are there, and the longest unused region of each.
//!
//! Source: "Node Directories".

use core::mem::offset_of;

use super::blocks::{Dir, kinds};
use crate::btree::bmap::Fork;
use crate::error::{Problem, Result};
use crate::format::BlockKind;
use crate::format::dir::free::{FREE_HEADER_BYTES, Free, FreeHeader, slots};
use crate::format::dir::leaf::NO_DATA_BLOCK;
use crate::format::header::put;
use crate::inode::bmap;
use crate::journal::{Locator, Transaction};

const FIRSTDB_AT: usize = offset_of!(FreeHeader, firstdb);
const NVALID_AT: usize = offset_of!(FreeHeader, nvalid);
const NUSED_AT: usize = offset_of!(FreeHeader, nused);

const fn slot_at(slot: usize) -> usize {
    FREE_HEADER_BYTES + slot * 2
}

impl Dir {
    /// Slots of a block of the free index.
    pub(super) fn free_slots(&self) -> usize {
        slots(self.block_bytes())
    }

    fn free<'t>(&self, tx: &'t mut Transaction<'_>, number: usize, at: &Locator) -> Result<Free<'t>> {
        let fail = |problem| self.damaged(BlockKind::DirFree, self.free_at(number), problem);
        let free = Free::new(tx.read(at)?).map_err(fail)?;
        let (found, expected) = (free.header.firstdb.get().into(), (number * self.free_slots()) as u64);
        if found != expected {
            return Err(fail(Problem::Value { field: "firstdb", expected, found }));
        }
        Ok(free)
    }

    /// The number behind that of the last block of the free index.
    pub(super) fn free_blocks(&self, tx: &mut Transaction<'_>) -> Result<usize> {
        let Some(last) = bmap::last(tx, self.ino(), Fork::Data)? else { return Ok(0) };
        let first = self.free_at(0);
        if last.file_end() <= first {
            return Ok(0);
        }
        let unit = self.free_at(1).since(first);
        Ok(last.file_end().since(first).div_ceil(unit) as usize)
    }

    fn try_free(&self, tx: &mut Transaction<'_>, number: usize) -> Result<Option<Locator>> {
        self.try_locate(tx, self.free_at(number), kinds::FREE)
    }

    /// The longest unused region of data block `index`, in bytes.
    pub(super) fn best(&self, tx: &mut Transaction<'_>, index: usize) -> Result<usize> {
        let (number, slot) = (index / self.free_slots(), index % self.free_slots());
        let locator = self.locate(tx, self.free_at(number), kinds::FREE)?;
        match self.free(tx, number, &locator)?.best(slot) {
            Some(best) if best != NO_DATA_BLOCK => Ok(best.into()),
            _ => Err(self.not_indexed(number)),
        }
    }

    fn not_indexed(&self, number: usize) -> crate::Error {
        let problem = Problem::Rule("data block is not in the free index");
        self.damaged(BlockKind::DirFree, self.free_at(number), problem)
    }

    /// A data block with an unused region of `need` bytes. New blocks are at the end, so that is where the search
    /// begins; block `skip` of the index is passed over.
    pub(super) fn find_room(
        &self,
        tx: &mut Transaction<'_>,
        need: usize,
        skip: Option<usize>,
    ) -> Result<Option<usize>> {
        for number in (0..self.free_blocks(tx)?).rev().filter(|&number| Some(number) != skip) {
            let Some(locator) = self.try_free(tx, number)? else { continue };
            let fits = |best: u16| best != NO_DATA_BLOCK && usize::from(best) >= need;
            if let Some(slot) = self.free(tx, number, &locator)?.bests().rposition(fits) {
                return Ok(Some(number * self.free_slots() + slot));
            }
        }
        Ok(None)
    }

    /// The first data block that is not there.
    pub(super) fn first_missing(&self, tx: &mut Transaction<'_>) -> Result<usize> {
        let slots = self.free_slots();
        let count = self.free_blocks(tx)?;
        for number in 0..count {
            let Some(locator) = self.try_free(tx, number)? else { return Ok(number * slots) };
            let mut bests = self.free(tx, number, &locator)?.bests();
            let valid = bests.len();
            let missing = bests.position(|best| best == NO_DATA_BLOCK);
            if let Some(slot) = missing.or((valid < slots).then_some(valid)) {
                return Ok(number * slots + slot);
            }
        }
        Ok(count * slots)
    }

    /// Notes the longest unused region of data block `index`.
    pub(super) fn set_best(&mut self, tx: &mut Transaction<'_>, index: usize, best: usize) -> Result<()> {
        let (number, slot) = (index / self.free_slots(), index % self.free_slots());
        if self.best(tx, index)? == best {
            return Ok(());
        }
        let locator = self.writable(tx, self.free_at(number), kinds::FREE)?;
        put_slot(tx, &locator, slot, best as u16)
    }

    /// Enters data block `index`, which is new.
    pub(super) fn enter_data(&mut self, tx: &mut Transaction<'_>, index: usize, best: usize) -> Result<()> {
        let (number, slot) = (index / self.free_slots(), index % self.free_slots());
        let at = self.free_at(number);
        let locator = match self.try_free(tx, number)? {
            Some(_) => self.writable(tx, at, kinds::FREE)?,
            None => {
                let locator = self.grow(tx, at, kinds::FREE)?;
                let first = (number * self.free_slots()) as u32;
                put_count(tx, &locator, FIRSTDB_AT, first)?;
                locator
            }
        };
        let header = self.free(tx, number, &locator)?.header;
        let (nvalid, nused) = (header.nvalid.get(), header.nused.get());
        for skipped in nvalid as usize..slot {
            put_slot(tx, &locator, skipped, NO_DATA_BLOCK)?;
        }
        put_count(tx, &locator, NVALID_AT, nvalid.max(slot as u32 + 1))?;
        put_count(tx, &locator, NUSED_AT, nused + 1)?;
        put_slot(tx, &locator, slot, best as u16)
    }

    /// Takes data block `index`, which is there no more, out of the index, and the block of the index with the last.
    pub(super) fn forget_data(&mut self, tx: &mut Transaction<'_>, index: usize) -> Result<()> {
        let (number, slot) = (index / self.free_slots(), index % self.free_slots());
        self.best(tx, index)?;
        let locator = self.writable(tx, self.free_at(number), kinds::FREE)?;
        let free = self.free(tx, number, &locator)?;
        let (nvalid, nused) = (free.header.nvalid.get() as usize, free.header.nused.get());
        // Slots at the end that speak of nothing go too.
        let last_used = free.bests().take(slot).rposition(|best| best != NO_DATA_BLOCK);
        put_count(tx, &locator, NUSED_AT, nused.saturating_sub(1))?;
        put_slot(tx, &locator, slot, NO_DATA_BLOCK)?;
        if slot + 1 == nvalid {
            put_count(tx, &locator, NVALID_AT, last_used.map_or(0, |last| last as u32 + 1))?;
        }
        if nused <= 1 {
            self.shrink(tx, self.free_at(number))?;
        }
        Ok(())
    }

    /// Takes blocks of the free index off its end that speak of nothing. Returns whether the first one is the only one.
    pub(super) fn trim_free_index(&mut self, tx: &mut Transaction<'_>) -> Result<bool> {
        loop {
            let count = self.free_blocks(tx)?;
            let Some(number) = count.checked_sub(1) else { return Ok(false) };
            if number == 0 {
                return Ok(true);
            }
            let Some(locator) = self.try_free(tx, number)? else { return Ok(false) };
            if self.free(tx, number, &locator)?.header.nused.get() > 0
                || !self.shrink(tx, self.free_at(number))?
            {
                return Ok(false);
            }
        }
    }

    /// The slots of the first block of the free index.
    pub(super) fn first_bests(&self, tx: &mut Transaction<'_>) -> Result<alloc::vec::Vec<u16>> {
        let locator = self.locate(tx, self.free_at(0), kinds::FREE)?;
        Ok(self.free(tx, 0, &locator)?.bests().collect())
    }

    /// Makes the first block of the free index, out of what the leaf knew.
    pub(super) fn make_free_index(&mut self, tx: &mut Transaction<'_>, bests: &[u16]) -> Result<()> {
        let locator = self.grow(tx, self.free_at(0), kinds::FREE)?;
        let used = bests.iter().filter(|&&best| best != NO_DATA_BLOCK).count();
        put_count(tx, &locator, NVALID_AT, bests.len() as u32)?;
        put_count(tx, &locator, NUSED_AT, used as u32)?;
        for (slot, &best) in bests.iter().enumerate() {
            put_slot(tx, &locator, slot, best)?;
        }
        Ok(())
    }
}

fn put_slot(tx: &mut Transaction<'_>, free: &Locator, slot: usize, best: u16) -> Result<()> {
    let at = slot_at(slot);
    put(tx.modify(free, at..at + 2)?, at, &best.to_be_bytes());
    Ok(())
}

fn put_count(tx: &mut Transaction<'_>, free: &Locator, at: usize, count: u32) -> Result<()> {
    put(tx.modify(free, at..at + 4)?, at, &count.to_be_bytes());
    Ok(())
}
