//! Chunks of 64 inodes: making them, whole or in part, and giving them back.
//!
//! Source: "Inode Allocation", "Sparse Inode Chunks".

use crate::btree::Cursor;
use crate::btree::ag_headers::agi_mut;
use crate::btree::bmap::inode_locator;
use crate::btree::inode::{Finobt, Inobt};
use crate::error::{Error, Place, Problem, Result};
use crate::format::btree::{INODES_PER_CHUNK, INODES_PER_HOLEMASK_BIT, InodeRec, RmapOwner, RmapRec};
use crate::format::inode::Dinode;
use crate::geometry::Geometry;
use crate::journal::{Icreate, Transaction};
use crate::space::alloc;
use crate::space::source::{AgSource, AgTree};
use crate::units::{AgBlock, AgIno, AgNumber};
use zerocopy::FromBytes;

/// Makes new inodes in `ag`; false when there is no room for any.
///
/// # Errors
/// Those of changing the trees.
pub fn allocate(tx: &mut Transaction<'_>, ag: AgNumber, generation: u32) -> Result<bool> {
    let geometry = tx.geometry().clone();
    if inodes_are_at_their_limit(tx, &geometry) {
        return Ok(false);
    }
    let len = geometry.chunk_fsblocks();
    let align = geometry.inoalignmt.max(1);
    if let Some(block) = alloc::allocate_aligned(tx, ag, len, align, RmapOwner::INODES)? {
        let first = geometry.first_agino(block);
        let inodes = len * geometry.inopblock;
        initialise(tx, ag, first, inodes, generation);
        for start in (first.0..first.0 + inodes).step_by(INODES_PER_CHUNK as usize) {
            add_record(tx, ag, &whole(AgIno(start)))?;
        }
        count(tx, ag, first, inodes)?;
        return Ok(true);
    }
    if geometry.has_sparse_inodes() { allocate_sparse(tx, ag, generation) } else { Ok(false) }
}

/// `sb_imax_pct` bounds the part of the volume that inodes may take.
fn inodes_are_at_their_limit(tx: &Transaction<'_>, geometry: &Geometry) -> bool {
    if geometry.imax_pct == 0 {
        return false;
    }
    let most_blocks = u128::from(geometry.dblocks) * u128::from(geometry.imax_pct) / 100;
    let inodes = u64::try_from(tx.counters().icount).unwrap_or(0) + u64::from(INODES_PER_CHUNK);
    u128::from(inodes) > most_blocks * u128::from(geometry.inopblock)
}

fn whole(startino: AgIno) -> InodeRec {
    let count = INODES_PER_CHUNK as u8;
    InodeRec { startino, holemask: 0, count, freecount: count, free: u64::MAX }
}

/// Makes one piece of inodes where no whole chunk fits; the rest of its chunk stays a hole.
fn allocate_sparse(tx: &mut Transaction<'_>, ag: AgNumber, generation: u32) -> Result<bool> {
    let geometry = tx.geometry().clone();
    // A piece is as long as its alignment: Linux recovers no others.
    let (piece, align) = (geometry.spino_align, geometry.spino_align);
    let len = geometry.chunk_fsblocks();
    // Otherwise a piece could cross the border of its chunk.
    let fits = align > 0 && align.is_multiple_of(geometry.cluster_fsblocks()) && geometry.inoalignmt == len;
    if len <= piece || !fits {
        return Ok(false);
    }
    let Some(block) = alloc::allocate_aligned(tx, ag, piece, align, RmapOwner::INODES)? else {
        return Ok(false);
    };
    let window = AgBlock(block.0 / geometry.inoalignmt * geometry.inoalignmt);
    // The chunk must lie inside the AG even where it is a hole.
    if !geometry.is_valid_ag_extent(ag, window, geometry.chunk_fsblocks()) {
        alloc::free(tx, ag, &RmapRec::of_volume(block, piece, RmapOwner::INODES))?;
        return Ok(false);
    }
    let (startino, first) = (geometry.first_agino(window), geometry.first_agino(block));
    let inodes = piece * geometry.inopblock;
    initialise(tx, ag, first, inodes, generation);
    let rec = sparse_record(startino, first.0 - startino.0, inodes);
    let mut cursor = Cursor::new(Inobt::new(&geometry, ag));
    match cursor.seek_le(tx, &startino)?.filter(|old| old.startino == startino) {
        Some(old) => {
            let merged = InodeRec {
                holemask: old.holemask & rec.holemask,
                count: old.count.saturating_add(rec.count),
                freecount: old.freecount.saturating_add(rec.freecount),
                ..old
            };
            if old.holemask | rec.holemask != u16::MAX || u32::from(merged.count) > INODES_PER_CHUNK {
                let problem = Problem::Rule("blocks of a chunk were free");
                return Err(Error::corrupt("inobt", Place::agblock(ag, block), problem));
            }
            replace_record(tx, ag, &old, &merged)?;
        }
        None => add_record(tx, ag, &rec)?,
    }
    count(tx, ag, startino, inodes)?;
    Ok(true)
}

fn sparse_record(startino: AgIno, skip_inodes: u32, inodes: u32) -> InodeRec {
    let bits = (inodes / INODES_PER_HOLEMASK_BIT).min(16);
    let present = ((1_u32 << bits) - 1) << (skip_inodes / INODES_PER_HOLEMASK_BIT);
    let count = inodes as u8;
    InodeRec { startino, holemask: !(present as u16), count, freecount: count, free: u64::MAX }
}

fn add_record(tx: &mut Transaction<'_>, ag: AgNumber, rec: &InodeRec) -> Result<()> {
    let geometry = tx.geometry().clone();
    let mut source = AgSource { ag, tree: AgTree::Inobt };
    Cursor::new(Inobt::new(&geometry, ag)).insert(tx, &mut source, rec)?;
    if geometry.has_finobt() {
        let mut source = AgSource { ag, tree: AgTree::Finobt };
        Cursor::new(Finobt::new(&geometry, ag)).insert(tx, &mut source, rec)?;
    }
    Ok(())
}

fn replace_record(tx: &mut Transaction<'_>, ag: AgNumber, old: &InodeRec, new: &InodeRec) -> Result<()> {
    let geometry = tx.geometry().clone();
    let mut cursor = Cursor::new(Inobt::new(&geometry, ag));
    cursor.seek_le(tx, &old.startino)?;
    cursor.update(tx, new)?;
    if !geometry.has_finobt() {
        return Ok(());
    }
    let mut cursor = Cursor::new(Finobt::new(&geometry, ag));
    if cursor.seek_le(tx, &old.startino)?.is_some_and(|rec| rec.startino == old.startino) {
        cursor.update(tx, new)
    } else {
        cursor.insert(tx, &mut AgSource { ag, tree: AgTree::Finobt }, new)
    }
}

/// Counts new inodes in the AGI and the volume.
fn count(tx: &mut Transaction<'_>, ag: AgNumber, newino: AgIno, inodes: u32) -> Result<()> {
    let header = agi_mut(tx, ag)?;
    header.count.set(header.count.get().saturating_add(inodes));
    header.freecount.set(header.freecount.get().saturating_add(inodes));
    header.newino.set(newino.0);
    tx.count(inodes.into(), inodes.into(), 0);
    Ok(())
}

/// Writes fresh free inodes.
fn initialise(tx: &mut Transaction<'_>, ag: AgNumber, first: AgIno, inodes: u32, generation: u32) {
    let (agblock, len_fsblocks) = (tx.geometry().agino_block(first), inodes / tx.geometry().inopblock);
    tx.note_inodes_made(Icreate { ag, agblock, len_fsblocks, generation });
    for agino in first.0..first.0 + inodes {
        let ino = tx.geometry().ino(ag, AgIno(agino));
        let at = inode_locator(tx.geometry(), ino);
        // Just what recovery makes of it, so that nothing more has to go into the log.
        let core = Dinode::mut_from_prefix(tx.create(&at)).expect("an inode holds its core").0;
        core.version = 3;
        core.gen_.set(generation);
        core.next_unlinked.set(u32::MAX);
    }
}

/// Gives back a chunk that nobody is left in. `old` is its record in the trees, `now` the state that it came to.
///
/// # Errors
/// Those of changing the trees.
pub(super) fn free(tx: &mut Transaction<'_>, ag: AgNumber, old: &InodeRec, now: &InodeRec) -> Result<()> {
    let geometry = tx.geometry().clone();
    let mut cursor = Cursor::new(Inobt::new(&geometry, ag));
    cursor.seek_le(tx, &old.startino)?;
    cursor.delete(tx, &mut AgSource { ag, tree: AgTree::Inobt })?;
    if geometry.has_finobt() && old.freecount > 0 {
        let mut cursor = Cursor::new(Finobt::new(&geometry, ag));
        if cursor.seek_le(tx, &old.startino)? != Some(*old) {
            let place = Place::agblock(ag, geometry.agino_block(old.startino));
            return Err(Error::corrupt("finobt", place, Problem::Rule("chunk with free inodes is missing")));
        }
        cursor.delete(tx, &mut AgSource { ag, tree: AgTree::Finobt })?;
    }
    let (count, start) = (u32::from(now.count), old.startino);
    let header = agi_mut(tx, ag)?;
    header.count.set(header.count.get().saturating_sub(count));
    header.freecount.set(header.freecount.get().saturating_sub(count));
    if header.newino.get() == start.0 {
        header.newino.set(u32::MAX);
    }
    tx.count(-i64::from(count), -i64::from(count), 0);
    free_blocks(tx, ag, &geometry, now)
}

/// Frees the blocks of a chunk that exist, run by run.
fn free_blocks(tx: &mut Transaction<'_>, ag: AgNumber, geometry: &Geometry, rec: &InodeRec) -> Result<()> {
    let first = geometry.agino_block(rec.startino);
    let present = rec.present();
    let exists = |block: u32| present & (1 << (block * geometry.inopblock)) != 0;
    let len = geometry.chunk_fsblocks();
    let mut block = 0;
    while block < len {
        let run = (block..len).take_while(|&b| exists(b)).count() as u32;
        if run > 0 {
            let start = first.plus(block);
            // Cluster by cluster, since that is how inodes are logged.
            let cluster = geometry.cluster_fsblocks();
            for at in (start.0..start.0 + run).step_by(cluster as usize) {
                tx.cancel(geometry.ag_daddr(ag, AgBlock(at)), cluster << geometry.blocklog);
            }
            alloc::free(tx, ag, &RmapRec::of_volume(start, run, RmapOwner::INODES))?;
        }
        block += run.max(1);
    }
    Ok(())
}
