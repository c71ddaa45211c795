//! A checkpoint as the log carries it: items as regions, and regions as operations of records.
//!
//! ```text
//!   START | transaction header | item: format region, data regions | ... | COMMIT
//! ```
//!
//! Without its COMMIT a checkpoint never was. It is known by the LSN of the record that its START stands in.
//!
//! Source: "Journaling Log", "Log Operations", "Log Items".

use alloc::vec::Vec;

use zerocopy::IntoBytes;

use super::items::{Done, Icreate, Pending};
use super::log::Log;
use super::transaction::CHUNK_BYTES;
use super::{inode_item, items::PendingBlock};
use crate::cache::{Block, Cache};
use crate::device::{BlockDevice, DeviceError};
use crate::format::BlockKind;
use crate::format::log::OpHeader;
use crate::format::log_item::{
    self, BufFormat, CHECKPOINT, CLIENT_LOG, CLIENT_TRANSACTION, DoneFormat, ExtentsFormat,
    TRANSACTION_MAGIC, TransactionHeader, UNMOUNT_MAGIC, buf_flags, item_type, op_flags,
};
use crate::format::superblock::RawSuperblock;
use crate::geometry::Geometry;
use crate::units::{Daddr, Lsn};

/// Regions one after the other, each padded to four bytes.
#[derive(Debug, Default)]
pub(super) struct Regions {
    bytes: Vec<u8>,
    /// Length of each, without padding.
    lens: Vec<usize>,
}

impl Regions {
    /// Adds a region.
    pub(super) fn push(&mut self, parts: &[&[u8]]) {
        let before = self.bytes.len();
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        // The length that is logged includes the padding.
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self.lens.push(self.bytes.len() - before);
    }

    /// Bytes that all of it takes in records, operation headers included.
    pub(super) fn payload_bytes(&self) -> usize {
        self.bytes.len() + (self.lens.len() + 3) * size_of::<OpHeader>() + size_of::<TransactionHeader>()
    }
}

/// Everything that was committed since the last checkpoint, as items.
pub(super) fn regions(
    pending: &Pending,
    superblock: &[u8],
    cache: &mut Cache,
    geometry: &Geometry,
) -> Regions {
    let mut regions = Regions::default();
    if pending.changes_superblock() {
        let chunks: Vec<usize> = (0..size_of::<RawSuperblock>().div_ceil(CHUNK_BYTES)).collect();
        let flags = BlockKind::Superblock.log_type() << buf_flags::TYPE_SHIFT;
        push_chunks(&mut regions, superblock, (Daddr(0), superblock.len()), flags, &chunks);
    }
    for chunk in pending.icreates() {
        push_icreate(&mut regions, chunk, geometry);
    }
    let mut clusters: Vec<(Daddr, u32, u32, Daddr)> = Vec::new();
    for (daddr, item) in pending.blocks() {
        let block = cache.get(daddr).expect("what waits for the log stays in memory");
        if block.kind == BlockKind::Inode {
            if !item.fresh {
                inode_item::push(&mut regions, block, geometry);
            }
            if item.unlinked {
                let (cluster, len_bb, boffset) = geometry.inode_cluster(inode_item::ino(block));
                clusters.push((cluster, len_bb, boffset, daddr));
            }
        } else {
            push_buffer(&mut regions, block, item);
        }
    }
    push_unlinked(&mut regions, cache, &clusters);
    for (daddr, len_bytes) in pending.cancels() {
        push_cancel(&mut regions, daddr, len_bytes);
    }
    for rest in pending.exchanges() {
        regions.push(&[rest.as_bytes()]);
    }
    for done in pending.dones() {
        push_done(&mut regions, done);
    }
    regions
}

/// A buffer item for each piece of a block that has changed chunks.
fn push_buffer(regions: &mut Regions, block: &Block, item: &PendingBlock) {
    let mut start = 0;
    for piece in &block.pieces {
        let len = piece.len_bytes as usize;
        let chunks = len.div_ceil(CHUNK_BYTES);
        let first = start / CHUNK_BYTES;
        let set: Vec<usize> = (0..chunks).filter(|&chunk| item.has_chunk(first + chunk)).collect();
        let bytes = &block.bytes[start..start + len];
        push_chunks(regions, bytes, (piece.daddr, len), block.kind.log_type() << buf_flags::TYPE_SHIFT, &set);
        start += len;
    }
}

/// One buffer item: `chunks` of `bytes`, each run of them a region.
fn push_chunks(regions: &mut Regions, bytes: &[u8], at: (Daddr, usize), flags: u16, chunks: &[usize]) {
    if chunks.is_empty() {
        return;
    }
    let runs: Vec<&[usize]> = chunks.chunk_by(|a, b| a + 1 == *b).collect();
    let map = bitmap(at.1, chunks);
    push_buffer_format(regions, at, flags, runs.len() as u16, &map);
    for run in runs {
        let (from, to) = (run[0] * CHUNK_BYTES, (run[run.len() - 1] + 1) * CHUNK_BYTES);
        regions.push(&[&bytes[from..to]]);
    }
}

fn bitmap(len_bytes: usize, chunks: &[usize]) -> Vec<u8> {
    let mut map = alloc::vec![0; len_bytes.div_ceil(CHUNK_BYTES * 32) * 4];
    for chunk in chunks {
        map[chunk / 8] |= 1 << (chunk % 8);
    }
    map
}

fn push_buffer_format(regions: &mut Regions, at: (Daddr, usize), flags: u16, runs: u16, map: &[u8]) {
    let format = BufFormat {
        type_: item_type::BUF.into(),
        size: (1 + runs).into(),
        flags: flags.into(),
        len: ((at.1 >> 9) as u16).into(),
        blkno: at.0.0.into(),
        map_size: (map.len() as u32 / 4).into(),
    };
    regions.push(&[format.as_bytes(), map]);
}

/// Says that a buffer was freed, so that recovery leaves its place alone.
fn push_cancel(regions: &mut Regions, daddr: Daddr, len_bytes: u32) {
    let len = len_bytes as usize;
    push_buffer_format(regions, (daddr, len), buf_flags::CANCEL, 0, &bitmap(len, &[]));
}

/// `di_next_unlinked` of inodes, which is logged in the buffers of their clusters. `changed` holds for each inode its
/// cluster, the cluster's length in basic blocks, the inode's place there, and the inode's own address.
fn push_unlinked(regions: &mut Regions, cache: &mut Cache, changed: &[(Daddr, u32, u32, Daddr)]) {
    let flags = buf_flags::INODE_BUF | (BlockKind::Inode.log_type() << buf_flags::TYPE_SHIFT);
    for cluster in changed.chunk_by(|a, b| a.0 == b.0) {
        let (daddr, len) = (cluster[0].0, (cluster[0].1 as usize) << 9);
        // Only the chunk that the field lies in, of each.
        let chunks: Vec<usize> =
            cluster.iter().map(|&(_, _, boffset, _)| boffset as usize / CHUNK_BYTES).collect();
        let map = bitmap(len, &chunks);
        push_buffer_format(regions, (daddr, len), flags, chunks.len() as u16, &map);
        for &(_, _, _, inode) in cluster {
            let block = cache.get(inode).expect("what waits for the log stays in memory");
            regions.push(&[&block.bytes[..CHUNK_BYTES]]);
        }
    }
}

fn push_icreate(regions: &mut Regions, chunk: &Icreate, geometry: &Geometry) {
    let item = log_item::Icreate {
        type_: item_type::ICREATE.into(),
        size: 1.into(),
        ag: chunk.ag.0.into(),
        agbno: chunk.agblock.0.into(),
        count: (chunk.len_fsblocks * geometry.inopblock).into(),
        isize: geometry.inodesize.into(),
        length: chunk.len_fsblocks.into(),
        gen_: chunk.generation.into(),
    };
    regions.push(&[item.as_bytes()]);
}

fn push_done(regions: &mut Regions, done: &Done) {
    // A done item's type follows that of its intent.
    let type_ = (done.intent + 1).into();
    if done.intent == item_type::EFI {
        let nextents = (done.extents.len() as u32).into();
        let format = ExtentsFormat { type_, size: 1.into(), nextents, id: done.id.into() };
        regions.push(&[format.as_bytes(), done.extents.as_bytes()]);
    } else {
        let format = DoneFormat { type_, size: 1.into(), pad: 0.into(), id: done.id.into() };
        regions.push(&[format.as_bytes()]);
    }
}

/// Operations gathered into records.
struct Packer<'a> {
    log: &'a mut Log,
    device: &'a mut dyn BlockDevice,
    payload: Vec<u8>,
    operations: u32,
    tid: u32,
    tail: Lsn,
}

impl Packer<'_> {
    fn room(&self) -> usize {
        self.log.payload_bytes() - self.payload.len()
    }

    fn emit(&mut self) -> Result<(), DeviceError> {
        self.log.write_record(self.device, &self.payload, self.operations, self.tail)?;
        self.payload.clear();
        self.operations = 0;
        Ok(())
    }

    fn push(&mut self, clientid: u8, flags: u8, bytes: &[u8]) {
        let (tid, len) = (self.tid.into(), (bytes.len() as u32).into());
        let header = OpHeader { tid, len, clientid, flags, res2: [0; 2] };
        self.payload.extend_from_slice(header.as_bytes());
        self.payload.extend_from_slice(bytes);
        self.operations += 1;
    }

    /// An operation without a body.
    fn mark(&mut self, flags: u8) -> Result<(), DeviceError> {
        if self.room() < size_of::<OpHeader>() {
            self.emit()?;
        }
        self.push(CLIENT_TRANSACTION, flags, &[]);
        Ok(())
    }

    /// A region, in as many pieces as it takes.
    fn region(&mut self, mut bytes: &[u8]) -> Result<(), DeviceError> {
        let mut flags = 0;
        loop {
            // At least a word of the body goes with each header.
            if self.room() < size_of::<OpHeader>() + 4 {
                self.emit()?;
            }
            let room = (self.room() - size_of::<OpHeader>()) & !3;
            if bytes.len() <= room {
                let last = if flags == 0 { 0 } else { op_flags::WAS_CONTINUED | op_flags::END };
                self.push(CLIENT_TRANSACTION, last, bytes);
                return Ok(());
            }
            let (now, later) = bytes.split_at(room);
            self.push(CLIENT_TRANSACTION, flags | op_flags::CONTINUE, now);
            flags = op_flags::WAS_CONTINUED;
            bytes = later;
        }
    }
}

/// Writes a checkpoint into the log; durable after the next flush. `tail` is where recovery has to start from then on;
/// `None` when this checkpoint is all that it needs. Returns the LSN that the checkpoint is known by.
///
/// # Errors
/// Those of the device.
pub(super) fn write(
    log: &mut Log,
    device: &mut dyn BlockDevice,
    regions: &Regions,
    tid: u32,
    tail: Option<Lsn>,
) -> Result<Lsn, DeviceError> {
    let start = log.head();
    let tail = tail.unwrap_or(start);
    let mut packer = Packer { log, device, payload: Vec::new(), operations: 0, tid, tail };
    packer.mark(op_flags::START)?;
    let header = TransactionHeader {
        magic: TRANSACTION_MAGIC.into(),
        type_: CHECKPOINT.into(),
        tid: tid.into(),
        num_items: (regions.lens.len() as u32).into(),
    };
    packer.region(header.as_bytes())?;
    let mut rest = regions.bytes.as_slice();
    for &len in &regions.lens {
        let (region, later) = rest.split_at(len);
        packer.region(region)?;
        rest = later;
    }
    packer.mark(op_flags::COMMIT)?;
    packer.emit()?;
    Ok(start)
}

/// Writes the record that says that everything is in place.
///
/// # Errors
/// Those of the device.
pub(super) fn write_unmount(
    log: &mut Log,
    device: &mut dyn BlockDevice,
    tid: u32,
) -> Result<(), DeviceError> {
    let tail = log.head();
    let mut packer = Packer { log, device, payload: Vec::new(), operations: 0, tid, tail };
    let mut body = [0; 8];
    body[..2].copy_from_slice(&UNMOUNT_MAGIC.to_le_bytes());
    packer.push(CLIENT_LOG, op_flags::UNMOUNT, &body);
    packer.emit()
}
