//! Records of the trees about inodes: inobt and finobt.

use alloc::vec::Vec;

use super::btree::walk_ag_tree;
use super::context::{AgState, Context};
use crate::error::{Place, Result};
use crate::format::BlockKind;
use crate::format::btree::{INODES_PER_CHUNK, InodeRec, RmapOwner, RmapRec};
use crate::units::{AgBlock, AgIno, AgNumber};

/// Walks the inobt and notes the chunks and the blocks under them. Returns the number of its blocks, and whether all
/// could be read.
pub(super) fn inobt(
    cx: &mut Context<'_>,
    found: &mut AgState,
    ag: AgNumber,
    root: AgBlock,
    height: u32,
) -> Result<(u64, bool)> {
    let (blocks, complete, chunks) = records(cx, BlockKind::Inobt, ag, root, height)?;
    found.own_blocks(&blocks, RmapOwner::INOBT);
    for chunk in &chunks {
        own_chunk(cx, found, chunk);
    }
    found.chunks = chunks;
    Ok((blocks.len() as u64, complete))
}

/// Walks the finobt, which holds those chunks that have free inodes.
pub(super) fn finobt(
    cx: &mut Context<'_>,
    found: &mut AgState,
    ag: AgNumber,
    root: AgBlock,
    height: u32,
    can_compare: bool,
) -> Result<(u64, bool)> {
    let (blocks, complete, chunks) = records(cx, BlockKind::Finobt, ag, root, height)?;
    found.own_blocks(&blocks, RmapOwner::INOBT);
    if complete && can_compare {
        let with_free = || found.chunks.iter().filter(|chunk| chunk.freecount > 0);
        let differs = with_free().zip(&chunks).find(|(a, b)| a != b);
        let start = match differs {
            Some((a, b)) => Some(a.startino.min(b.startino)),
            None if with_free().count() == chunks.len() => None,
            None => {
                let shorter = with_free().count().min(chunks.len());
                with_free().nth(shorter).or_else(|| chunks.get(shorter)).map(|chunk| chunk.startino)
            }
        };
        if let Some(start) = start {
            let place = Place::ino(cx.geometry.ino(ag, start));
            cx.report.rule("finobt", place, "does not hold the inobt's chunks with free inodes");
        }
    }
    Ok((blocks.len() as u64, complete))
}

fn records(
    cx: &mut Context<'_>,
    kind: BlockKind,
    ag: AgNumber,
    root: AgBlock,
    height: u32,
) -> Result<(Vec<u64>, bool, Vec<InodeRec>)> {
    let mut chunks: Vec<InodeRec> = Vec::new();
    let mut is_valid = true;
    let sparse = cx.geometry.has_sparse_inodes();
    let mut on_record = |cx: &mut Context<'_>, place: Place, record: &[u8]| {
        let record = InodeRec::decode(record, sparse);
        if let Some(last) = chunks.last()
            && record.startino.0 < last.startino.0.saturating_add(INODES_PER_CHUNK)
        {
            cx.report.bounds(kind.name(), place, "startino (out of order)", record.startino.0);
            is_valid = false;
            return;
        }
        if check_chunk(cx, kind.name(), ag, place, &record) {
            chunks.push(record);
        } else {
            is_valid = false;
        }
    };
    let (blocks, complete) = walk_ag_tree(cx, kind, ag, root, height, &mut on_record)?;
    Ok((blocks, complete && is_valid, chunks))
}

/// Checks one record. Returns whether its inodes can be read.
fn check_chunk(
    cx: &mut Context<'_>,
    tree: &'static str,
    ag: AgNumber,
    place: Place,
    record: &InodeRec,
) -> bool {
    let geometry = alloc::sync::Arc::clone(&cx.geometry);
    let start = geometry.agino_block(record.startino);
    let is_aligned = start.0.is_multiple_of(geometry.inoalignmt.max(1))
        && record.startino.0.is_multiple_of(INODES_PER_CHUNK.min(geometry.inopblock));
    let last = AgIno(record.startino.0.saturating_add(INODES_PER_CHUNK - 1));
    // With holes the window around the chunk may reach past the end of the AG.
    let present = record.present();
    let mut slots = (0..INODES_PER_CHUNK).filter(|slot| present & (1 << slot) != 0);
    let reach = |slot: u32| geometry.agino_block(AgIno(record.startino.0.saturating_add(slot)));
    let is_inside = slots.all(|slot| geometry.is_valid_ag_extent(ag, reach(slot), 1));
    if !is_aligned || !is_inside || last.0 == u32::MAX {
        cx.report.bounds(tree, place, "startino", record.startino.0);
        return false;
    }
    let count = present.count_ones();
    let free = (record.free & present).count_ones();
    let mut expect = |field, expected: u32, found: u32| cx.report.expect(tree, place, field, expected, found);
    expect("count", count, record.count.into());
    expect("freecount", free, record.freecount.into());
    if record.free | present != u64::MAX {
        cx.report.bounds(tree, place, "free (a hole is marked as in use)", record.free);
    }
    true
}

/// Notes the blocks under the inodes that exist.
fn own_chunk(cx: &Context<'_>, found: &mut AgState, chunk: &InodeRec) {
    let present = chunk.present();
    let mut last: Option<AgBlock> = None;
    // Where a block holds several chunks, the first of them has noted it.
    if let Some(owned) = found.owned.last()
        && owned.owner == RmapOwner::INODES
    {
        last = Some(AgBlock(owned.end().0.saturating_sub(1)));
    }
    for slot in (0..INODES_PER_CHUNK).filter(|slot| present & (1 << slot) != 0) {
        let block = cx.geometry.agino_block(AgIno(chunk.startino.0 + slot));
        if last == Some(block) {
            continue;
        }
        last = Some(block);
        match found.owned.last_mut() {
            Some(owned) if owned.owner == RmapOwner::INODES && owned.end() == block => owned.len += 1,
            _ => found.owned.push(RmapRec { start: block, len: 1, owner: RmapOwner::INODES, offset: 0 }),
        }
    }
}
