//! Allocating and freeing inodes.
//!
//! Source: "Inode Management", "Inode Allocation", "Sparse Inode Chunks".

use crate::btree::ag_headers::{agi, agi_mut};
use crate::btree::inode::{Finobt, Inobt};
use crate::btree::{BlockSource, Cursor};
use crate::error::{Error, Place, Problem, Result};
use crate::format::btree::{INODES_PER_CHUNK, InodeRec};
use crate::format::inode::{Flags2, fork_format};
use crate::inode::chunk;
use crate::inode::core::{core, core_mut};
use crate::journal::Transaction;
use crate::space::alloc::ags_from;
use crate::space::source::{AgSource, AgTree};
use crate::units::{AgIno, AgNumber, Ino};

/// `agi_newino` and unlinked pointers that name nobody.
const NULL_AGINO: u32 = u32::MAX;

fn corrupt(ag: AgNumber, structure: &'static str, rule: &'static str) -> Error {
    Error::corrupt(structure, Place::ag(ag), Problem::Rule(rule))
}

/// Takes a free inode, near `near` in the first AG from `first_ag` on that has one or can make some.
///
/// The inode's core still says that it is free. `generation` seeds the inodes of a new chunk.
///
/// # Errors
/// [`Error::NoSpace`] when no AG can give one.
pub fn allocate(tx: &mut Transaction<'_>, first_ag: AgNumber, near: AgIno, generation: u32) -> Result<Ino> {
    let geometry = tx.geometry().clone();
    for ag in ags_from(&geometry, first_ag) {
        if agi(tx, ag)?.freecount.get() == 0 && !chunk::allocate(tx, ag, generation)? {
            continue;
        }
        let near = if ag == first_ag { near } else { AgIno(0) };
        return take(tx, ag, near);
    }
    Err(Error::NoSpace)
}

/// Takes the lowest free inode of the chunk nearest to `near`.
fn take(tx: &mut Transaction<'_>, ag: AgNumber, near: AgIno) -> Result<Ino> {
    let geometry = tx.geometry().clone();
    let rec = with_free_inode(tx, ag, near)?;
    let free = rec.free & rec.present();
    if free == 0 || rec.freecount == 0 {
        return Err(corrupt(ag, "finobt", "record without a free inode"));
    }
    let bit = free.trailing_zeros();
    let new = InodeRec { free: rec.free & !(1 << bit), freecount: rec.freecount - 1, ..rec };
    update(tx, Inobt::new(&geometry, ag), ag, &rec, &new)?;
    if geometry.has_finobt() {
        let tree = Finobt::new(&geometry, ag);
        if new.freecount > 0 {
            update(tx, tree, ag, &rec, &new)?;
        } else {
            let mut cursor = Cursor::new(tree);
            cursor.seek_le(tx, &rec.startino)?;
            cursor.delete(tx, &mut AgSource { ag, tree: AgTree::Finobt })?;
        }
    }
    count_free(tx, ag, -1)?;
    let ino = geometry.ino(ag, AgIno(rec.startino.0.saturating_add(bit)));
    if core(tx, ino)?.mode.get() != 0 {
        let problem = Problem::Rule("inode is free by its chunk's record but has a mode");
        return Err(Error::corrupt("inode", Place::ino(ino), problem));
    }
    Ok(ino)
}

fn with_free_inode(tx: &mut Transaction<'_>, ag: AgNumber, near: AgIno) -> Result<InodeRec> {
    let geometry = tx.geometry().clone();
    if geometry.has_finobt() {
        let mut cursor = Cursor::new(Finobt::new(&geometry, ag));
        let rec = match cursor.seek_le(tx, &near)? {
            Some(rec) => Some(rec),
            None => cursor.seek_first(tx)?,
        };
        return rec.ok_or_else(|| corrupt(ag, "finobt", "no record although the AGI counts free inodes"));
    }
    let mut cursor = Cursor::new(Inobt::new(&geometry, ag));
    let mut next = match cursor.seek_le(tx, &near)? {
        Some(rec) => Some(rec),
        None => cursor.seek_first(tx)?,
    };
    while next.is_some_and(|rec| rec.freecount == 0) {
        next = cursor.next(tx)?;
    }
    if next.is_none() {
        next = cursor.seek_first(tx)?;
        while next.is_some_and(|rec| rec.freecount == 0) {
            next = cursor.next(tx)?;
        }
    }
    next.ok_or_else(|| corrupt(ag, "inobt", "no free inode although the AGI counts some"))
}

/// Replaces `old` by `new` in one of the two trees.
fn update<T>(tx: &mut Transaction<'_>, tree: T, ag: AgNumber, old: &InodeRec, new: &InodeRec) -> Result<()>
where
    T: crate::btree::Tree<Rec = InodeRec, Key = AgIno>,
{
    let mut cursor = Cursor::new(tree);
    if cursor.seek_le(tx, &old.startino)? != Some(*old) {
        return Err(corrupt(ag, T::KINDS[0].name(), "inobt and finobt disagree about a chunk"));
    }
    cursor.update(tx, new)
}

fn count_free(tx: &mut Transaction<'_>, ag: AgNumber, change: i32) -> Result<()> {
    let header = agi_mut(tx, ag)?;
    header.freecount.set(header.freecount.get().saturating_add_signed(change));
    tx.count(0, change.into(), 0);
    Ok(())
}

/// Gives an inode back. It must own no blocks any more; its chunk goes when nobody is left in it.
///
/// # Errors
/// Those of changing the trees; corruption when the inode is free already.
pub fn free(tx: &mut Transaction<'_>, ino: Ino) -> Result<()> {
    let geometry = tx.geometry().clone();
    let (ag, agino) = geometry.split_ino(ino);
    wipe(tx, ino)?;
    let rec = Cursor::new(Inobt::new(&geometry, ag)).seek_le(tx, &agino)?;
    let rec = rec.filter(|rec| agino.0 - rec.startino.0 < INODES_PER_CHUNK);
    let Some(rec) = rec else { return Err(corrupt(ag, "inobt", "no record for an inode in use")) };
    let mask = 1_u64 << (agino.0 - rec.startino.0);
    if rec.free & mask != 0 || rec.present() & mask == 0 || rec.freecount >= rec.count {
        return Err(corrupt(ag, "inobt", "inode in use is free or missing in its record"));
    }
    if u32::from(rec.freecount) != (rec.free & rec.present()).count_ones() {
        return Err(corrupt(ag, "inobt", "count of free inodes is not that of its mask"));
    }
    let new = InodeRec { free: rec.free | mask, freecount: rec.freecount + 1, ..rec };
    count_free(tx, ag, 1)?;
    // A block with more inodes than one chunk cannot be given back chunk by chunk.
    if new.freecount == new.count && geometry.inopblock <= INODES_PER_CHUNK {
        return chunk::free(tx, ag, &rec, &new);
    }
    update(tx, Inobt::new(&geometry, ag), ag, &rec, &new)?;
    if !geometry.has_finobt() {
        return Ok(());
    }
    let tree = Finobt::new(&geometry, ag);
    if rec.freecount > 0 {
        return update(tx, tree, ag, &rec, &new);
    }
    let mut source = AgSource { ag, tree: AgTree::Finobt };
    Cursor::new(tree).insert(tx, &mut source as &mut dyn BlockSource, &new)
}

/// Makes the core that of a free inode.
fn wipe(tx: &mut Transaction<'_>, ino: Ino) -> Result<()> {
    let core = core_mut(tx, ino)?;
    core.mode.set(0);
    core.flags.set(0);
    // What says how fields are stored stays; the rest was of the file.
    core.flags2.set((core.flags2() & (Flags2::BIGTIME | Flags2::NREXT64)).bits());
    core.forkoff = 0;
    core.format = fork_format::EXTENTS;
    core.aformat = fork_format::EXTENTS;
    core.nlink.set(0);
    core.size.set(0);
    core.nblocks.set(0);
    core.extsize.set(0);
    core.cowextsize.set(0);
    core.set_data_nextents(0);
    core.set_attr_nextents(0);
    core.next_unlinked.set(NULL_AGINO);
    core.gen_.set(core.gen_.get().wrapping_add(1));
    Ok(())
}
