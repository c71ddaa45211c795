//! What was committed and is not in the log yet (in Linux, the CIL).

use alloc::vec::Vec;

use super::transaction::CHUNK_BYTES;
use crate::format::log_item::{PhysicalExtent, XmiFormat};
use crate::units::map::Ordered;
use crate::units::{AgBlock, AgNumber, Daddr};

/// Bytes that an item takes in the log besides its data, at most: operation headers and format region.
pub(super) const ITEM_BYTES: usize = 128;

/// What the next checkpoint says of one block.
#[derive(Debug, Clone, Default)]
pub struct PendingBlock {
    /// Bit i: bytes `128 * i ..` changed.
    chunks: Vec<u64>,
    /// An inode that is as its chunk's making left it, which an item of its own says.
    pub(super) fresh: bool,
    /// An inode whose place in an unlinked list changed.
    pub(super) unlinked: bool,
}

impl PendingBlock {
    /// With these chunks changed.
    #[must_use]
    pub(super) fn new(chunks: Vec<u64>, fresh: bool, unlinked: bool) -> Self {
        Self { chunks, fresh, unlinked }
    }

    /// With every chunk changed, of a block of `len_bytes` bytes.
    #[must_use]
    pub(super) fn whole(mut self, len_bytes: usize) -> Self {
        if !self.fresh {
            let chunks = len_bytes.div_ceil(CHUNK_BYTES);
            self.chunks = (0..chunks.div_ceil(64))
                .map(|word| u64::MAX >> (64 - (chunks - word * 64).min(64)))
                .collect();
        }
        self
    }

    /// Whether chunk `index` changed.
    pub(super) fn has_chunk(&self, index: usize) -> bool {
        self.chunks.get(index / 64).is_some_and(|word| word >> (index % 64) & 1 != 0)
    }

    /// What it takes in the log, in bytes, at most.
    fn log_bytes(&self) -> usize {
        let chunks: u32 = self.chunks.iter().map(|word| word.count_ones()).sum();
        let unlinked = if self.unlinked { ITEM_BYTES + chunk_bytes(1) } else { 0 };
        ITEM_BYTES + chunk_bytes(chunks as usize) + unlinked
    }

    fn merge(&mut self, newer: &Self) {
        self.chunks.resize(self.chunks.len().max(newer.chunks.len()), 0);
        for (word, more) in self.chunks.iter_mut().zip(&newer.chunks) {
            *word |= more;
        }
        self.fresh &= newer.fresh;
        self.unlinked |= newer.unlinked;
    }
}

/// A chunk of inodes that was made, or a piece of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Icreate {
    /// Its AG.
    pub ag: AgNumber,
    /// First block.
    pub agblock: AgBlock,
    /// Length in fsblocks.
    pub len_fsblocks: u32,
    /// Generation of the inodes.
    pub generation: u32,
}

/// An intent, left in the log by a host that died, is done.
#[derive(Debug, Clone)]
pub struct Done {
    /// Type of the intent: one of [`item_type`](crate::format::log_item::item_type).
    pub intent: u16,
    /// Its id.
    pub id: u64,
    /// For an EFI, the extents that were freed.
    pub extents: Vec<PhysicalExtent>,
}

/// Everything that the next checkpoint will carry.
#[derive(Debug, Default)]
pub struct Pending {
    blocks: Ordered<Daddr, PendingBlock>,
    /// Freed buffers: address and length in bytes.
    cancels: Ordered<Daddr, u32>,
    icreates: Vec<Icreate>,
    exchanges: Vec<XmiFormat>,
    dones: Vec<Done>,
    superblock: bool,
    bytes: usize,
}

impl Pending {
    /// Whether there is nothing to say.
    pub(super) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
            && self.cancels.is_empty()
            && self.icreates.is_empty()
            && self.exchanges.is_empty()
            && self.dones.is_empty()
            && !self.superblock
    }

    /// What the checkpoint will take in the log, in bytes, at most.
    pub(super) fn log_bytes(&self) -> usize {
        self.bytes
    }

    /// Changed blocks by rising address.
    pub(super) fn blocks(&self) -> impl Iterator<Item = (Daddr, &PendingBlock)> {
        self.blocks.iter()
    }

    /// Freed buffers by rising address, with their length in bytes.
    pub(super) fn cancels(&self) -> impl Iterator<Item = (Daddr, u32)> {
        self.cancels.iter().map(|(daddr, &len)| (daddr, len))
    }

    /// Chunks of inodes that were made.
    pub(super) fn icreates(&self) -> &[Icreate] {
        &self.icreates
    }

    /// Exchanges that are still to be done, some perhaps by what is pending as well.
    pub(super) fn exchanges(&self) -> &[XmiFormat] {
        &self.exchanges
    }

    /// Intents that are done.
    pub(super) fn dones(&self) -> &[Done] {
        &self.dones
    }

    /// Whether the superblock changed.
    pub(super) fn changes_superblock(&self) -> bool {
        self.superblock
    }

    /// Says that the superblock changed.
    pub(super) fn change_superblock(&mut self) {
        if !core::mem::replace(&mut self.superblock, true) {
            self.bytes += ITEM_BYTES + chunk_bytes(4);
        }
    }

    /// Adds changes of the block at `daddr`.
    pub(super) fn change(&mut self, daddr: Daddr, newer: PendingBlock) {
        // A block that came back from the AGFL within the same checkpoint: one item speaks for it, and says all of it.
        if self.cancels.remove(daddr).is_some() {
            self.bytes -= ITEM_BYTES;
        }
        let item = self.blocks.get_or_insert_with(daddr, || {
            self.bytes += newer.log_bytes();
            newer.clone()
        });
        let before = item.log_bytes();
        item.merge(&newer);
        self.bytes = self.bytes - before + item.log_bytes();
    }

    /// Forgets what was to be said of the block at `daddr`: it was freed.
    pub(super) fn forget(&mut self, daddr: Daddr) {
        if let Some(item) = self.blocks.remove(daddr) {
            self.bytes -= item.log_bytes();
        }
    }

    /// Says that the buffer at `daddr` was freed.
    pub(super) fn cancel(&mut self, daddr: Daddr, len_bytes: u32) {
        if self.cancels.insert(daddr, len_bytes).is_none() {
            self.bytes += ITEM_BYTES;
        }
    }

    /// Says that inodes were made.
    pub(super) fn icreate(&mut self, chunk: Icreate) {
        self.bytes += ITEM_BYTES;
        self.icreates.push(chunk);
    }

    /// Says what is left of an exchange.
    pub(super) fn exchange(&mut self, rest: XmiFormat) {
        self.bytes += ITEM_BYTES + size_of::<XmiFormat>();
        self.exchanges.push(rest);
    }

    /// Says that an intent is done.
    pub(super) fn done(&mut self, done: Done) {
        self.bytes += ITEM_BYTES + done.extents.len() * size_of::<PhysicalExtent>();
        self.dones.push(done);
    }
}

/// What changed chunks take in the log, in bytes, at most: in the worst case every other one changed, and each is a
/// region.
const fn chunk_bytes(count: usize) -> usize {
    count * (CHUNK_BYTES + 16)
}
