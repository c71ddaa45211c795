//! Finishing what the log announced.
//!
//! Linux does a change in a chain of transactions, each of which writes down what the next ones still have to do. An
//! intent is one step. What it leads to was not written down yet, or the intent would have been reported as done; so it is
//! done here in the same transaction:
//!
//! ```text
//!   BUI map, unmap       the bmbt                   and the rmapbt
//!   CUI decrease         the refcountbt             and what falls to nobody becomes free
//!   XMI                  the bmbts of both files    and the rmapbt
//!   RUI, EFI, other CUI  their tree alone
//! ```
//!
//! What else belonged to the chain has an intent of its own in the log. They are finished in the order of the log.

use alloc::format;
use alloc::vec::Vec;

use super::exchange::{self, exchange};
use crate::attr;
use crate::error::{Error, Place, Problem, Result};
use crate::format::btree::{RmapOwner, RmapRec};
use crate::format::extent::Extent;
use crate::format::log_item::{MapExtent, PhysicalExtent, XmiFormat, item_type};
use crate::geometry::Geometry;
use crate::inode::core::{core, core_mut};
use crate::inode::{self, Fork, bmap};
use crate::journal::recovery::{AttrWork, Intent, Work, attr_op};
use crate::journal::{Done, Store, Transaction};
use crate::space::{alloc as space_alloc, refcount, rmap};
use crate::units::{AgBlock, AgNumber, FileBlock, FsBlock, Ino};

/// Flags of an extent of a RUI or BUI: the operation below, these above.
const OPERATION: u32 = 0xff;
const ATTR_FORK: u32 = 1 << 31;

/// Of a RUI.
mod rui {
    pub(super) const BMBT_BLOCK: u32 = 1 << 30;
    pub(super) const UNWRITTEN: u32 = 1 << 29;
    pub(super) const MAP: u32 = 1;
    pub(super) const MAP_SHARED: u32 = 2;
    pub(super) const UNMAP: u32 = 3;
    pub(super) const UNMAP_SHARED: u32 = 4;
    pub(super) const CONVERT: u32 = 5;
    pub(super) const CONVERT_SHARED: u32 = 6;
    pub(super) const ALLOC: u32 = 7;
    pub(super) const FREE: u32 = 8;
}

/// Of a BUI.
mod bui {
    pub(super) const UNWRITTEN: u32 = 1 << 30;
    pub(super) const REALTIME: u32 = 1 << 29;
    pub(super) const MAP: u32 = 1;
    pub(super) const UNMAP: u32 = 2;
}

/// Of a CUI.
mod cui {
    pub(super) const INCREASE: u32 = 1;
    pub(super) const DECREASE: u32 = 2;
    pub(super) const ALLOC_COW: u32 = 3;
    pub(super) const FREE_COW: u32 = 4;
}

/// Checks what an intent says, before anything is changed.
///
/// # Errors
/// [`Error::Corrupt`] for what cannot be, [`Error::Unsupported`] for what cannot be finished here.
pub(super) fn check(geometry: &Geometry, intent: &Intent) -> Result<()> {
    match &intent.work {
        Work::Free(extents) => extents.iter().try_for_each(|extent| check_free(geometry, extent)),
        Work::Refcount(extents) => extents.iter().try_for_each(|extent| check_refcount(geometry, extent)),
        Work::Rmap(extents) => extents.iter().try_for_each(|extent| check_rmap(geometry, extent)),
        Work::Bmap(extents) => extents.iter().try_for_each(|extent| check_bmap(geometry, extent)),
        Work::Exchange(format) => exchange::check(geometry, format),
        Work::Attr(attr) if geometry.is_valid_ino(Ino(attr.format.ino.get())) => Ok(()),
        Work::Attr(attr) => Err(bounds("ATTRI", "inode", attr.format.ino.get())),
    }
}

/// Corruption of an intent.
pub(super) fn bounds(name: &'static str, field: &'static str, found: u64) -> Error {
    Error::corrupt(name, Place::default(), Problem::Bounds { field, found })
}

fn check_blocks(geometry: &Geometry, name: &'static str, start: u64, len: u32) -> Result<()> {
    let is_inside = geometry.is_valid_extent(FsBlock(start), len);
    if is_inside { Ok(()) } else { Err(bounds(name, "startblock", start)) }
}

fn check_free(geometry: &Geometry, extent: &PhysicalExtent) -> Result<()> {
    check_blocks(geometry, "EFI", extent.start.get(), extent.len.get())
}

fn check_refcount(geometry: &Geometry, extent: &PhysicalExtent) -> Result<()> {
    let flags = extent.flags.get();
    if !geometry.has_reflink() || !(cui::INCREASE..=cui::FREE_COW).contains(&flags) {
        return Err(bounds("CUI", "flags", flags.into()));
    }
    check_blocks(geometry, "CUI", extent.start.get(), extent.len.get())
}

fn check_rmap(geometry: &Geometry, extent: &MapExtent) -> Result<()> {
    let flags = extent.flags.get();
    let known = OPERATION | ATTR_FORK | rui::BMBT_BLOCK | rui::UNWRITTEN;
    if !geometry.has_rmapbt() || flags & !known != 0 || !(rui::MAP..=rui::FREE).contains(&(flags & OPERATION))
    {
        return Err(bounds("RUI", "flags", flags.into()));
    }
    let owner = RmapOwner(extent.owner.get());
    let is_known = match owner.is_inode() {
        true => geometry.is_valid_ino(Ino(owner.0)),
        false => owner >= RmapOwner::COW && owner <= RmapOwner::FS,
    };
    if !is_known {
        return Err(bounds("RUI", "owner", owner.0));
    }
    check_offset("RUI", extent)?;
    check_blocks(geometry, "RUI", extent.startblock.get(), extent.len.get())
}

fn check_bmap(geometry: &Geometry, extent: &MapExtent) -> Result<()> {
    let flags = extent.flags.get();
    if flags & bui::REALTIME != 0 {
        return Err(Error::unsupported("BUI of a file on the realtime device"));
    }
    let known = OPERATION | ATTR_FORK | bui::UNWRITTEN;
    if flags & !known != 0 || !(bui::MAP..=bui::UNMAP).contains(&(flags & OPERATION)) {
        return Err(bounds("BUI", "flags", flags.into()));
    }
    if !geometry.is_valid_ino(Ino(extent.owner.get())) {
        return Err(bounds("BUI", "owner", extent.owner.get()));
    }
    check_offset("BUI", extent)?;
    check_blocks(geometry, "BUI", extent.startblock.get(), extent.len.get())
}

fn check_offset(name: &'static str, extent: &MapExtent) -> Result<()> {
    let (start, len) = (extent.startoff.get(), u64::from(extent.len.get()));
    let is_inside = start.checked_add(len).is_some_and(|end| end <= RmapRec::OFFSET_MASK + 1);
    if is_inside { Ok(()) } else { Err(bounds(name, "startoff", start)) }
}

/// Finishes one intent in a transaction of its own; an exchange of very many extents in several, each of which logs what is
/// left.
///
/// # Errors
/// Corruption when the volume is not what the intent says it is; those of changing the trees. Nothing of this transaction
/// has happened then.
pub(super) fn finish(store: &mut Store, intent: &Intent) -> Result<()> {
    if let Work::Exchange(format) = &intent.work {
        return finish_exchange(store, *format);
    }
    let mut tx = Transaction::new(store);
    let mut done = Done { intent: intent.kind, id: intent.id, extents: Vec::new() };
    match &intent.work {
        Work::Free(extents) => {
            for extent in extents {
                let (ag, start) = tx.geometry().split(FsBlock(extent.start.get()));
                rmap::unmap_any(&mut tx, ag, start, extent.len.get())?;
                space_alloc::free_unmapped(&mut tx, ag, start, extent.len.get())?;
            }
            done.extents.clone_from(extents);
        }
        Work::Refcount(extents) => extents.iter().try_for_each(|extent| change_refcount(&mut tx, extent))?,
        Work::Rmap(extents) => extents.iter().try_for_each(|extent| change_rmap(&mut tx, extent))?,
        Work::Bmap(extents) => extents.iter().try_for_each(|extent| change_bmap(&mut tx, extent))?,
        Work::Exchange(_) => {}
        Work::Attr(attr) => change_attr(&mut tx, attr)?,
    }
    tx.note_done(done);
    tx.commit()
}

fn finish_exchange(store: &mut Store, mut format: XmiFormat) -> Result<()> {
    loop {
        let mut tx = Transaction::new(store);
        let rest = exchange(&mut tx, &format)?;
        tx.note_done(Done { intent: item_type::XMI, id: format.id.get(), extents: Vec::new() });
        if let Some(rest) = rest {
            tx.note_exchange(rest);
        }
        tx.commit()?;
        match rest {
            Some(rest) => format = rest,
            None => return Ok(()),
        }
    }
}

fn change_refcount(tx: &mut Transaction<'_>, extent: &PhysicalExtent) -> Result<()> {
    let (ag, start) = tx.geometry().split(FsBlock(extent.start.get()));
    let len = extent.len.get();
    match extent.flags.get() {
        cui::INCREASE => refcount::increase(tx, ag, start, len),
        cui::DECREASE => {
            // Who owned them is taken out of the rmapbt by an intent of its own.
            for (start, len) in refcount::decrease(tx, ag, start, len)? {
                space_alloc::free_unmapped(tx, ag, start, len)?;
            }
            Ok(())
        }
        cui::ALLOC_COW => refcount::stage(tx, ag, start, len),
        _ => refcount::unstage(tx, ag, start, len),
    }
}

fn change_rmap(tx: &mut Transaction<'_>, extent: &MapExtent) -> Result<()> {
    let flags = extent.flags.get();
    let (ag, start) = tx.geometry().split(FsBlock(extent.startblock.get()));
    let rec = reverse(start, extent, flags & rui::UNWRITTEN != 0, flags & rui::BMBT_BLOCK != 0);
    match flags & OPERATION {
        rui::MAP | rui::MAP_SHARED | rui::ALLOC => rmap::map(tx, ag, &rec),
        rui::UNMAP | rui::UNMAP_SHARED | rui::FREE => rmap::unmap(tx, ag, &rec),
        rui::CONVERT | rui::CONVERT_SHARED => {
            // The flag says what the extent has become.
            let before = RmapRec { offset: rec.offset ^ RmapRec::UNWRITTEN, ..rec };
            rmap::unmap(tx, ag, &before)?;
            rmap::map(tx, ag, &rec)
        }
        other => Err(bounds("RUI", "flags", other.into())),
    }
}

/// The record of the rmapbt for an extent of a RUI or BUI.
fn reverse(start: AgBlock, extent: &MapExtent, unwritten: bool, bmbt_block: bool) -> RmapRec {
    let owner = RmapOwner(extent.owner.get());
    let len = extent.len.get();
    if !owner.is_inode() {
        return RmapRec::of_volume(start, len, owner);
    }
    let flag = |on: bool, flag: u64| if on { flag } else { 0 };
    let offset = if bmbt_block { 0 } else { extent.startoff.get() };
    let flags = flag(extent.flags.get() & ATTR_FORK != 0, RmapRec::ATTR_FORK)
        | flag(bmbt_block, RmapRec::BMBT_BLOCK)
        | flag(unwritten, RmapRec::UNWRITTEN);
    RmapRec { start, len, owner, offset: offset | flags }
}

fn change_bmap(tx: &mut Transaction<'_>, map: &MapExtent) -> Result<()> {
    let flags = map.flags.get();
    let ino = Ino(map.owner.get());
    let fork = if flags & ATTR_FORK != 0 { Fork::Attr } else { Fork::Data };
    let extent = Extent {
        file_block: FileBlock(map.startoff.get()),
        start: FsBlock(map.startblock.get()),
        len: map.len.get(),
        unwritten: flags & bui::UNWRITTEN != 0,
    };
    inode::read(tx, ino)?;
    let (ag, start) = tx.geometry().split(extent.start);
    if flags & OPERATION == bui::MAP {
        bmap::insert(tx, ino, fork, extent)?;
        rmap::map(tx, ag, &reverse(start, map, extent.unwritten, false))?;
        return count_blocks(tx, ino, i64::from(extent.len));
    }
    let gone = bmap::remove(tx, ino, fork, extent.file_block, extent.file_end())?;
    // Large extents are records of their own that follow each other.
    let mut next = extent.start;
    for part in &gone {
        if part.start != next || extent.file_block.plus(next.0 - extent.start.0) != part.file_block {
            let problem = Problem::Rule("other blocks than the log is about to unmap");
            return Err(Error::corrupt("extent", Place::file_block(ino, part.file_block), problem));
        }
        next = FsBlock(next.0 + u64::from(part.len));
        let (ag, start): (AgNumber, AgBlock) = tx.geometry().split(part.start);
        let mut rec = reverse(start, map, part.unwritten, false);
        rec.len = part.len;
        rec.offset = (rec.offset & !RmapRec::OFFSET_MASK) | part.file_block.0;
        rmap::unmap(tx, ag, &rec)?;
    }
    if next.0 - extent.start.0 != u64::from(extent.len) {
        let problem = Problem::Rule("fewer blocks than the log is about to unmap");
        return Err(Error::corrupt("extent", Place::file_block(ino, extent.file_block), problem));
    }
    count_blocks(tx, ino, -i64::from(extent.len))
}

/// Counts blocks that an inode gained or lost.
pub(super) fn count_blocks(tx: &mut Transaction<'_>, ino: Ino, change: i64) -> Result<()> {
    let core = core_mut(tx, ino)?;
    core.nblocks.set(core.nblocks.get().saturating_add_signed(change));
    Ok(())
}

fn change_attr(tx: &mut Transaction<'_>, work: &AttrWork) -> Result<()> {
    let ino = Ino(work.format.ino.get());
    let op = work.format.op_flags.get() & OPERATION;
    let (expected, found) = (work.format.igen.get(), core(tx, ino)?.gen_.get());
    if op >= attr_op::PPTR_SET && expected != found {
        let problem = Problem::Value { field: "gen", expected: expected.into(), found: found.into() };
        return Err(Error::corrupt("inode", Place::ino(ino), problem));
    }
    let (Ok(op), Ok(filter)) = (u8::try_from(op), u8::try_from(work.format.attr_filter.get())) else {
        return Err(Error::unsupported(format!("ATTRI with filter {:#x}", work.format.attr_filter.get())));
    };
    let intent = attr::Intent {
        op,
        filter,
        name: &work.name,
        new_name: &work.new_name,
        value: &work.value,
        new_value: &work.new_value,
    };
    attr::apply_intent(tx, ino, &intent)
}
