//! The start of an AG: superblock copy, headers, and the roots of the btrees.

use alloc::vec::Vec;

use zerocopy::{FromZeros, IntoBytes};

use super::shape::{Layout, Shape, USED_INODES};
use crate::format::agf::Agf;
use crate::format::agfl;
use crate::format::agi::{Agi, UNLINKED_BUCKETS};
use crate::format::btree::{
    FreeRec, INODES_PER_CHUNK, InodeRec, LEFTSIB_AT, NUMRECS_AT, RmapOwner, RmapRec, SHORT_HEADER_BYTES,
};
use crate::format::header::{self, Identity, put};
use crate::format::{BlockKind, superblock};
use crate::sort;
use crate::units::{AgBlock, AgIno, AgNumber};

/// All blocks of `ag` from its first on up to the last root, sealed.
pub(super) fn start_of_ag(shape: &Shape, ag: AgNumber) -> Vec<u8> {
    let geometry = &shape.geometry;
    let layout = shape.layout(ag);
    let mut bytes = alloc::vec![0; (layout.roots_end << geometry.blocklog) as usize];
    let sectsize = geometry.sectsize as usize;
    let (sectors, _) = bytes.split_at_mut(4 * sectsize);
    for (number, sector) in sectors.chunks_exact_mut(sectsize).enumerate() {
        let kind = match number {
            0 => superblock_copy(shape, ag, sector),
            1 => agf(shape, &layout, sector),
            2 => agi(shape, &layout, ag, sector),
            _ => free_list(&layout, sector),
        };
        let daddr = geometry.ag_sector(ag, number as u32);
        let identity = Identity { uuid: &geometry.meta_uuid, daddr, owner: Some(ag.0.into()) };
        header::initialise(kind, sector, &identity);
        header::seal(kind, sector);
    }
    for (kind, agblock, records) in roots(shape, &layout, ag) {
        let start = (agblock.0 << geometry.blocklog) as usize;
        let block = &mut bytes[start..start + geometry.blocksize as usize];
        let daddr = geometry.ag_daddr(ag, agblock);
        let identity = Identity { uuid: &geometry.meta_uuid, daddr, owner: Some(ag.0.into()) };
        root(kind, block, &identity, &records);
    }
    bytes
}

fn superblock_copy(shape: &Shape, ag: AgNumber, sector: &mut [u8]) -> BlockKind {
    let mut copy = shape.superblock;
    if ag.0 == 0 {
        copy.inprogress = 1;
    } else {
        copy = shape.secondary(ag);
    }
    debug_assert_eq!(copy.magicnum.get(), superblock::MAGIC);
    put(sector, 0, copy.as_bytes());
    BlockKind::Superblock
}

fn agf(shape: &Shape, layout: &Layout, sector: &mut [u8]) -> BlockKind {
    let mut agf = Agf::new_zeroed();
    agf.versionnum.set(1);
    agf.length.set(layout.len);
    agf.bno_root.set(layout.bnobt.0);
    agf.cnt_root.set(layout.cntbt.0);
    agf.bno_level.set(1);
    agf.cnt_level.set(1);
    if let Some(root) = layout.rmapbt {
        agf.rmap_root.set(root.0);
        agf.rmap_level.set(1);
        agf.rmap_blocks.set(1);
    }
    if let Some(root) = layout.refcountbt {
        agf.refcount_root.set(root.0);
        agf.refcount_level.set(1);
        agf.refcount_blocks.set(1);
    }
    // Slot 0 stays empty, as mkfs.xfs has it.
    agf.flfirst.set(1);
    agf.fllast.set(layout.agfl.1);
    agf.flcount.set(layout.agfl.1);
    let free = layout.free();
    agf.freeblks.set(layout.free_blocks());
    agf.longest.set(free.iter().map(|&(_, len)| len).max().unwrap_or(0));
    agf.uuid = shape.geometry.meta_uuid;
    put(sector, 0, agf.as_bytes());
    BlockKind::Agf
}

fn agi(shape: &Shape, layout: &Layout, ag: AgNumber, sector: &mut [u8]) -> BlockKind {
    let mut agi = Agi::new_zeroed();
    agi.versionnum.set(1);
    agi.length.set(layout.len);
    agi.root.set(layout.inobt.0);
    agi.level.set(1);
    agi.newino.set(AgIno::NULL.0);
    agi.dirino.set(AgIno::NULL.0);
    if ag.0 == 0 {
        agi.count.set(shape.chunk_inodes());
        agi.freecount.set(shape.chunk_inodes() - USED_INODES);
        agi.newino.set(shape.geometry.first_agino(layout.chunk_start()).0);
    }
    agi.unlinked = [AgIno::NULL.0.into(); UNLINKED_BUCKETS];
    if let Some(root) = layout.finobt {
        agi.free_root.set(root.0);
        agi.free_level.set(1);
    }
    if shape.geometry.has_inobtcount() {
        agi.iblocks.set(1);
        agi.fblocks.set(1);
    }
    put(sector, 0, agi.as_bytes());
    BlockKind::Agi
}

fn free_list(layout: &Layout, sector: &mut [u8]) -> BlockKind {
    let slots = agfl::slots(sector.len() as u32);
    for slot in 0..slots {
        let is_used = (1..=layout.agfl.1).contains(&slot);
        let block = if is_used { layout.agfl.0 + slot - 1 } else { AgBlock::NULL.0 };
        put(sector, agfl::slot_at(slot), &block.to_be_bytes());
    }
    BlockKind::Agfl
}

/// Encoded records, each with its length.
struct Records {
    bytes: Vec<u8>,
    count: u16,
}

impl Records {
    fn encode<T>(items: &[T], len: usize, encode: impl Fn(&T, &mut [u8])) -> Self {
        let mut bytes = alloc::vec![0; items.len() * len];
        for (item, piece) in items.iter().zip(bytes.chunks_exact_mut(len)) {
            encode(item, piece);
        }
        Self { bytes, count: items.len() as u16 }
    }
}

fn roots(shape: &Shape, layout: &Layout, ag: AgNumber) -> Vec<(BlockKind, AgBlock, Records)> {
    let mut free: Vec<FreeRec> =
        layout.free().iter().map(|&(start, len)| FreeRec { start: AgBlock(start), len }).collect();
    let by_block = Records::encode(&free, FreeRec::BYTES, FreeRec::encode);
    sort::by_words(&mut free, |rec| (u64::from(rec.len), u64::from(rec.start.0)));
    let by_size = Records::encode(&free, FreeRec::BYTES, FreeRec::encode);
    let chunks = inode_records(shape, layout, ag);
    let sparse = shape.geometry.has_sparse_inodes();
    let inodes = || Records::encode(&chunks, InodeRec::BYTES, |rec, bytes| rec.encode(bytes, sparse));
    let mut roots = alloc::vec![
        (BlockKind::Bnobt, layout.bnobt, by_block),
        (BlockKind::Cntbt, layout.cntbt, by_size),
        (BlockKind::Inobt, layout.inobt, inodes()),
    ];
    if let Some(root) = layout.finobt {
        roots.push((BlockKind::Finobt, root, inodes()));
    }
    if let Some(root) = layout.rmapbt {
        let records = Records::encode(&reverse_mappings(layout), RmapRec::BYTES, RmapRec::encode);
        roots.push((BlockKind::Rmapbt, root, records));
    }
    if let Some(root) = layout.refcountbt {
        roots.push((BlockKind::Refcountbt, root, Records { bytes: Vec::new(), count: 0 }));
    }
    roots
}

/// The root chunk; two of them where a block holds more than 64 inodes.
fn inode_records(shape: &Shape, layout: &Layout, ag: AgNumber) -> Vec<InodeRec> {
    let Some((start, _)) = layout.chunk.filter(|_| ag.0 == 0) else { return Vec::new() };
    let first = shape.geometry.first_agino(AgBlock(start)).0;
    let starts = (0..shape.chunk_inodes()).step_by(INODES_PER_CHUNK as usize);
    let record = |offset: u32| {
        let used = if offset == 0 { USED_INODES } else { 0 };
        InodeRec {
            startino: AgIno(first + offset),
            holemask: 0,
            count: INODES_PER_CHUNK as u8,
            freecount: (INODES_PER_CHUNK - used) as u8,
            free: u64::MAX << used,
        }
    };
    starts.map(record).collect()
}

/// Owners of all blocks in use. Neighbours of the same owner are one record.
fn reverse_mappings(layout: &Layout) -> Vec<RmapRec> {
    let block = |agblock: Option<AgBlock>| agblock.map(|agblock| (agblock.0, 1));
    let owned = [
        (Some((0, layout.headers)), RmapOwner::FS),
        (block(Some(layout.bnobt)), RmapOwner::AG),
        (block(Some(layout.cntbt)), RmapOwner::AG),
        (block(Some(layout.inobt)), RmapOwner::INOBT),
        (block(layout.finobt), RmapOwner::INOBT),
        (block(layout.rmapbt), RmapOwner::AG),
        (block(layout.refcountbt), RmapOwner::REFC),
        (layout.log, RmapOwner::LOG),
        (Some(layout.agfl), RmapOwner::AG),
        (layout.chunk, RmapOwner::INODES),
    ];
    let mut records: Vec<RmapRec> = Vec::new();
    for (extent, owner) in owned {
        let Some((start, len)) = extent else { continue };
        match records.last_mut() {
            Some(last) if last.owner == owner && last.end() == AgBlock(start) => last.len += len,
            _ => records.push(RmapRec { start: AgBlock(start), len, owner, offset: 0 }),
        }
    }
    records
}

/// A root that is a leaf.
fn root(kind: BlockKind, block: &mut [u8], identity: &Identity<'_>, records: &Records) {
    header::initialise(kind, block, identity);
    put(block, NUMRECS_AT, &records.count.to_be_bytes());
    put(block, LEFTSIB_AT, &AgBlock::NULL.0.to_be_bytes());
    put(block, LEFTSIB_AT + 4, &AgBlock::NULL.0.to_be_bytes());
    put(block, SHORT_HEADER_BYTES, &records.bytes);
    header::seal(kind, block);
}
