//! The overlay of private copies that is a transaction.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use super::extent_set::ExtentSet;
use super::items::{Done, ITEM_BYTES, Icreate, PendingBlock};
use super::store::{Counters, Store};
use crate::cache::{Block, Piece};
use crate::error::Result;
use crate::format::BlockKind;
use crate::format::header::{self, Identity, be_u32};
use crate::format::inode::Dinode;
use crate::format::log_item::XmiFormat;
use crate::geometry::Geometry;
use crate::units::map::Hashed;
use crate::units::{AgBlock, AgNumber, Daddr};

/// Bytes that one bit of a block's dirty map stands for, as in a buffer log item.
pub const CHUNK_BYTES: usize = 128;

/// Where a metadata block lies and what it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locator {
    /// What it must be: one of these.
    pub kinds: &'static [BlockKind],
    /// Where its first byte lies.
    pub daddr: Daddr,
    /// Its length in bytes.
    pub len_bytes: u32,
    /// AG number or inode that it must belong to; `None` when the reader cannot know.
    pub owner: Option<u64>,
    /// All pieces, when there is more than one.
    pub pieces: Vec<Piece>,
}

impl Locator {
    /// A block in one piece.
    #[must_use]
    pub fn new(kinds: &'static [BlockKind], daddr: Daddr, len_bytes: u32, owner: Option<u64>) -> Self {
        Self { kinds, daddr, len_bytes, owner, pieces: Vec::new() }
    }
}

/// A block that this transaction changed, and which chunks of it.
struct Changed {
    block: Arc<Block>,
    /// Bit i: bytes `128 * i ..` changed. What a buffer log item will carry.
    dirty: Vec<u64>,
    /// An inode that is as the making of its chunk left it.
    fresh: bool,
    /// `di_next_unlinked` of an inode before this transaction.
    next_unlinked: u32,
}

impl Changed {
    fn new(block: Arc<Block>, fresh: bool) -> Self {
        let dirty = alloc::vec![0; block.bytes.len().div_ceil(CHUNK_BYTES * 64)];
        let next_unlinked = if fresh { u32::MAX } else { next_unlinked(&block) };
        Self { block, dirty, fresh, next_unlinked }
    }

    /// What it takes in the log, in bytes, at most: it may be logged whole.
    fn log_bytes(&self) -> usize {
        ITEM_BYTES + if self.fresh { 0 } else { self.block.bytes.len() * 9 / 8 }
    }

    /// What the next checkpoint will say of it.
    fn into_pending(self) -> (Arc<Block>, PendingBlock) {
        let unlinked = next_unlinked(&self.block) != self.next_unlinked;
        let chunks = if self.fresh { Vec::new() } else { self.dirty };
        (self.block, PendingBlock::new(chunks, self.fresh, unlinked))
    }
}

fn next_unlinked(block: &Block) -> u32 {
    match block.kind {
        BlockKind::Inode => be_u32(&block.bytes, core::mem::offset_of!(Dinode, next_unlinked)),
        _ => 0,
    }
}

/// One changed block, as a buffer log item describes it.
#[derive(Debug, Clone)]
pub struct Change<'t> {
    /// Where the block lies.
    pub daddr: Daddr,
    /// What it is, and its new contents.
    pub block: &'t Block,
    /// Chunks of [`CHUNK_BYTES`] bytes that changed, ascending.
    pub chunks: Vec<usize>,
}

/// A set of changes that happen together or not at all.
///
/// Operations that only read use one too and drop it.
pub struct Transaction<'s> {
    store: &'s mut Store,
    changed: Hashed<Daddr, Changed>,
    /// Metadata whose blocks were freed: first byte and length.
    cancelled: Vec<Piece>,
    freed: ExtentSet,
    let_go: ExtentSet,
    counters: Counters,
    icreates: Vec<Icreate>,
    exchanges: Vec<XmiFormat>,
    dones: Vec<Done>,
    /// What all of it takes in the log, in bytes, at most.
    log_bytes: usize,
}

impl<'s> Transaction<'s> {
    /// Starts a transaction on `store`.
    pub fn new(store: &'s mut Store) -> Self {
        Self {
            store,
            changed: Hashed::new(),
            cancelled: Vec::new(),
            freed: ExtentSet::default(),
            let_go: ExtentSet::default(),
            counters: Counters::default(),
            icreates: Vec::new(),
            exchanges: Vec::new(),
            dones: Vec::new(),
            log_bytes: 0,
        }
    }

    /// Shape of the volume.
    #[must_use]
    pub fn geometry(&self) -> &Arc<Geometry> {
        self.store.geometry()
    }

    /// The store below.
    pub fn store(&mut self) -> &mut Store {
        self.store
    }

    /// What the volume's counters will be when this commits.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.store.counters().plus(&self.counters)
    }

    /// Adds to the volume's counters.
    pub fn count(&mut self, inodes: i64, free_inodes: i64, free_fsblocks: i64) {
        self.counters.icount += inodes;
        self.counters.ifree += free_inodes;
        self.counters.fdblocks += free_fsblocks;
    }

    /// The contents of a block as this transaction sees it.
    ///
    /// # Errors
    /// Those of the device, and [`Error::Corrupt`](crate::Error::Corrupt) when the block is not what it must be.
    #[inline]
    pub fn read(&mut self, at: &Locator) -> Result<&[u8]> {
        Ok(&self.block(at)?.bytes)
    }

    /// Like [`Transaction::read`], with the kind that the block turned out to be.
    ///
    /// # Errors
    /// Those of [`Transaction::read`].
    pub fn block(&mut self, at: &Locator) -> Result<&Arc<Block>> {
        if let Some(Changed { block, .. }) = self.changed.get(at.daddr) {
            self.store.check_kind(block, at)?;
            return Ok(block);
        }
        self.store.load(at)
    }

    /// The contents of a block, to change the bytes of `range` (and no others).
    ///
    /// # Errors
    /// Those of [`Transaction::read`].
    pub fn modify(&mut self, at: &Locator, range: Range<usize>) -> Result<&mut [u8]> {
        if !self.changed.contains(at.daddr) {
            let block = Arc::clone(self.store.load(at)?);
            self.insert(at.daddr, Changed::new(block, false));
        }
        let changed = self.changed.get_mut(at.daddr).expect("inserted above");
        self.log_bytes -= changed.log_bytes();
        // An inode goes into the log as a whole.
        let whole = 0..changed.block.bytes.len();
        changed.fresh = false;
        mark(&mut changed.dirty, if changed.block.kind == BlockKind::Inode { whole } else { range });
        self.log_bytes += changed.log_bytes();
        Ok(&mut Arc::make_mut(&mut changed.block).bytes)
    }

    /// Gives a block new contents; only the chunks that differ count as changed.
    ///
    /// # Errors
    /// Those of [`Transaction::read`].
    pub fn replace(&mut self, at: &Locator, bytes: &[u8]) -> Result<()> {
        let old = self.read(at)?;
        let pairs = old.chunks(CHUNK_BYTES).zip(bytes.chunks(CHUNK_BYTES)).enumerate();
        let differing = pairs.filter(|(_, (old, new))| old != new).map(|(chunk, _)| chunk * CHUNK_BYTES);
        for start in differing.collect::<Vec<_>>() {
            let end = (start + CHUNK_BYTES).min(bytes.len());
            self.modify(at, start..end)?[start..end].copy_from_slice(&bytes[start..end]);
        }
        Ok(())
    }

    fn insert(&mut self, daddr: Daddr, changed: Changed) -> &mut Changed {
        self.log_bytes += changed.log_bytes();
        if let Some(old) = self.changed.insert(daddr, changed) {
            self.log_bytes -= old.log_bytes();
        }
        self.changed.get_mut(daddr).expect("inserted above")
    }

    /// Makes a fresh block of the first of `at.kinds`: zeros behind a filled-in header.
    ///
    /// Inodes are made by the chunk, which [`Transaction::note_inodes_made`] puts into the log; what the caller writes
    /// into the bytes that are handed out here must be what recovery makes of that.
    pub fn create(&mut self, at: &Locator) -> &mut [u8] {
        let kind = at.kinds[0];
        let len = at.len_bytes as usize;
        let mut bytes = alloc::vec![0; len];
        let identity = Identity { uuid: &self.store.geometry().meta_uuid, daddr: at.daddr, owner: at.owner };
        header::initialise(kind, &mut bytes, &identity);
        let block = Arc::new(Block { kind, pieces: pieces_of(at), bytes });
        let mut changed = Changed::new(block, kind == BlockKind::Inode);
        mark(&mut changed.dirty, 0..len);
        &mut Arc::make_mut(&mut self.insert(at.daddr, changed).block).bytes
    }

    /// Says that a chunk of inodes, or a piece of one, was made.
    pub fn note_inodes_made(&mut self, chunk: Icreate) {
        self.log_bytes += ITEM_BYTES;
        self.icreates.push(chunk);
    }

    /// Says that an intent that a host left in the log is done with this transaction.
    pub fn note_done(&mut self, done: Done) {
        self.log_bytes += ITEM_BYTES + done.extents.len() * 16;
        self.dones.push(done);
    }

    /// Says what is left of an exchange: it has an id that no other one in the log has.
    pub fn note_exchange(&mut self, rest: XmiFormat) {
        self.log_bytes += ITEM_BYTES + size_of::<XmiFormat>();
        self.exchanges.push(rest);
    }

    /// Forgets a buffer of metadata, `len_bytes` bytes from `daddr` on: its blocks were freed.
    ///
    /// The length must be the one that changes of the buffer were logged with (that of a directory block, of a cluster
    /// of inodes), or recovery would not recognise it.
    pub fn cancel(&mut self, daddr: Daddr, len_bytes: u32) {
        for bb in 0..header::basic_blocks(len_bytes as usize) {
            if let Some(changed) = self.changed.remove(Daddr(daddr.0 + bb)) {
                self.log_bytes -= changed.log_bytes();
            }
        }
        self.log_bytes += ITEM_BYTES;
        self.cancelled.push(Piece { daddr, len_bytes });
    }

    /// Notes that blocks became free: they are busy until this transaction is durable.
    pub fn note_freed(&mut self, ag: AgNumber, start: AgBlock, len_fsblocks: u32) {
        self.freed.insert(ag, start, len_fsblocks);
    }

    /// Blocks that this transaction freed so far.
    #[must_use]
    pub fn freed(&self) -> &ExtentSet {
        &self.freed
    }

    /// Notes that blocks lost a reference, but not the last one: they are not written over until this transaction is
    /// durable.
    pub fn note_let_go(&mut self, ag: AgNumber, start: AgBlock, len_fsblocks: u32) {
        self.let_go.insert(ag, start, len_fsblocks);
    }

    /// The first part of an extent that lost a reference, but not the last one, to a transaction that is not durable
    /// yet, this one included: first block and length.
    #[must_use]
    pub fn first_let_go(&self, ag: AgNumber, start: AgBlock, len_fsblocks: u32) -> Option<(AgBlock, u32)> {
        let sets = [&self.let_go, self.store.let_go()];
        let found = sets.into_iter().filter_map(|set| set.first_within(ag, start, len_fsblocks));
        found.min_by_key(|&(start, _)| start)
    }

    /// What changed so far, block by block: what the log will carry.
    pub fn changes(&self) -> impl Iterator<Item = Change<'_>> {
        self.changed.items().iter().map(|&(daddr, ref changed)| {
            let chunks =
                (0..changed.dirty.len() * 64).filter(|&bit| changed.dirty[bit / 64] >> (bit % 64) & 1 != 0);
            Change { daddr, block: &changed.block, chunks: chunks.collect() }
        })
    }

    /// What the transaction takes in the log, in bytes, at most.
    #[must_use]
    pub fn log_bytes(&self) -> usize {
        self.log_bytes
    }

    /// Whether an operation that can go on in another transaction should: this one has its share of the log.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.log_bytes >= self.store.transaction_bytes()
    }

    /// Publishes every change. From here on they are part of the volume in memory, and durable after the next
    /// [`Store::force`].
    ///
    /// # Errors
    /// Those of making room for it in the log; [`Error::Unsupported`](crate::Error::Unsupported) when the log could
    /// never hold it. Nothing of it has happened then.
    pub fn commit(self) -> Result<()> {
        self.store.make_room(self.log_bytes)?;
        let Self {
            store, mut changed, cancelled, freed, let_go, counters, icreates, exchanges, dones, ..
        } = self;
        store.forget(&cancelled);
        for (daddr, changed) in changed.take() {
            let (block, item) = changed.into_pending();
            store.publish(daddr, block, item);
        }
        store.note(&freed, &let_go, &counters);
        store.note_items(icreates, exchanges, dones);
        Ok(())
    }
}

fn pieces_of(at: &Locator) -> Vec<Piece> {
    if at.pieces.is_empty() {
        alloc::vec![Piece { daddr: at.daddr, len_bytes: at.len_bytes }]
    } else {
        at.pieces.clone()
    }
}

#[inline]
fn mark(dirty: &mut [u64], range: Range<usize>) {
    if range.is_empty() {
        return;
    }
    for chunk in range.start / CHUNK_BYTES..=(range.end - 1) / CHUNK_BYTES {
        dirty[chunk / 64] |= 1 << (chunk % 64);
    }
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;

    use super::*;
    use crate::device::MemoryDevice;
    use crate::geometry::tests::sample;

    const AT: Daddr = Daddr(800);

    fn store() -> Store {
        let device = Box::new(MemoryDevice::new(alloc::vec![0; 1 << 20]));
        Store::new(device, Arc::new(sample()), alloc::vec![0; 512], 1 << 20)
    }

    fn locator() -> Locator {
        Locator::new(&[BlockKind::Bnobt], AT, 1024, Some(0))
    }

    fn chunks(tx: &Transaction<'_>) -> Vec<usize> {
        tx.changes().flat_map(|change| change.chunks).collect()
    }

    #[test]
    fn a_transaction_knows_which_bytes_of_which_block_it_changed() {
        let mut store = store();
        let mut tx = Transaction::new(&mut store);
        tx.create(&locator());
        assert_eq!(chunks(&tx), [0, 1, 2, 3, 4, 5, 6, 7], "a new block changed as a whole");
        tx.commit().expect("commits");
        let mut tx = Transaction::new(&mut store);
        tx.modify(&locator(), 130..131).expect("cached")[130] = 1;
        tx.modify(&locator(), 500..520).expect("cached")[510] = 1;
        assert_eq!(chunks(&tx), [1, 3, 4]);
        let kinds: Vec<_> = tx.changes().map(|change| (change.daddr, change.block.kind)).collect();
        assert_eq!(kinds, [(AT, BlockKind::Bnobt)]);
    }

    #[test]
    fn replacing_contents_counts_only_what_differs() {
        let mut store = store();
        let mut tx = Transaction::new(&mut store);
        tx.create(&locator());
        tx.commit().expect("commits");
        let mut tx = Transaction::new(&mut store);
        let mut bytes = tx.read(&locator()).expect("cached").to_vec();
        bytes[300] = 9;
        tx.replace(&locator(), &bytes).expect("cached");
        assert_eq!(chunks(&tx), [2]);
    }

    #[test]
    fn a_dropped_transaction_never_was() {
        let mut store = store();
        let mut tx = Transaction::new(&mut store);
        tx.create(&locator());
        tx.commit().expect("commits");
        let mut tx = Transaction::new(&mut store);
        tx.modify(&locator(), 100..200).expect("cached").fill(7);
        tx.note_freed(AgNumber(0), AgBlock(50), 3);
        tx.count(1, 2, 3);
        drop(tx);
        let before = store.counters();
        assert!(store.busy().is_empty() && before == store.counters());
        let mut tx = Transaction::new(&mut store);
        assert!(tx.read(&locator()).expect("cached")[100..200].iter().all(|&byte| byte == 0));
    }

    #[test]
    fn what_was_cancelled_is_gone_with_its_changes() {
        let mut store = store();
        let mut tx = Transaction::new(&mut store);
        tx.create(&locator());
        tx.commit().expect("commits");
        assert!(store.dirty_bytes() > 0);
        let mut tx = Transaction::new(&mut store);
        tx.cancel(AT, 1024);
        tx.commit().expect("commits");
        assert_eq!(store.dirty_bytes(), 0);
    }
}
