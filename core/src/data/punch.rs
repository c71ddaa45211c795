//! Taking data out of the middle of a file: punching holes, and zeroing in place.
//!
//! Only whole blocks lose their mapping. Of those that are covered in part the bytes are zeroed as any overwrite would do
//! it, so a shared one is not written over.

use alloc::vec::Vec;

use super::file::Files;
use super::truncate::release;
use super::write::{Below, Pool, Stretch, check_space, classify, write_from};
use super::writeback::writeback;
use crate::btree::bmap::Fork;
use crate::error::Result;
use crate::format::extent::Extent;
use crate::format::time::Timestamp;
use crate::inode::bmap;
use crate::inode::core::core;
use crate::inode::flags::extsize_of;
use crate::journal::{Store, Transaction};
use crate::space::refcount;
use crate::units::{FileBlock, Ino};

/// The part of a file that an operation is about, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// First byte.
    pub from: u64,
    /// Behind the last byte.
    pub to: u64,
}

/// A part of a file as blocks.
#[derive(Debug)]
struct Cut {
    /// Whole blocks inside.
    whole: (FileBlock, FileBlock),
    /// Pieces of blocks before and behind, in bytes, as far as they hold data inside the file.
    edges: Vec<Part>,
}

/// Cuts `part` of a file that is `size` bytes long. The file must be written back.
fn cut(store: &mut Store, ino: Ino, part: Part, size: u64) -> Result<Cut> {
    let geometry = store.geometry().clone();
    let (first, last) = (geometry.file_block_up(part.from), geometry.file_block(part.to));
    let (first_byte, last_byte) = (geometry.file_byte(first), geometry.file_byte(last));
    let pieces = if first > last {
        [part, Part { from: 0, to: 0 }]
    } else {
        [Part { from: part.from, to: first_byte }, Part { from: last_byte, to: part.to }]
    };
    let mut edges = Vec::new();
    for piece in pieces {
        let piece = Part { to: piece.to.min(size), ..piece };
        if piece.from < piece.to && holds_data(store, ino, geometry.file_block(piece.from))? {
            edges.push(piece);
        }
    }
    Ok(Cut { whole: (first, last), edges })
}

fn holds_data(store: &mut Store, ino: Ino, block: FileBlock) -> Result<bool> {
    let found = bmap::lookup(&mut Transaction::new(store), ino, Fork::Data, block)?;
    Ok(found.and_then(|extent| extent.within(block, block.plus(1))).is_some_and(|extent| !extent.unwritten))
}

impl Cut {
    /// What lies below the edges.
    fn stretches(&self, store: &mut Store, ino: Ino) -> Result<Vec<Stretch>> {
        let geometry = store.geometry().clone();
        let parts: Vec<_> = self.edges.iter().map(|edge| geometry.file_block(edge.from)).collect();
        let parts: Vec<_> = parts.into_iter().map(|block| (block, block.plus(1))).collect();
        classify(store, ino, &parts)
    }

    /// Zeroes the edges in memory.
    fn zero_edges(&self, store: &mut Store, files: &mut Files, ino: Ino, now: Timestamp) -> Result<()> {
        for edge in &self.edges {
            let zeros = alloc::vec![0; (edge.to - edge.from) as usize];
            write_from(store, files, ino, edge.from, &zeros, now, Pool::Open)?;
        }
        // On to the device: what is reserved for the file counts on its extents.
        writeback(store, files, ino, false)
    }
}

/// Forgets where a file's copies of shared blocks were to go.
pub(super) fn drop_staging(store: &mut Store, files: &mut Files, ino: Ino) {
    if files.get(ino).is_none() {
        return;
    }
    let geometry = store.geometry().clone();
    let staging = files.change(&geometry, ino, 0, |file| file.staging.take());
    release(store, staging.into_iter().map(|(_, staging)| staging));
    files.drop_idle(ino);
}

/// Makes `part` of a file read as zeros and gives back the whole blocks in it. The file must be written back.
///
/// # Errors
/// [`Error::NoSpace`](crate::Error::NoSpace) when there is no room for copies of shared blocks at the edges; nothing has
/// changed then. Those of the device: part of it may be done then.
pub fn punch(store: &mut Store, files: &mut Files, ino: Ino, part: Part, now: Timestamp) -> Result<()> {
    let size = core(&mut Transaction::new(store), ino)?.size.get();
    let cut = cut(store, ino, part, size)?;
    let stretches = cut.stretches(store, ino)?;
    check_space(&mut Transaction::new(store), files, ino, stretches.iter(), Pool::Open)?;
    drop_staging(store, files, ino);
    cut.zero_edges(store, files, ino, now)?;
    unmap(store, ino, cut.whole.0, cut.whole.1)
}

/// Gives the blocks of `from..to` back, in as many transactions as the log asks for.
fn unmap(store: &mut Store, ino: Ino, from: FileBlock, to: FileBlock) -> Result<()> {
    let mut next = Some(from);
    while let Some(from) = next.filter(|&from| from < to) {
        let mut tx = Transaction::new(store);
        next = bmap::unmap_some(&mut tx, ino, Fork::Data, from, to)?;
        tx.commit()?;
    }
    Ok(())
}

/// Makes `part` of a file unwritten: it reads as zeros and has blocks for all of it. The file must be written back.
///
/// Blocks of its own stay where they are; shared ones are let go, and others take their place.
///
/// # Errors
/// [`Error::NoSpace`](crate::Error::NoSpace) when there is no room for the blocks that are missing; nothing has changed
/// then. Those of the device: part of it may be done then.
pub fn zero(store: &mut Store, files: &mut Files, ino: Ino, part: Part, now: Timestamp) -> Result<()> {
    let geometry = store.geometry().clone();
    let before = core(&mut Transaction::new(store), ino)?;
    // With a hint the blocks that come in whole units are others, as in Linux.
    let keeps_blocks = extsize_of(&before) <= 1;
    let cut = cut(store, ino, part, before.size.get())?;
    let around = (geometry.file_block(part.from), geometry.file_block_up(part.to));
    let mut wanted = classify(store, ino, &[around])?;
    if !keeps_blocks {
        wanted.iter_mut().for_each(|stretch| stretch.below = Below::Hole);
    }
    // Where written blocks become unwritten, an extent may be cut at both ends.
    for block in [around.0, around.1] {
        wanted.push(Stretch { from: block, to: block.plus(1), below: Below::Unwritten });
    }
    super::preallocate::check_holes(store, files, ino, &wanted)?;
    drop_staging(store, files, ino);
    cut.zero_edges(store, files, ino, now)?;
    let (from, to) = cut.whole;
    if keeps_blocks && from < to {
        make_unwritten(store, ino, from, to)?;
    } else {
        unmap(store, ino, from, to)?;
    }
    super::preallocate::fill_holes(store, ino, around.0, around.1)
}

/// Turns written blocks of `from..to` into unwritten ones, and shared ones into holes.
fn make_unwritten(store: &mut Store, ino: Ino, from: FileBlock, to: FileBlock) -> Result<()> {
    let mut at = from;
    while at < to {
        let mut tx = Transaction::new(store);
        while at < to && !tx.is_full() {
            let found = bmap::lookup(&mut tx, ino, Fork::Data, at)?.and_then(|extent| extent.within(at, to));
            let Some(extent) = found else {
                at = to;
                break;
            };
            at = clear_some(&mut tx, ino, extent)?;
        }
        tx.commit()?;
    }
    Ok(())
}

/// Clears the start of an extent; returns where to go on.
fn clear_some(tx: &mut Transaction<'_>, ino: Ino, extent: Extent) -> Result<FileBlock> {
    if extent.unwritten {
        return Ok(extent.file_end());
    }
    let extent = extent.part(0, extent.len.min(bmap::STEP_FSBLOCKS));
    let (ag, start) = tx.geometry().split(extent.start);
    let (own, shared) = match refcount::first_not_to_overwrite(tx, ag, start, extent.len)? {
        None => (extent.len, 0),
        Some((first, len)) if first == start => (0, len),
        Some((first, _)) => (first.0 - start.0, 0),
    };
    let part = extent.part(0, if own > 0 { own } else { shared });
    if own > 0 {
        bmap::set_unwritten(tx, ino, part.file_block, part.file_end())?;
    } else {
        bmap::unmap(tx, ino, Fork::Data, part.file_block, part.file_end())?;
    }
    Ok(part.file_end())
}

/// The parts of `part`, in whole blocks, that others own too.
///
/// # Errors
/// Those of reading the trees.
pub fn shared_parts(store: &mut Store, ino: Ino, part: Part) -> Result<Vec<Part>> {
    let geometry = store.geometry().clone();
    let blocks = (geometry.file_block(part.from), geometry.file_block_up(part.to));
    let stretches = classify(store, ino, &[blocks])?;
    let shared = stretches.iter().filter(|stretch| stretch.below == Below::Shared);
    let bytes = |stretch: &Stretch| Part {
        from: geometry.file_byte(stretch.from),
        to: geometry.file_byte(stretch.to),
    };
    Ok(shared.map(bytes).collect())
}

/// Gives a file blocks for all of `part`, unwritten where it had none. The file must be written back.
///
/// # Errors
/// [`Error::NoSpace`](crate::Error::NoSpace) when there is no room for them; nothing has changed then. Those of the
/// device.
pub fn preallocate(store: &mut Store, files: &Files, ino: Ino, part: Part) -> Result<()> {
    let geometry = store.geometry().clone();
    let (from, to) = (geometry.file_block(part.from), geometry.file_block_up(part.to));
    let mut wanted = classify(store, ino, &[(from, to)])?;
    wanted.retain(|stretch| stretch.below == Below::Hole);
    super::preallocate::check_holes(store, files, ino, &wanted)?;
    super::preallocate::fill_holes(store, ino, from, to)
}
