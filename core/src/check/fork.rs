//! A fork's extents, from the list in the inode or through its bmbt.
//!
//! Source: "Extent List", "B+tree Extent List".

use alloc::vec::Vec;

use super::btree::{Key, MAX_HEIGHT, Role, Tree, Walk};
use super::context::Context;
use crate::error::{Place, Result};
use crate::format::btree::RmapRec;
use crate::format::extent::Extent;
use crate::format::header::{be_u16, be_u64};
use crate::format::inode::fork_format;
use crate::units::{FileBlock, Ino};

/// Bytes in front of the keys of a root in an inode.
const ROOT_HEADER_BYTES: usize = 4;

/// A fork as its inode describes it.
#[derive(Clone, Copy)]
pub(super) struct Fork<'b> {
    pub(super) ino: Ino,
    /// Its bytes in the inode.
    pub(super) bytes: &'b [u8],
    pub(super) format: u8,
    /// Extents that the inode counts.
    pub(super) extents: u64,
    pub(super) is_attr: bool,
    /// Whether extents may be unwritten: only those of regular files.
    pub(super) may_be_unwritten: bool,
    /// Whether extents lie on the realtime device.
    pub(super) is_realtime: bool,
}

/// What the walk over a fork found.
pub(super) struct Walked {
    /// Valid extents, by file block.
    pub(super) extents: Vec<Extent>,
    /// Blocks of the bmbt.
    pub(super) bmbt: Vec<u64>,
    /// Fsblocks of extents and bmbt.
    pub(super) blocks: u64,
    /// Whether everything could be read and was valid.
    pub(super) is_complete: bool,
}

impl Fork<'_> {
    /// Flags of reverse mappings of its extents.
    pub(super) fn rmap_flags(&self) -> u64 {
        if self.is_attr { RmapRec::ATTR_FORK } else { 0 }
    }

    fn name(&self) -> &'static str {
        if self.is_attr { "attribute fork" } else { "data fork" }
    }
}

/// Reads all extents of a fork, checking each.
pub(super) fn walk(cx: &mut Context<'_>, fork: &Fork<'_>) -> Result<Walked> {
    let mut walked = Walked { extents: Vec::new(), bmbt: Vec::new(), blocks: 0, is_complete: true };
    let mut end = FileBlock(0);
    let mut count = 0_u64;
    let mut on_record = |cx: &mut Context<'_>, place: Place, record: &[u8]| {
        let extent = Extent::decode(record);
        count += 1;
        if check_extent(cx, fork, place, &extent, end) {
            end = extent.file_end();
            walked.blocks += u64::from(extent.len);
            walked.extents.push(extent);
        } else {
            walked.is_complete = false;
        }
    };
    let place = Place::ino(fork.ino);
    let fits = fork.bytes.len() as u64 / Extent::BYTES as u64;
    let mut bmbt = (Vec::new(), true);
    match fork.format {
        fork_format::EXTENTS if fork.extents <= fits => {
            for record in fork.bytes.chunks_exact(Extent::BYTES).take(fork.extents as usize) {
                on_record(cx, place, record);
            }
        }
        fork_format::EXTENTS => {
            cx.report.bounds(fork.name(), place, "nextents", fork.extents);
            walked.is_complete = false;
            return Ok(walked);
        }
        _ => {
            if fork.extents <= fits {
                cx.report.bounds(fork.name(), place, "nextents (a btree without need)", fork.extents);
            }
            bmbt = walk_bmbt(cx, fork, &mut on_record)?;
        }
    }
    cx.report.summary.extents += count;
    if bmbt.1 {
        cx.report.expect(fork.name(), place, "nextents", count, fork.extents);
    }
    walked.blocks += bmbt.0.len() as u64;
    walked.bmbt = bmbt.0;
    walked.is_complete &= bmbt.1;
    Ok(walked)
}

fn check_extent(
    cx: &mut Context<'_>,
    fork: &Fork<'_>,
    place: Place,
    extent: &Extent,
    end: FileBlock,
) -> bool {
    let mut place = place;
    (place.ino, place.file_block) = (Some(fork.ino), Some(extent.file_block));
    let name = fork.name();
    if !fork.is_realtime && !cx.geometry.is_valid_extent(extent.start, extent.len) {
        cx.report.bounds(name, place, "startblock", extent.start.0);
        return false;
    }
    if extent.len == 0 || extent.file_block < end {
        cx.report.bounds(name, place, "startoff (out of order)", extent.file_block.0);
        return false;
    }
    if extent.unwritten && !fork.may_be_unwritten {
        cx.report.rule(name, place, "an unwritten extent outside of a regular file");
    }
    true
}

/// Walks from the root in the inode. Returns the blocks, and whether all could be read.
fn walk_bmbt(
    cx: &mut Context<'_>,
    fork: &Fork<'_>,
    on_record: &mut super::btree::OnRecord<'_>,
) -> Result<(Vec<u64>, bool)> {
    let place = Place::ino(fork.ino);
    let level = u32::from(be_u16(fork.bytes, 0));
    let count = usize::from(be_u16(fork.bytes, 2));
    let max = fork.bytes.len().saturating_sub(ROOT_HEADER_BYTES) / 16;
    if !(1..=MAX_HEIGHT).contains(&level) || count == 0 || count > max {
        cx.report.bounds("bmbt root", place, "level or numrecs", u64::from(level) << 16 | count as u64);
        return Ok((Vec::new(), false));
    }
    let mut walk = Walk::new(Tree::Bmbt(fork.ino), level - 1);
    let role = if count == 1 { Role::OnlyChild } else { Role::Child };
    for index in 0..count {
        let mut key = Key::default();
        let at = ROOT_HEADER_BYTES + 8 * index;
        key[..8].copy_from_slice(&fork.bytes[at..at + 8]);
        let address = be_u64(fork.bytes, ROOT_HEADER_BYTES + 8 * max + 8 * index);
        walk.descend(cx, address, level - 1, role, Some(key), on_record)?;
    }
    walk.finish(cx);
    Ok((walk.blocks, walk.is_complete))
}
