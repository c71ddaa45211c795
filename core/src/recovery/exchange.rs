//! Finishing an exchange of mappings between two files (XMI).
//!
//! The log has what is left of it: each step of Linux writes down the rest anew, and so does each of ours. Reference counts stay, the owners change.
//! The new sizes are always set; Linux 6.18 sets them with each mapping, and so forgets them where both files end in holes.
//!
//! Source: "File Mapping Exchange Intent".

use alloc::vec::Vec;

use super::intents::{bounds, count_blocks};
use crate::error::{Error, Place, Problem, Result};
use crate::format::btree::{RmapOwner, RmapRec};
use crate::format::extent::Extent;
use crate::format::inode::{Flags2, fork_format};
use crate::format::log_item::XmiFormat;
use crate::geometry::Geometry;
use crate::inode::core::core_mut;
use crate::inode::{self, Fork, Inode, bmap};
use crate::journal::Transaction;
use crate::space::rmap;
use crate::units::{FileBlock, Ino};

const ATTR_FORK: u64 = 0x1;
const SET_SIZES: u64 = 0x2;
const WRITTEN_ONLY: u64 = 0x4;
const CLEAR_REFLINK_1: u64 = 0x8;
const CLEAR_REFLINK_2: u64 = 0x10;
const KNOWN: u64 = 0x1f;

/// Extents of a file that are exchanged between two looks at the transaction's size.
const PART_EXTENTS: u32 = 16;

/// A stretch of a file: the inode, and where it starts.
type Side = (Ino, FileBlock);

/// Checks what an XMI says.
///
/// # Errors
/// [`Error::Corrupt`] and [`Error::Unsupported`].
pub(super) fn check(geometry: &Geometry, format: &XmiFormat) -> Result<()> {
    if format.flags.get() & !KNOWN != 0 {
        return Err(Error::unsupported(alloc::format!("XMI with flags {:#x}", format.flags.get() & !KNOWN)));
    }
    for ino in [format.ino1.get(), format.ino2.get()] {
        if !geometry.is_valid_ino(Ino(ino)) {
            return Err(bounds("XMI", "inode", ino));
        }
    }
    for start in [format.startoff1.get(), format.startoff2.get()] {
        let end = start.checked_add(format.blockcount.get());
        if end.is_none_or(|end| end > RmapRec::OFFSET_MASK + 1) {
            return Err(bounds("XMI", "startoff", start));
        }
    }
    if format.isize1.get() >> 63 != 0 || format.isize2.get() >> 63 != 0 {
        return Err(bounds("XMI", "isize", format.isize1.get().max(format.isize2.get())));
    }
    Ok(())
}

/// Exchanges what is left, until all of it is done or the transaction is full. Returns what is left then.
///
/// # Errors
/// Corruption when the files are not those that were meant; those of changing the trees.
pub(crate) fn exchange(tx: &mut Transaction<'_>, format: &XmiFormat) -> Result<Option<XmiFormat>> {
    let flags = format.flags.get();
    let fork = if flags & ATTR_FORK != 0 { Fork::Attr } else { Fork::Data };
    let one = (Ino(format.ino1.get()), FileBlock(format.startoff1.get()));
    let two = (Ino(format.ino2.get()), FileBlock(format.startoff2.get()));
    for (ino, gen_) in [(one.0, format.igen1.get()), (two.0, format.igen2.get())] {
        check_file(&inode::read(tx, ino)?, fork, gen_)?;
    }
    let count = format.blockcount.get();
    let mut done = 0;
    while done < count {
        if tx.is_full() {
            return Ok(Some(rest_of(format, done)));
        }
        let (one, two) = ((one.0, one.1.plus(done)), (two.0, two.1.plus(done)));
        let len = part(tx, fork, one, count - done)?.min(part(tx, fork, two, count - done)?);
        if flags & WRITTEN_ONLY == 0 {
            swap(tx, fork, one, two, len)?;
        } else {
            for part in written(tx, fork, one, len)? {
                let skip = part.file_block.since(one.1);
                swap(tx, fork, (one.0, part.file_block), (two.0, two.1.plus(skip)), part.len.into())?;
            }
        }
        done += len;
    }
    let ends = [(one.0, format.isize1, CLEAR_REFLINK_1), (two.0, format.isize2, CLEAR_REFLINK_2)];
    for (ino, size, clear) in ends {
        let core = core_mut(tx, ino)?;
        if flags & SET_SIZES != 0 {
            core.size.set(size.get());
        }
        if flags & clear != 0 {
            core.flags2.set(core.flags2.get() & !Flags2::REFLINK.bits());
        }
    }
    Ok(None)
}

/// What is left of an exchange of which `done` blocks are exchanged. Linux takes addresses for ids, so it has no small ones;
/// those of ours count up, so that none is in the log twice.
fn rest_of(format: &XmiFormat, done: u64) -> XmiFormat {
    let id = format.id.get();
    XmiFormat {
        id: if id < u64::from(u32::MAX) { id + 1 } else { 1 }.into(),
        startoff1: (format.startoff1.get() + done).into(),
        startoff2: (format.startoff2.get() + done).into(),
        blockcount: (format.blockcount.get() - done).into(),
        ..*format
    }
}

/// How much of a stretch of at most `most` blocks is exchanged at once: some extents.
fn part(tx: &mut Transaction<'_>, fork: Fork, (ino, from): Side, most: u64) -> Result<u64> {
    let mut at = from;
    for _ in 0..PART_EXTENTS {
        match bmap::lookup(tx, ino, fork, at)? {
            Some(extent) if extent.file_end() < from.plus(most) => at = extent.file_end(),
            _ => return Ok(most),
        }
    }
    Ok(at.since(from))
}

fn check_file(file: &Inode, fork: Fork, gen_: u32) -> Result<()> {
    let found = file.core.gen_.get();
    if found != gen_ {
        let problem = Problem::Value { field: "gen", expected: gen_.into(), found: found.into() };
        return Err(Error::corrupt("inode", Place::ino(file.ino), problem));
    }
    if matches!(file.fork_format(fork), fork_format::EXTENTS | fork_format::BTREE) && !file.is_realtime() {
        return Ok(());
    }
    Err(file.corrupt(Problem::Rule("fork without extents in an exchange of mappings")))
}

/// The written extents of a stretch.
fn written(tx: &mut Transaction<'_>, fork: Fork, (ino, from): Side, count: u64) -> Result<Vec<Extent>> {
    let to = from.plus(count);
    let mut parts = Vec::new();
    let mut at = from;
    while let Some(part) = bmap::lookup(tx, ino, fork, at)?.and_then(|extent| extent.within(at, to)) {
        at = part.file_end();
        if !part.unwritten {
            parts.push(part);
        }
    }
    Ok(parts)
}

fn swap(tx: &mut Transaction<'_>, fork: Fork, one: Side, two: Side, count: u64) -> Result<()> {
    let ones = take(tx, fork, one, count)?;
    let twos = take(tx, fork, two, count)?;
    put(tx, fork, one, two, &ones)?;
    put(tx, fork, two, one, &twos)
}

/// Takes all mappings of a stretch out of its file.
fn take(tx: &mut Transaction<'_>, fork: Fork, (ino, from): Side, count: u64) -> Result<Vec<Extent>> {
    let extents = bmap::remove(tx, ino, fork, from, from.plus(count))?;
    for extent in &extents {
        let (ag, rec) = reverse(tx, fork, ino, extent);
        rmap::unmap(tx, ag, &rec)?;
        count_blocks(tx, ino, -i64::from(extent.len))?;
    }
    Ok(extents)
}

/// Puts mappings of the one stretch into the other.
fn put(tx: &mut Transaction<'_>, fork: Fork, from: Side, to: Side, extents: &[Extent]) -> Result<()> {
    for extent in extents {
        let file_block = to.1.plus(extent.file_block.since(from.1));
        let moved = Extent { file_block, ..*extent };
        bmap::insert(tx, to.0, fork, moved)?;
        let (ag, rec) = reverse(tx, fork, to.0, &moved);
        rmap::map(tx, ag, &rec)?;
        count_blocks(tx, to.0, i64::from(extent.len))?;
    }
    Ok(())
}

fn reverse(tx: &Transaction<'_>, fork: Fork, ino: Ino, extent: &Extent) -> (crate::units::AgNumber, RmapRec) {
    let (ag, start) = tx.geometry().split(extent.start);
    let attr = if fork == Fork::Attr { RmapRec::ATTR_FORK } else { 0 };
    let unwritten = if extent.unwritten { RmapRec::UNWRITTEN } else { 0 };
    let offset = extent.file_block.0 | attr | unwritten;
    (ag, RmapRec { start, len: extent.len, owner: RmapOwner(ino.0), offset })
}
