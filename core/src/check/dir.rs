//! Directories: every form, and where the entries lead.
//!
//! Source: "Directories": "Short Form", "Block", "Leaf", "Node Directories".

use alloc::vec::Vec;

use super::context::{Context, State};
use super::da::FileMap;
use super::dir_index;
use super::fork;
use super::inode::{core_of, data_fork, reread};
use super::links::{Node, fingerprint};
use crate::error::{Place, Result};
use crate::format::BlockKind;
use crate::format::header::{be_u16, be_u32, be_u64};
use crate::format::inode::{FileType, fork_format};
use crate::sort;
use crate::units::{FileBlock, Ino};

const NAME: &str = "directory";
/// Header of data blocks.
pub(super) const HEADER_BYTES: usize = 64;
/// Size of an entry without its name, before rounding up.
const ENTRY_BYTES: usize = 12;
/// Where the entries begin that a shortform directory would have as a block: behind `.` and `..`.
const FIRST_OFFSET: u16 = 96;
/// Directory entries of whiteouts, which are character devices.
const WHITEOUT: u8 = 8;
const CHAR_DEVICE: u8 = 3;

/// Bad blocks after which a directory is given up: they could be all blocks of the volume, in every directory.
const MAX_BAD_BLOCKS: u32 = 32;

/// A directory under check.
pub(super) struct Dir {
    pub(super) ino: Ino,
    generation: u32,
    subdirs: u32,
    dotdot: Ino,
}

/// A name in a data block, as the index must have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hashed {
    pub(super) hash: u32,
    /// Offset in the data space over 8.
    pub(super) address: u32,
    /// Tells names of equal hash apart.
    pub(super) fingerprint: u64,
}

/// What the data blocks hold.
#[derive(Default)]
pub(super) struct Data {
    pub(super) names: Vec<Hashed>,
    /// Index of each data block, and its longest free region in bytes.
    pub(super) best: Vec<(u64, u16)>,
}

/// Checks one directory.
pub(super) fn check(cx: &mut Context<'_>, state: &mut State, ino: Ino) -> Result<()> {
    let Some(bytes) = reread(cx, ino)? else { return Ok(()) };
    let core = core_of(&bytes);
    let fork = data_fork(ino, &bytes, &core);
    let mut dir = Dir { ino, generation: core.gen_.get(), subdirs: 0, dotdot: Ino::NULL };
    let is_complete = match core.format {
        fork_format::LOCAL => shortform(cx, state, &mut dir, fork.bytes, core.size.get()),
        fork_format::EXTENTS | fork_format::BTREE => {
            // What is wrong with the fork was reported with the inode.
            let was_muted = core::mem::replace(&mut cx.report.is_muted, true);
            let counted = cx.report.summary.extents;
            let walked = fork::walk(cx, &fork);
            cx.report.summary.extents = counted;
            cx.report.is_muted = was_muted;
            let walked = walked?;
            let map = FileMap { ino, extents: &walked.extents };
            walked.is_complete && blocks(cx, state, &mut dir, &map, core.size.get())?
        }
        _ => false,
    };
    state.names_complete &= is_complete;
    if let Some(node) = state.node(&cx.geometry, ino) {
        node.subdirs = dir.subdirs;
        node.dotdot = dir.dotdot;
    }
    Ok(())
}

/// The hash of a name.
pub(super) fn name_hash(name: &[u8], ignore_case: bool) -> u32 {
    let mut hash = 0_u32;
    // Four rounds of one byte each are the same as one round of four bytes.
    for &byte in name {
        // Of Latin-1, though the feature is called after ASCII.
        let is_upper = byte.is_ascii_uppercase() || (0xc0..=0xde).contains(&byte) && byte != 0xd7;
        let byte = if ignore_case && is_upper { byte + 32 } else { byte };
        hash = u32::from(byte) ^ hash.rotate_left(7);
    }
    hash
}

pub(super) fn ignores_case(cx: &Context<'_>) -> bool {
    cx.geometry.ignores_case()
}

/// Takes in one entry: `.` and `..` excepted.
fn entry(
    cx: &mut Context<'_>,
    state: &mut State,
    dir: &mut Dir,
    name: &[u8],
    child: Ino,
    file_type: u8,
    place: Place,
) {
    cx.report.summary.entries += 1;
    if name.is_empty() || name.contains(&0) || name.contains(&b'/') || name == b"." || name == b".." {
        cx.report.rule(NAME, place, "a name is not legal");
    }
    let geometry = alloc::sync::Arc::clone(&cx.geometry);
    let found = if geometry.is_valid_ino(child) { state.node(&geometry, child) } else { None };
    let Some(node) = found else {
        cx.report.bounds(NAME, place, "inumber (not in use)", child.0);
        return;
    };
    let kind = if file_type == WHITEOUT { CHAR_DEVICE } else { file_type };
    if node.kind != Node::UNKNOWN {
        cx.report.expect(NAME, place, "ftype", node.kind, kind);
    }
    node.names = node.names.saturating_add(1);
    node.parents = node.parents.wrapping_add(fingerprint(dir.ino, dir.generation, name));
    if node.is_directory() {
        node.parent = dir.ino;
        dir.subdirs = dir.subdirs.saturating_add(1);
    }
}

/// Returns whether all could be read.
fn shortform(cx: &mut Context<'_>, state: &mut State, dir: &mut Dir, fork: &[u8], size: u64) -> bool {
    let place = Place::ino(dir.ino);
    let bytes = &fork[..fork.len().min(usize::try_from(size).unwrap_or(usize::MAX))];
    let count = usize::from(bytes.first().copied().unwrap_or(0));
    let large = bytes.get(1).copied().unwrap_or(0);
    let width = if large > 0 { 8 } else { 4 };
    let number = |at: usize| Ino(if width == 8 { be_u64(bytes, at) } else { be_u32(bytes, at).into() });
    let mut at = 2 + width;
    if bytes.len() < at {
        cx.report.bounds(NAME, place, "size of a short form", size);
        return false;
    }
    dir.dotdot = number(2);
    let mut large_found = u32::from(dir.dotdot.0 > u32::MAX.into());
    let mut next_offset = FIRST_OFFSET;
    for _ in 0..count {
        let name_len = usize::from(bytes.get(at).copied().unwrap_or(0));
        let name_at = at + 3;
        let Some(name) = bytes.get(name_at..name_at + name_len) else {
            cx.report.rule(NAME, place, "the short form ends inside an entry");
            return false;
        };
        let offset = be_u16(bytes, at + 1);
        if offset < next_offset || !offset.is_multiple_of(8) {
            cx.report.bounds(NAME, place, "offset in the short form", offset);
        }
        next_offset = offset.saturating_add((name_len + ENTRY_BYTES).next_multiple_of(8) as u16);
        let file_type = bytes.get(name_at + name_len).copied().unwrap_or(0);
        let child = number(name_at + name_len + 1);
        large_found += u32::from(child.0 > u32::MAX.into());
        at = name_at + name_len + 1 + width;
        if at > bytes.len() {
            cx.report.rule(NAME, place, "the short form ends inside an entry");
            return false;
        }
        entry(cx, state, dir, name, child, file_type, place);
    }
    cx.report.expect(NAME, place, "size of the short form", at as u64, size);
    cx.report.expect(NAME, place, "i8count", large_found, large);
    true
}

/// Block, leaf and node forms. Returns whether all could be read.
fn blocks(
    cx: &mut Context<'_>,
    state: &mut State,
    dir: &mut Dir,
    map: &FileMap<'_>,
    size: u64,
) -> Result<bool> {
    let place = Place::ino(dir.ino);
    let (dirblklog, leaf_start) = (cx.geometry.dirblklog, cx.geometry.dir_leaf_start());
    let Some(last) = block_indexes(map, dirblklog, FileBlock(0), leaf_start).last() else {
        cx.report.rule(NAME, place, "has no blocks");
        return Ok(false);
    };
    let block_bytes = u64::from(cx.geometry.dir_blocksize());
    cx.report.expect(NAME, place, "size", last.saturating_add(1).saturating_mul(block_bytes), size);
    let is_block_form = map.extents.iter().all(|extent| extent.file_block < leaf_start);
    if is_block_form && last > 0 {
        cx.report.rule(NAME, place, "has several data blocks but no index");
        return Ok(false);
    }
    let kind = if is_block_form { BlockKind::DirBlock } else { BlockKind::DirData };
    let mut data = Data::default();
    let mut bad = 0;
    for index in block_indexes(map, dirblklog, FileBlock(0), leaf_start) {
        if bad > MAX_BAD_BLOCKS {
            cx.report.rule(NAME, place, "too many bad blocks: the rest is not read");
            break;
        }
        let file_block = FileBlock(index << cx.geometry.dirblklog);
        let Some((_, bytes)) = map.block(cx, &[kind], file_block, cx.geometry.dir_fsblocks())? else {
            bad += 1;
            continue;
        };
        let place = Place::file_block(dir.ino, file_block);
        let end = if is_block_form { dir_index::block_form_end(&bytes) } else { Some(bytes.len()) };
        let Some(end) = end else {
            cx.report.rule(NAME, place, "the index of the block form does not fit");
            return Ok(false);
        };
        bad += u32::from(!data_block(cx, state, dir, &mut data, &bytes[..end], index, place));
        if is_block_form && bad == 0 {
            dir_index::block_form(cx, place, &bytes[end..], &mut data);
        }
    }
    if bad > 0 {
        return Ok(false);
    }
    let is_complete = is_block_form || dir_index::check(cx, map, &mut data, last)?;
    duplicates(cx, place, &mut data);
    Ok(is_complete)
}

/// Indexes of the directory blocks that are mapped, in part at least, between two file blocks.
pub(super) fn block_indexes<'m>(
    map: &'m FileMap<'_>,
    dirblklog: u8,
    from: FileBlock,
    to: FileBlock,
) -> impl Iterator<Item = u64> + use<'m> {
    let log = dirblklog;
    let mut next = 0;
    map.extents.iter().filter_map(move |extent| extent.within(from, to)).flat_map(move |extent| {
        let first = extent.file_block.since(from) >> log;
        let last = (extent.file_end().since(from) - 1) >> log;
        let range = first.max(next)..=last;
        next = last + 1;
        range
    })
}

/// Checks the entries and free regions of a data block. Returns whether all could be read.
fn data_block(
    cx: &mut Context<'_>,
    state: &mut State,
    dir: &mut Dir,
    data: &mut Data,
    bytes: &[u8],
    index: u64,
    place: Place,
) -> bool {
    let ignore_case = ignores_case(cx);
    let start = index * u64::from(cx.geometry.dir_blocksize());
    let mut free: Vec<(u16, u16)> = Vec::new();
    let mut at = HEADER_BYTES;
    while at < bytes.len() {
        let is_free = be_u16(bytes, at) == 0xffff;
        let name_len = usize::from(bytes.get(at + 8).copied().unwrap_or(0));
        let len = if is_free {
            usize::from(be_u16(bytes, at + 2))
        } else {
            (name_len + ENTRY_BYTES).next_multiple_of(8)
        };
        if len < 8 || !len.is_multiple_of(8) || len > bytes.len() - at {
            cx.report.bounds(NAME, place, "length of an entry or a free region", len as u64);
            return false;
        }
        cx.report.expect(
            NAME,
            place,
            "tag of an entry or a free region",
            at as u64,
            be_u16(bytes, at + len - 2),
        );
        if is_free {
            if free.last().is_some_and(|&(offset, len)| usize::from(offset) + usize::from(len) == at) {
                cx.report.rule(NAME, place, "two free regions are neighbours");
            }
            free.push((at as u16, len as u16));
        } else {
            let name = &bytes[at + 9..at + 9 + name_len];
            let (child, file_type) = (Ino(be_u64(bytes, at)), bytes[at + 9 + name_len]);
            let address = (start + at as u64) / 8;
            data.names.push(Hashed {
                hash: name_hash(name, ignore_case),
                address: address as u32,
                fingerprint: fingerprint(Ino(0), 0, name),
            });
            match (index, at) {
                (0, 64 | 80) => {
                    dot_or_dotdot(cx, dir, name, child, place);
                    cx.report.expect(NAME, place, "ftype", FileType::Directory.dir_code(), file_type);
                }
                _ => entry(cx, state, dir, name, child, file_type, place),
            }
        }
        at += len;
    }
    if index == 0 && dir.dotdot.is_null() {
        cx.report.rule(NAME, place, "does not begin with . and ..");
    }
    best_free(cx, bytes, free, place);
    data.best.push((index, be_u16(bytes, 50)));
    true
}

fn dot_or_dotdot(cx: &mut Context<'_>, dir: &mut Dir, name: &[u8], child: Ino, place: Place) {
    match name {
        b"." => cx.report.expect(NAME, place, ".", dir.ino.0, child.0),
        b".." => dir.dotdot = child,
        _ => cx.report.rule(NAME, place, "does not begin with . and .."),
    }
}

/// The header names the three longest free regions.
fn best_free(cx: &mut Context<'_>, bytes: &[u8], free: Vec<(u16, u16)>, place: Place) {
    let stored = [48, 52, 56].map(|at| (be_u16(bytes, at), be_u16(bytes, at + 2)));
    let mut lens: Vec<u16> = free.iter().map(|&(_, len)| len).collect();
    sort::by_number(&mut lens, |&len| !u64::from(len));
    for (index, (offset, len)) in stored.into_iter().enumerate() {
        let expected = lens.get(index).copied().unwrap_or(0);
        cx.report.expect(NAME, place, "bestfree", expected, len);
        if len != 0 && !free.contains(&(offset, len)) {
            cx.report.bounds(NAME, place, "bestfree offset", offset);
        }
        if len == 0 {
            cx.report.expect(NAME, place, "bestfree offset", 0_u32, offset);
        }
    }
}

/// No name stands in a directory twice.
fn duplicates(cx: &mut Context<'_>, place: Place, data: &mut Data) {
    sort::by_words(&mut data.names, |name| (u64::from(name.hash), name.fingerprint));
    let same = |pair: &&[Hashed]| (pair[0].hash, pair[0].fingerprint) == (pair[1].hash, pair[1].fingerprint);
    let count = data.names.windows(2).filter(same).count();
    if count > 0 {
        cx.report.rule(NAME, place, "holds a name twice");
    }
}
