//! The two passes over the log.
//!
//! The first one changes nothing: it checks every record and every item, finds which blocks were freed, and which intents
//! are left. What it does not understand is refused there. The second one replays what was committed.
//!
//! Of each checkpoint blocks and fresh chunks come first, then everything else in the order of the log, then the links of
//! unlinked lists (which may lie in chunks and inodes that the same checkpoint made), and last what was freed.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::buffer::check_content;
use super::checkpoint::{Assembler, Checkpoint, damaged};
use super::ends::Ends;
use super::intent::Intent;
use super::item::{BufferItem, InodeItem, Item, items};
use super::pages::Pages;
use super::record::Records;
use super::ring::Ring;
use crate::device::BlockDevice;
use crate::error::{Place, Result};
use crate::format::log_item::Icreate;
use crate::format::{BlockKind, header};
use crate::geometry::Geometry;
use crate::units::map::{Hashed, Ordered};
use crate::units::{AgBlock, AgNumber, Daddr, Lsn};

/// Bytes of blocks that are gathered before they are written.
const HELD_BYTES: usize = 64 << 20;

/// How much was replayed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Records of the log.
    pub records: u64,
    /// Checkpoints.
    pub checkpoints: u64,
    /// Blocks of metadata, each counted as often as it was replayed.
    pub buffers: u64,
    /// Inodes, each counted as often as it was replayed.
    pub inodes: u64,
    /// Fresh chunks of inodes.
    pub chunks: u64,
    /// Items that were left out because the blocks were freed later, or are newer on disk.
    pub skipped: u64,
}

/// A piece of a directory block that is scattered over the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Where it starts.
    pub daddr: Daddr,
    /// Its length in bytes.
    pub len_bytes: u32,
}

/// How often a block was freed, by place and length in basic blocks.
type Cancelled = Hashed<Daddr, Hashed<u32, u32>>;

/// What the first pass found out.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub(super) cancelled: Cancelled,
    /// Intents that nobody reported as done, in the order of the log.
    pub(super) intents: Vec<Intent>,
    pub(super) replayed: Replayed,
    pub(super) warnings: Vec<String>,
}

/// Goes over the log without changing anything.
///
/// # Errors
/// Those of the device; [`Error::Corrupt`](crate::Error::Corrupt) and
/// [`Error::Unsupported`](crate::Error::Unsupported) say what cannot be understood.
pub(super) fn survey(ring: &mut Ring<'_>, geometry: &Geometry, ends: &Ends) -> Result<Survey> {
    let mut survey = Survey::default();
    let mut intents: Vec<Option<Intent>> = Vec::new();
    let mut by_id: Hashed<u64, Hashed<u32, usize>> = Hashed::new();
    let mut left_out = [0_u64; 2];
    let limits = Limits { device_daddrs: ring.device().len_bytes() >> 9, log: ring.daddrs(), geometry };
    for_each_checkpoint(ring, ends, &mut survey.replayed.records, &mut |_, checkpoint| {
        survey.replayed.checkpoints += 1;
        for item in items(checkpoint, geometry)? {
            match item {
                Item::Buffer(item) => {
                    limits.check_buffer(&item)?;
                    if item.is_cancel() {
                        let by_len = survey.cancelled.get_or_insert_with(item.daddr, Hashed::new);
                        *by_len.get_or_insert_with(item.len_bb.into(), || 0) += 1;
                    }
                }
                Item::Inode(item) => limits.check_inode(&item)?,
                Item::Create(item) => limits.check_create(&item)?,
                Item::Intent(intent) => {
                    let by_kind = by_id.get_or_insert_with(intent.id, Hashed::new);
                    by_kind.insert(intent.kind.into(), intents.len());
                    intents.push(Some(intent));
                }
                Item::Done(kind, id) => {
                    if let Some(index) = by_id.get_mut(id).and_then(|by_kind| by_kind.remove(kind.into())) {
                        intents[index] = None;
                    }
                }
                Item::Dquot => left_out[0] += 1,
                Item::QuotaOff => left_out[1] += 1,
            }
        }
        Ok(())
    })?;
    if left_out[0] > 0 {
        survey.warnings.push("changes of quota counts in the log were left out; they are counted anew by the next mount with quota".to_string());
    }
    survey.intents = intents.into_iter().flatten().collect();
    Ok(survey)
}

/// Hands every committed checkpoint between the ends to `visit`, in order.
fn for_each_checkpoint(
    ring: &mut Ring<'_>,
    ends: &Ends,
    records_seen: &mut u64,
    visit: &mut dyn FnMut(&mut Ring<'_>, &Checkpoint) -> Result<()>,
) -> Result<()> {
    let mut assembler = Assembler::default();
    let mut records = Records::between(ring, ends.tail, ends.head);
    while let Some(record) = records.next(ring)? {
        *records_seen += 1;
        for checkpoint in assembler.take(ring, &record)? {
            visit(ring, &checkpoint)?;
        }
    }
    Ok(())
}

/// Where items may point.
struct Limits<'g> {
    device_daddrs: u64,
    log: (u64, u64),
    geometry: &'g Geometry,
}

impl Limits<'_> {
    fn check_buffer(&self, item: &BufferItem<'_>) -> Result<()> {
        let start = item.daddr.0;
        let end = start.checked_add(item.len_bb.into()).filter(|&end| end <= self.device_daddrs);
        // What is replayed into the log would be read as a part of it the next time.
        if end.is_none_or(|end| start < self.log.1 && end > self.log.0) {
            return Err(damaged("BUF item", "block is out of bounds"));
        }
        check_content(item)
    }

    fn check_inode(&self, item: &InodeItem<'_>) -> Result<()> {
        let byte = item.format.blkno.get().checked_mul(512);
        let byte = byte.and_then(|byte| byte.checked_add(item.format.boffset.get().into()));
        let expected = self.geometry.ino_byte(crate::units::Ino(item.format.ino.get()));
        let block = expected >> 9;
        if byte != Some(expected) || block >= self.log.0 && block < self.log.1 {
            return Err(damaged("INODE item", "inode lies elsewhere"));
        }
        Ok(())
    }

    fn check_create(&self, item: &Icreate) -> Result<()> {
        let (ag, block) = (AgNumber(item.ag.get()), AgBlock(item.agbno.get()));
        let start = self.geometry.ag_daddr(ag, block).0;
        let end = start.saturating_add(u64::from(item.length.get()) << (self.geometry.blocklog - 9));
        let is_log = start < self.log.1 && end > self.log.0;
        if is_log || !self.geometry.is_valid_ag_extent(ag, block, item.length.get()) {
            return Err(damaged("ICREATE item", "chunk is out of bounds"));
        }
        Ok(())
    }
}

/// The second pass.
pub(super) struct Replay<'g> {
    pub(super) geometry: &'g Geometry,
    /// Where the log ends.
    pub(super) head: Lsn,
    pub(super) pages: Pages,
    cancelled: Cancelled,
    /// Pieces of scattered directory blocks, whose checksums are still to be mended.
    pub(super) pieces: Ordered<Daddr, Piece>,
    replayed: Replayed,
}

/// Replays everything between the ends. Nothing is flushed.
///
/// # Errors
/// Corruption when the log and the volume do not fit together; those of the device.
pub(super) fn replay(
    ring: &mut Ring<'_>,
    geometry: &Geometry,
    ends: &Ends,
    cancelled: Cancelled,
) -> Result<(Replayed, Vec<Piece>)> {
    let mut replay = Replay {
        geometry,
        head: ends.head,
        pages: Pages::default(),
        cancelled,
        pieces: Ordered::new(),
        replayed: Replayed::default(),
    };
    let mut records = 0;
    for_each_checkpoint(ring, ends, &mut records, &mut |ring, checkpoint| {
        replay.checkpoint(ring.device(), checkpoint)?;
        if replay.pages.held_bytes() > HELD_BYTES {
            replay.pages.flush(ring.device())?;
        }
        Ok(())
    })?;
    replay.check_headers(ring.device())?;
    replay.pages.flush(ring.device())?;
    replay.replayed.records = records;
    Ok((replay.replayed, replay.pieces.split_off(Daddr(0))))
}

impl Replay<'_> {
    /// Refuses a volume whose AGs are newer than the end of the log: there was more of it once.
    fn check_headers(&mut self, device: &mut dyn BlockDevice) -> Result<()> {
        let sectsize = self.geometry.sectsize as usize;
        for ag in self.geometry.ags() {
            for (sector, kind) in [(1, BlockKind::Agf), (2, BlockKind::Agi), (3, BlockKind::Agfl)] {
                let daddr = self.geometry.ag_sector(ag, sector);
                let bytes = self.pages.read(device, daddr.0 << 9, sectsize)?;
                if kind.has_magic(&bytes) && header::has_crc(kind, &bytes) {
                    self.is_later(header::lsn(kind, &bytes), self.head, Place::daddr(daddr))?;
                }
            }
        }
        Ok(())
    }

    fn checkpoint(&mut self, device: &mut dyn BlockDevice, checkpoint: &Checkpoint) -> Result<()> {
        let lsn = checkpoint.lsn;
        let items = items(checkpoint, self.geometry)?;
        self.replayed.checkpoints += 1;
        for item in &items {
            match item {
                Item::Buffer(item) if !item.is_cancel() && !item.is_inode_buf() => {
                    self.buffer_unless_cancelled(device, item, lsn)?;
                }
                Item::Create(item) => self.create_unless_cancelled(device, item)?,
                _ => {}
            }
        }
        for item in &items {
            if let Item::Inode(item) = item {
                self.inode_unless_cancelled(device, item, lsn)?;
            }
        }
        for item in &items {
            match item {
                Item::Buffer(item) if !item.is_cancel() && item.is_inode_buf() => {
                    self.buffer_unless_cancelled(device, item, lsn)?;
                }
                _ => {}
            }
        }
        for item in &items {
            match item {
                Item::Buffer(item) if item.is_cancel() => self.pass_cancel(item),
                _ => {}
            }
        }
        Ok(())
    }

    /// What comes behind the last time that a block was freed is replayed again.
    fn pass_cancel(&mut self, item: &BufferItem<'_>) {
        let Some(by_len) = self.cancelled.get_mut(item.daddr) else { return };
        let Some(count) = by_len.get_mut(item.len_bb.into()) else { return };
        *count -= 1;
        if *count == 0 {
            by_len.remove(item.len_bb.into());
            self.pieces.remove(item.daddr);
        }
    }

    fn is_cancelled(&self, daddr: Daddr, len_bb: u32) -> bool {
        self.cancelled.get(daddr).is_some_and(|by_len| by_len.contains(len_bb))
    }

    fn buffer_unless_cancelled(
        &mut self,
        device: &mut dyn BlockDevice,
        item: &BufferItem<'_>,
        lsn: Lsn,
    ) -> Result<()> {
        if !self.is_cancelled(item.daddr, item.len_bb.into()) && self.buffer(device, item, lsn)? {
            self.replayed.buffers += 1;
        } else {
            self.replayed.skipped += 1;
        }
        Ok(())
    }

    fn inode_unless_cancelled(
        &mut self,
        device: &mut dyn BlockDevice,
        item: &InodeItem<'_>,
        lsn: Lsn,
    ) -> Result<()> {
        let is_cancelled = self.is_cancelled(Daddr(item.format.blkno.get()), item.format.len.get());
        if !is_cancelled && self.inode(device, item, lsn)? {
            self.replayed.inodes += 1;
        } else {
            self.replayed.skipped += 1;
        }
        Ok(())
    }

    fn create_unless_cancelled(&mut self, device: &mut dyn BlockDevice, item: &Icreate) -> Result<()> {
        let (ag, block, length) = (AgNumber(item.ag.get()), AgBlock(item.agbno.get()), item.length.get());
        let cluster = self.geometry.cluster_fsblocks();
        let len_bb = cluster << (self.geometry.blocklog - 9);
        let mut clusters = (0..length.div_ceil(cluster)).map(|index| block.plus(index * cluster));
        if clusters.any(|block| self.is_cancelled(self.geometry.ag_daddr(ag, block), len_bb)) {
            self.replayed.skipped += 1;
            return Ok(());
        }
        self.replayed.chunks += 1;
        self.create(device, item)
    }
}
