//! The bounded cache of verified metadata blocks.
//!
//! Every metadata object (a btree block, one inode, an AG header, a directory block) is cached under the disk
//! address of its first byte. Committed changes that are not yet on the device stay here as dirty blocks and are
//! never evicted; clean blocks go when the bound is reached, by second chance.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::format::BlockKind;
use crate::sort;
use crate::units::Daddr;
use crate::units::map::Hashed;

/// A contiguous piece of a block that is scattered over the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Where it starts.
    pub daddr: Daddr,
    /// Its length in bytes.
    pub len_bytes: u32,
}

/// A metadata block in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// What it is.
    pub kind: BlockKind,
    /// Where it lies, in order. More than one piece only for directory blocks larger than a fsblock.
    pub pieces: Vec<Piece>,
    /// Its contents.
    pub bytes: Vec<u8>,
}

struct Slot {
    block: Arc<Block>,
    dirty: bool,
    /// Used since the hand last passed.
    referenced: bool,
}

/// Verified metadata blocks by disk address.
pub struct Cache {
    slots: Hashed<Daddr, Slot>,
    /// Clean blocks in the order the hand will meet them; may name blocks that have left or became dirty.
    ring: VecDeque<Daddr>,
    clean_bytes: usize,
    dirty_bytes: usize,
    limit_bytes: usize,
}

impl Cache {
    /// An empty cache that keeps at most `limit_bytes` bytes of clean blocks.
    #[must_use]
    pub fn new(limit_bytes: usize) -> Self {
        Self { slots: Hashed::new(), ring: VecDeque::new(), clean_bytes: 0, dirty_bytes: 0, limit_bytes }
    }

    /// Bytes of blocks that wait to be written.
    #[must_use]
    pub fn dirty_bytes(&self) -> usize {
        self.dirty_bytes
    }

    /// The block at `daddr`, if it is here.
    pub fn get(&mut self, daddr: Daddr) -> Option<&Arc<Block>> {
        let slot = self.slots.get_mut(daddr)?;
        slot.referenced = true;
        Some(&slot.block)
    }

    /// Whether the block at `daddr` is here.
    #[must_use]
    pub fn contains(&self, daddr: Daddr) -> bool {
        self.slots.contains(daddr)
    }

    /// Adds a block that equals what is on the device, making room for it. A block that is here already stays.
    pub fn insert_clean(&mut self, daddr: Daddr, block: Arc<Block>) {
        if self.slots.contains(daddr) {
            return;
        }
        // Room first: the newcomer, not used yet, would be the first to go.
        self.clean_bytes += block.bytes.len();
        self.evict();
        self.slots.insert(daddr, Slot { block, dirty: false, referenced: false });
        self.enter(daddr);
    }

    /// Puts a clean block where the hand comes last.
    fn enter(&mut self, daddr: Daddr) {
        // Names of blocks that left or became dirty would pile up where nothing is ever evicted.
        if self.ring.len() > 2 * self.slots.len() + 64 {
            let mut seen = Hashed::new();
            let slots = &self.slots;
            self.ring.retain(|daddr| {
                slots.get(*daddr).is_some_and(|slot| !slot.dirty) && seen.insert(*daddr, ()).is_none()
            });
        }
        self.ring.push_back(daddr);
    }

    /// Adds or replaces a block with a committed change.
    pub fn insert_dirty(&mut self, daddr: Daddr, block: Arc<Block>) {
        self.remove(daddr);
        self.dirty_bytes += block.bytes.len();
        self.slots.insert(daddr, Slot { block, dirty: true, referenced: true });
    }

    /// Forgets the block at `daddr`, its changes included: what it described is gone.
    pub fn remove(&mut self, daddr: Daddr) {
        if let Some(slot) = self.slots.remove(daddr) {
            let bytes = slot.block.bytes.len();
            if slot.dirty { self.dirty_bytes -= bytes } else { self.clean_bytes -= bytes }
        }
    }

    /// Every dirty block, by rising disk address.
    #[must_use]
    pub fn dirty_blocks(&self) -> Vec<(Daddr, Arc<Block>)> {
        let dirty = self.slots.items().iter().filter(|(_, slot)| slot.dirty);
        let mut blocks: Vec<_> = dirty.map(|(daddr, slot)| (*daddr, Arc::clone(&slot.block))).collect();
        sort::by_number(&mut blocks, |&(daddr, _)| daddr.0);
        blocks
    }

    /// Declares every dirty block written.
    pub fn mark_clean(&mut self) {
        let mut cleaned = Vec::new();
        for (daddr, slot) in self.slots.values_mut().filter(|(_, slot)| slot.dirty) {
            slot.dirty = false;
            cleaned.push(daddr);
        }
        for daddr in cleaned {
            self.enter(daddr);
        }
        self.clean_bytes += core::mem::take(&mut self.dirty_bytes);
        self.evict();
    }

    fn evict(&mut self) {
        // Two passes of the hand are enough to meet every block without its second chance.
        let mut steps = self.ring.len() * 2;
        while self.clean_bytes > self.limit_bytes && steps > 0 {
            steps -= 1;
            let Some(daddr) = self.ring.pop_front() else { return };
            match self.slots.get_mut(daddr) {
                Some(slot) if slot.dirty => {}
                Some(slot) if slot.referenced => {
                    slot.referenced = false;
                    self.ring.push_back(daddr);
                }
                Some(_) => self.remove(daddr),
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(len: usize) -> Arc<Block> {
        Arc::new(Block { kind: BlockKind::Bnobt, pieces: Vec::new(), bytes: alloc::vec![0; len] })
    }

    #[test]
    fn clean_blocks_stay_within_the_bound_and_dirty_ones_stay() {
        let mut cache = Cache::new(1000);
        cache.insert_dirty(Daddr(0), block(500));
        for n in 1..50 {
            cache.insert_clean(Daddr(n), block(100));
        }
        assert!(cache.clean_bytes <= 1000);
        assert!(cache.contains(Daddr(0)));
        assert_eq!(cache.dirty_bytes(), 500);
        cache.mark_clean();
        assert_eq!(cache.dirty_bytes(), 0);
        assert!(cache.clean_bytes <= 1000);
    }

    #[test]
    fn a_removed_block_may_come_back() {
        let mut cache = Cache::new(1000);
        for _ in 0..100 {
            cache.insert_clean(Daddr(1), block(300));
            cache.remove(Daddr(1));
        }
        assert_eq!(cache.clean_bytes, 0);
        cache.insert_clean(Daddr(1), block(300));
        assert!(cache.contains(Daddr(1)));
    }

    #[test]
    fn a_block_that_just_came_is_there_even_when_all_others_were_used() {
        let mut cache = Cache::new(1000);
        for n in 0..100 {
            cache.insert_clean(Daddr(n), block(100));
            assert!(cache.get(Daddr(n)).is_some(), "block {n}");
        }
    }

    #[test]
    fn blocks_that_become_dirty_over_and_over_take_no_more_memory() {
        let mut cache = Cache::new(10_000);
        for _ in 0..10_000 {
            cache.insert_dirty(Daddr(1), block(100));
            cache.mark_clean();
            cache.insert_clean(Daddr(2), block(100));
            cache.remove(Daddr(2));
        }
        assert!(cache.ring.len() < 1000, "{}", cache.ring.len());
    }
}
