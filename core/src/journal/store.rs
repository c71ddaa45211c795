//! The volume's blocks below transactions: device, cache, superblock, and what waits to become durable.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use zerocopy::FromBytes;

use super::extent_set::ExtentSet;
use super::items::{Done, Icreate, Pending, PendingBlock};
use super::log::Log;
use super::transaction::Locator;
use crate::cache::{Block, Cache, Piece};
use crate::device::{BlockDevice, read_vec};
use crate::error::{Error, Place, Problem, Result};
use crate::format::BlockKind;
use crate::format::features::Version;
use crate::format::header::{self, Identity};
use crate::format::log_item::XmiFormat;
use crate::format::superblock::RawSuperblock;
use crate::geometry::Geometry;
use crate::units::map::Hashed;
use crate::units::{AgBlock, Daddr, Ino, Lsn};

mod force;
mod readahead;

/// The volume's summary counters, or changes to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Inodes that exist.
    pub icount: i64,
    /// Free inodes among them.
    pub ifree: i64,
    /// Free fsblocks.
    pub fdblocks: i64,
}

impl Counters {
    /// The sum of both, field by field.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            icount: self.icount.saturating_add(other.icount),
            ifree: self.ifree.saturating_add(other.ifree),
            fdblocks: self.fdblocks.saturating_add(other.fdblocks),
        }
    }
}

/// Device, cache and superblock of an open volume.
pub struct Store {
    device: Box<dyn BlockDevice>,
    geometry: Arc<Geometry>,
    cache: Cache,
    /// The primary superblock's whole sector, as last read or written.
    superblock: Vec<u8>,
    counters: Counters,
    busy: ExtentSet,
    let_go: ExtentSet,
    promised: ExtentSet,
    /// File data was written since the device was last flushed.
    data_in_flight: bool,
    /// Committed changes that are not in the log yet.
    pending: Pending,
    /// The superblock changed and is not in place yet.
    superblock_dirty: bool,
    /// Blocks that the log holds, or will hold, all of since blocks were last put in place.
    imaged: Hashed<Daddr, ()>,
    /// `None` where nothing may be changed.
    log: Option<Log>,
    /// Start of the first checkpoint with changes that are not in place for good yet.
    oldest: Option<Lsn>,
    /// Everything that is in the log was written in place and the device not flushed since.
    is_settling: bool,
    /// A force comes next: it may use what the next checkpoint keeps free for it.
    is_forcing: bool,
    /// Intents that are in the log without their done items: the tail stays before them.
    intents: Vec<PendingIntent>,
    /// What lies ahead of the head of the log cannot be taken for records that follow those to come.
    ahead_is_clear: bool,
    /// The log ends with the record of an unmount, and the superblock's counters are right.
    is_quiet: bool,
    /// For the next checkpoint.
    tid: u32,
    shutdown: Option<String>,
}

/// An intent in the log that is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingIntent {
    /// Type of its item.
    pub intent: u16,
    /// Its id.
    pub id: u64,
    /// Start of the checkpoint that it is in.
    pub lsn: Lsn,
}

impl Store {
    /// A store on `device`, whose primary superblock's sector is `superblock` (verified by the caller).
    #[must_use]
    pub fn new(
        device: Box<dyn BlockDevice>,
        geometry: Arc<Geometry>,
        superblock: Vec<u8>,
        cache_bytes: usize,
    ) -> Self {
        let mut store = Self {
            device,
            geometry,
            cache: Cache::new(cache_bytes),
            superblock,
            counters: Counters::default(),
            busy: ExtentSet::default(),
            let_go: ExtentSet::default(),
            promised: ExtentSet::default(),
            data_in_flight: false,
            pending: Pending::default(),
            superblock_dirty: false,
            imaged: Hashed::new(),
            log: None,
            oldest: None,
            is_settling: false,
            is_forcing: false,
            intents: Vec::new(),
            ahead_is_clear: false,
            is_quiet: true,
            tid: 1,
            shutdown: None,
        };
        let raw = store.raw_superblock();
        let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        store.counters = Counters {
            icount: signed(raw.icount.get()),
            ifree: signed(raw.ifree.get()),
            fdblocks: signed(raw.fdblocks.get()),
        };
        store
    }

    /// Shape of the volume.
    #[must_use]
    pub fn geometry(&self) -> &Arc<Geometry> {
        &self.geometry
    }

    /// The primary superblock as it was last read or written.
    #[must_use]
    pub fn raw_superblock(&self) -> RawSuperblock {
        let (raw, _) =
            RawSuperblock::read_from_prefix(&self.superblock).expect("a sector holds a superblock");
        raw
    }

    /// Counters as of the last committed transaction.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Blocks that were freed by transactions that are not durable yet: not to be handed out.
    #[must_use]
    pub fn busy(&self) -> &ExtentSet {
        &self.busy
    }

    /// Blocks that transactions that are not durable yet took a reference from, but not the last one: not to be
    /// written over, though they may have one owner now. After a crash they have the other one again.
    #[must_use]
    pub fn let_go(&self) -> &ExtentSet {
        &self.let_go
    }

    /// Blocks that are free on disk but wanted for the writeback of some file: not to be handed out to others.
    #[must_use]
    pub fn promised(&self) -> &ExtentSet {
        &self.promised
    }

    /// Promised blocks, to change them.
    pub fn promised_mut(&mut self) -> &mut ExtentSet {
        &mut self.promised
    }

    /// The device, for what is outside the filesystem's structures.
    pub fn device(&mut self) -> &mut dyn BlockDevice {
        &mut *self.device
    }

    /// Gives the device back. Changes that were not made durable are lost.
    #[must_use]
    pub fn into_device(self) -> Box<dyn BlockDevice> {
        self.device
    }

    /// Bytes of committed metadata that is not in place yet.
    #[must_use]
    pub fn dirty_bytes(&self) -> usize {
        self.cache.dirty_bytes()
    }

    /// Refuses when an earlier failure left the volume unable to take changes.
    ///
    /// # Errors
    /// [`Error::Shutdown`].
    pub fn check_alive(&self) -> Result<()> {
        match &self.shutdown {
            Some(reason) => Err(Error::Shutdown { reason: reason.as_str().into() }),
            None => Ok(()),
        }
    }

    /// Notes in the superblock that something is in use from now on that a volume starts without.
    ///
    /// Not undone when the transaction that uses it is dropped: a volume may say so without need.
    pub fn note_version(&mut self, version: Version) {
        let raw =
            RawSuperblock::mut_from_prefix(&mut self.superblock).expect("a sector holds a superblock").0;
        if raw.versionnum.get() & version.bits() != version.bits() {
            raw.versionnum.set(raw.versionnum.get() | version.bits());
            Arc::make_mut(&mut self.geometry).version.insert(version);
            self.pending.change_superblock();
            self.superblock_dirty = true;
        }
    }

    /// Reads file data at byte `offset` of the device.
    ///
    /// # Errors
    /// Those of the device.
    pub fn read_data(&mut self, offset: u64, buf: &mut [u8]) -> Result<()> {
        Ok(self.device.read_at(offset, buf)?)
    }

    /// Writes file data at byte `offset` of the device. It is durable before any transaction that commits later.
    ///
    /// # Errors
    /// Those of the device.
    pub fn write_data(&mut self, offset: u64, buf: &[u8]) -> Result<()> {
        self.check_alive()?;
        self.data_in_flight = true;
        Ok(self.device.write_at(offset, buf)?)
    }

    /// The block at `at`, from the cache or the device, verified.
    ///
    /// # Errors
    /// Those of the device, and [`Error::Corrupt`] when it is not what it must be.
    pub fn load(&mut self, at: &Locator) -> Result<&Arc<Block>> {
        if !self.cache.contains(at.daddr) {
            if at.kinds == [BlockKind::Inode] {
                self.load_inode_cluster(at)?;
            } else {
                let block = Arc::new(self.read_block(at)?);
                self.cache.insert_clean(at.daddr, block);
            }
        }
        let geometry = Arc::clone(&self.geometry);
        let block = self.cache.get(at.daddr).expect("inserted above, and the newest is never evicted");
        check_kind(&geometry, block, at)?;
        Ok(block)
    }

    /// Checks that a block that is already in memory is what the caller expects at that place.
    pub(super) fn check_kind(&self, block: &Block, at: &Locator) -> Result<()> {
        check_kind(&self.geometry, block, at)
    }

    fn read_block(&mut self, at: &Locator) -> Result<Block> {
        let mut bytes = alloc::vec![0; at.len_bytes as usize];
        if at.pieces.is_empty() {
            self.device.read_at(at.daddr.0 << 9, &mut bytes)?;
        }
        let mut done = 0;
        for piece in &at.pieces {
            let len = piece.len_bytes as usize;
            self.device.read_at(piece.daddr.0 << 9, &mut bytes[done..done + len])?;
            done += len;
        }
        self.verified(at, bytes)
    }

    /// The block at `at`, which holds `bytes`, if it is what it must be.
    fn verified(&self, at: &Locator, bytes: Vec<u8>) -> Result<Block> {
        let kind = at.kinds.iter().copied().find(|kind| kind.has_magic(&bytes)).unwrap_or(at.kinds[0]);
        self.verify(kind, &bytes, at.daddr, at.owner)?;
        let pieces = if at.pieces.is_empty() {
            alloc::vec![Piece { daddr: at.daddr, len_bytes: at.len_bytes }]
        } else {
            at.pieces.clone()
        };
        Ok(Block { kind, pieces, bytes })
    }

    fn verify(&self, kind: BlockKind, bytes: &[u8], daddr: Daddr, owner: Option<u64>) -> Result<()> {
        let identity = Identity { uuid: &self.geometry.meta_uuid, daddr, owner };
        header::verify(kind, bytes, &identity)
    }

    /// Reads the whole cluster around one inode: its neighbours are usually wanted next.
    fn load_inode_cluster(&mut self, at: &Locator) -> Result<()> {
        let geometry = Arc::clone(&self.geometry);
        let wanted = Ino(at.owner.expect("an inode is asked for by its number"));
        let (ag, agino) = geometry.split_ino(wanted);
        let cluster = geometry.cluster_fsblocks();
        let block = geometry.agino_block(agino);
        let aligned = AgBlock(block.0 / cluster * cluster);
        let whole = geometry.is_valid_ag_extent(ag, aligned, cluster);
        let (first, len_fsblocks) = if whole { (aligned, cluster) } else { (block, 1) };
        let len = len_fsblocks << geometry.blocklog;
        let start = geometry.ag_byte(ag, first);
        let bytes = read_vec(&mut *self.device, start, len as usize)?;
        let mut found = Ok(None);
        for (slot, inode) in bytes.chunks_exact(geometry.inodesize as usize).enumerate() {
            let ino = Ino(geometry.ino(ag, geometry.first_agino(first)).0 + slot as u64);
            let daddr = Daddr(geometry.ino_byte(ino) >> 9);
            let verified = self.verify(BlockKind::Inode, inode, daddr, Some(ino.0));
            if verified.is_ok() && daddr != at.daddr {
                self.cache.insert_clean(daddr, inode_block(daddr, inode));
            } else if daddr == at.daddr {
                found = verified.map(|()| Some(slot));
            }
        }
        // Last, so that making room for its neighbours cannot push it out again.
        let slot = found?.expect("the cluster holds the inode") * geometry.inodesize as usize;
        let inode = &bytes[slot..slot + geometry.inodesize as usize];
        self.cache.insert_clean(at.daddr, inode_block(at.daddr, inode));
        Ok(())
    }

    /// Forgets freed buffers, their changes included.
    pub(super) fn forget(&mut self, cancelled: &[Piece]) {
        for piece in cancelled {
            for bb in 0..header::basic_blocks(piece.len_bytes as usize) {
                let daddr = Daddr(piece.daddr.0 + bb);
                self.cache.remove(daddr);
                self.pending.forget(daddr);
                self.imaged.remove(daddr);
            }
            self.pending.cancel(piece.daddr, piece.len_bytes);
        }
    }

    /// Takes a changed block of a transaction into the volume.
    pub(super) fn publish(&mut self, daddr: Daddr, block: Arc<Block>, item: PendingBlock) {
        let item = if self.imaged.insert(daddr, ()).is_none() { item.whole(block.bytes.len()) } else { item };
        self.cache.insert_dirty(daddr, block);
        self.pending.change(daddr, item);
    }

    /// Takes what else a transaction did into the volume.
    pub(super) fn note(&mut self, freed: &ExtentSet, let_go: &ExtentSet, counters: &Counters) {
        for (ag, start, len) in freed.iter() {
            self.busy.insert(ag, start, len);
        }
        for (ag, start, len) in let_go.iter() {
            self.let_go.insert(ag, start, len);
        }
        self.counters = self.counters.plus(counters);
    }

    /// Takes what a transaction did that no block tells into the volume.
    pub(super) fn note_items(&mut self, icreates: Vec<Icreate>, exchanges: Vec<XmiFormat>, dones: Vec<Done>) {
        for chunk in icreates {
            self.pending.icreate(chunk);
        }
        for rest in exchanges {
            self.pending.exchange(rest);
        }
        for done in dones {
            self.pending.done(done);
        }
    }
}

fn inode_block(daddr: Daddr, inode: &[u8]) -> Arc<Block> {
    let pieces = alloc::vec![Piece { daddr, len_bytes: inode.len() as u32 }];
    Arc::new(Block { kind: BlockKind::Inode, pieces, bytes: inode.to_vec() })
}

fn check_kind(geometry: &Geometry, block: &Block, at: &Locator) -> Result<()> {
    let place = || {
        let mut place = Place::daddr(at.daddr);
        if matches!(at.kinds[0], BlockKind::Inode | BlockKind::Bmbt) {
            place.ino = at.owner.map(Ino);
        }
        place
    };
    if !at.kinds.contains(&block.kind) || block.bytes.len() != at.len_bytes as usize {
        let problem = Problem::Rule("block is in use as something else");
        return Err(Error::corrupt(at.kinds[0].name(), place(), problem));
    }
    // The owner was checked when the block was read, but perhaps against another one.
    let identity = Identity { uuid: &geometry.meta_uuid, daddr: at.daddr, owner: at.owner };
    header::verify_owner(block.kind, &block.bytes, &identity)
}
