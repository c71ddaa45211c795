//! Which slot a chunk is in.

use xfskit::units::map::Ordered;

use super::NAME;
use super::head::Head;
use crate::store::StoreError;

/// The unit in which the map is written: writes are torn nowhere else.
pub(super) const SECTOR_BYTES: usize = 512;
const ENTRIES: usize = SECTOR_BYTES / 4;

/// Bytes of the image that lie in one piece in the file, or that were never written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// Where they begin in the file.
    pub(super) at: Option<u64>,
    pub(super) len: usize,
}

/// The map, and the slots that may be handed out.
#[derive(Debug)]
pub(super) struct Map {
    /// For each chunk its slot plus 1, or 0.
    entries: Vec<u32>,
    /// Slots up to the last one with an entry.
    slot_count: u32,
    /// Slots below that without an entry, the last ones clean.
    spares: Vec<u32>,
    /// How many of the spares hold nothing but zeros, durably.
    clean: usize,
    /// Sectors of the map that differ from those in the file.
    dirty: Ordered<u32, ()>,
}

impl Map {
    pub(super) fn empty(chunk_count: u32) -> Self {
        let entries = vec![0; chunk_count as usize];
        Self { entries, slot_count: 0, spares: Vec::new(), clean: 0, dirty: Ordered::new() }
    }

    /// Takes stored bytes for a map, if they can be one.
    pub(super) fn decode(bytes: &[u8], chunk_count: u32) -> Result<Self, StoreError> {
        let damaged = |problem| StoreError::Damaged { store: NAME, problem };
        let mut map = Self::empty(chunk_count);
        let mut taken = vec![false; chunk_count as usize];
        for (entry, bytes) in map.entries.iter_mut().zip(bytes.chunks_exact(4)) {
            *entry = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            let Some(slot) = entry.checked_sub(1) else { continue };
            match taken.get_mut(slot as usize) {
                None => return Err(damaged("a chunk lies behind the last slot")),
                Some(true) => return Err(damaged("two chunks lie in one slot")),
                Some(is_taken) => *is_taken = true,
            }
            map.slot_count = map.slot_count.max(slot + 1);
        }
        map.spares = (0..map.slot_count).filter(|&slot| !taken[slot as usize]).collect();
        Ok(map)
    }

    pub(super) fn slot(&self, chunk: u32) -> Option<u32> {
        self.entries[chunk as usize].checked_sub(1)
    }

    /// Slots up to the last one that was ever handed out.
    pub(super) fn slot_count(&self) -> u32 {
        self.slot_count
    }

    pub(super) fn spare_count(&self) -> usize {
        self.spares.len()
    }

    pub(super) fn has_clean_spare(&self) -> bool {
        self.clean > 0
    }

    /// At most `most` of the spares, none of which is clean: the next ones to be handed out.
    pub(super) fn spares_to_clean(&self, most: usize) -> Vec<u32> {
        self.spares[self.spares.len().saturating_sub(most)..].to_vec()
    }

    /// The last `count` spares are clean now.
    pub(super) fn spares_are_clean(&mut self, count: usize) {
        self.clean = count;
    }

    /// Gives a chunk the next slot, which holds zeros: a clean spare if there are spares, else the one at the end.
    pub(super) fn place(&mut self, chunk: u32) {
        let slot = self.spares.pop().unwrap_or(self.slot_count);
        self.clean = self.clean.saturating_sub(1);
        self.slot_count = self.slot_count.max(slot + 1);
        self.entries[chunk as usize] = slot + 1;
        self.dirty.insert(chunk / ENTRIES as u32, ());
    }

    /// How far it goes from byte `offset` of the image in one piece, at most `len` bytes.
    pub(super) fn run(&self, head: &Head, offset: u64, len: usize) -> Run {
        let chunk_bytes = u64::from(head.chunk_bytes());
        let (first, inside) = (head.chunk_of(offset), offset % chunk_bytes);
        let slot = self.slot(first);
        let (mut reach, mut next) = (chunk_bytes - inside, 1);
        while reach < len as u64 && self.slot(first + next) == slot.map(|slot| slot + next) {
            reach += chunk_bytes;
            next += 1;
        }
        Run { at: slot.map(|slot| head.slot_at(slot) + inside), len: reach.min(len as u64) as usize }
    }

    pub(super) fn dirty_sectors(&self) -> Vec<usize> {
        self.dirty.iter().map(|(sector, ())| sector as usize).collect()
    }

    pub(super) fn encode_sector(&self, sector: usize) -> [u8; SECTOR_BYTES] {
        let mut bytes = [0; SECTOR_BYTES];
        let entries = self.entries.iter().skip(sector * ENTRIES);
        for (bytes, entry) in bytes.chunks_exact_mut(4).zip(entries) {
            bytes.copy_from_slice(&entry.to_le_bytes());
        }
        bytes
    }

    /// All sectors are in the file.
    pub(super) fn is_written(&mut self) {
        self.dirty.clear();
    }
}
