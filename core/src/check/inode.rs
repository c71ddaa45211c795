//! Every inode: its core, its forks, and the blocks that they own.
//!
//! Source: "On-Disk Inode".

use alloc::sync::Arc;
use alloc::vec::Vec;

use zerocopy::FromBytes;

use super::attr;
use super::context::{Context, State};
use super::fork::{self, Fork, Walked};
use super::links::Node;
use crate::error::{Place, Result};
use crate::format::BlockKind;
use crate::format::btree::{INODES_PER_CHUNK, InodeRec, RmapRec};
use crate::format::features::{Incompat, RoCompat};
use crate::format::header::be_u32;
use crate::format::inode::{CORE_BYTES, Dinode, FileType, Flags, Flags2, fork_format};
use crate::units::{AgBlock, AgIno, AgNumber, FsBlock, Ino, MAX_EXTENT_FSBLOCKS};

const NAME: &str = "inode";
/// Longest target of a symlink, in bytes.
const MAX_SYMLINK_BYTES: u64 = 1024;

/// Checks every inode; returns the directories.
pub(super) fn check_all(cx: &mut Context<'_>, state: &mut State) -> Result<Vec<Ino>> {
    let mut directories = Vec::new();
    for ag in cx.geometry.ags() {
        let chunks = core::mem::take(&mut state.ags[ag.0 as usize].chunks);
        let mut nodes = Vec::new();
        for chunk in &chunks {
            check_chunk(cx, state, ag, chunk, &mut nodes)?;
        }
        cx.report.summary.inodes += nodes.len() as u64;
        let is_directory = |node: &&Node| node.kind == FileType::Directory.dir_code();
        directories.extend(nodes.iter().filter(is_directory).map(|node| cx.geometry.ino(ag, node.agino)));
        state.ags[ag.0 as usize].nodes = nodes;
    }
    cx.report.summary.directories = directories.len() as u64;
    Ok(directories)
}

fn check_chunk(
    cx: &mut Context<'_>,
    state: &mut State,
    ag: AgNumber,
    chunk: &InodeRec,
    nodes: &mut Vec<Node>,
) -> Result<()> {
    let geometry = Arc::clone(&cx.geometry);
    let present = chunk.present();
    let mut block: (AgBlock, Vec<u8>) = (AgBlock::NULL, Vec::new());
    for slot in (0..INODES_PER_CHUNK).filter(|slot| present & (1 << slot) != 0) {
        let agino = AgIno(chunk.startino.0 + slot);
        let agblock = geometry.agino_block(agino);
        if block.0 != agblock {
            block = (agblock, cx.read(geometry.ag_byte(ag, agblock), geometry.blocksize as usize)?);
        }
        let at = ((agino.0 & (geometry.inopblock - 1)) << geometry.inodelog) as usize;
        let bytes = &block.1[at..at + geometry.inodesize as usize];
        let is_free = chunk.free & (1 << slot) != 0;
        let ino = geometry.ino(ag, agino);
        nodes.extend(check_one(cx, state, ino, agino, bytes, is_free)?);
    }
    Ok(())
}

/// Reads one inode again, without complaining a second time.
pub(super) fn reread(cx: &mut Context<'_>, ino: Ino) -> Result<Option<Vec<u8>>> {
    let (offset, len) = (cx.geometry.ino_byte(ino), cx.geometry.inodesize as usize);
    let was_muted = core::mem::replace(&mut cx.report.is_muted, true);
    let block = cx.block(&[BlockKind::Inode], offset, len, ino.0, Place::ino(ino));
    cx.report.is_muted = was_muted;
    Ok(block?.map(|(_, bytes)| bytes))
}

pub(super) fn core_of(bytes: &[u8]) -> Dinode {
    Dinode::read_from_prefix(bytes).expect("an inode is longer than its core").0
}

/// The data fork of an inode whose fork offset is valid.
pub(super) fn data_fork<'b>(ino: Ino, bytes: &'b [u8], core: &Dinode) -> Fork<'b> {
    let literal = &bytes[CORE_BYTES..];
    let end = if core.forkoff == 0 { literal.len() } else { usize::from(core.forkoff) * 8 };
    let is_regular = FileType::from_mode(core.mode.get()) == Some(FileType::Regular);
    Fork {
        ino,
        bytes: &literal[..end.min(literal.len())],
        format: core.format,
        extents: core.data_nextents(),
        is_attr: false,
        may_be_unwritten: is_regular,
        is_realtime: core.flags().contains(Flags::REALTIME),
    }
}

fn attr_fork<'b>(ino: Ino, bytes: &'b [u8], core: &Dinode) -> Fork<'b> {
    let start = CORE_BYTES + usize::from(core.forkoff) * 8;
    Fork {
        ino,
        bytes: &bytes[start..],
        format: core.aformat,
        extents: core.attr_nextents(),
        is_attr: true,
        may_be_unwritten: false,
        is_realtime: false,
    }
}

fn check_one(
    cx: &mut Context<'_>,
    state: &mut State,
    ino: Ino,
    agino: AgIno,
    bytes: &[u8],
    is_free: bool,
) -> Result<Option<Node>> {
    let place = Place::ino(ino);
    let offset = cx.geometry.ino_byte(ino);
    if cx.verify(&[BlockKind::Inode], bytes, offset, ino.0, place)?.is_none() {
        (state.owners_complete, state.names_complete) = (false, false);
        return Ok((!is_free).then(|| Node::unknown(agino)));
    }
    let core = core_of(bytes);
    cx.report.expect(NAME, place, "version", 3_u32, core.version);
    if is_free || core.mode.get() == 0 {
        if is_free != (core.mode.get() == 0) {
            cx.report.rule(
                NAME,
                place,
                if is_free {
                    "has a mode, but is free in the inobt"
                } else {
                    "has no mode, but is in use in the inobt"
                },
            );
            state.owners_complete = false;
        }
        if is_free {
            check_free(cx, place, &core);
        }
        return Ok(None);
    }
    let mut node = Node::new(agino, &core);
    let literal = bytes.len() - CORE_BYTES;
    let Some(file_type) = FileType::from_mode(core.mode.get()) else {
        cx.report.bounds(NAME, place, "mode", core.mode.get());
        (state.owners_complete, state.names_complete) = (false, false);
        return Ok(Some(Node::unknown(agino)));
    };
    check_core(cx, place, &core, file_type);
    if usize::from(core.forkoff) * 8 >= literal {
        cx.report.bounds(NAME, place, "forkoff", core.forkoff);
        (state.owners_complete, state.names_complete) = (false, false);
        return Ok(Some(node));
    }
    let blocks = check_data_fork(cx, state, &core, file_type, &data_fork(ino, bytes, &core))?;
    let attr_blocks = check_attr_fork(cx, state, &core, ino, bytes, &mut node)?;
    if let (Some(blocks), Some(attr_blocks)) = (blocks, attr_blocks) {
        cx.report.expect(NAME, place, "nblocks", blocks + attr_blocks, core.nblocks.get());
    }
    Ok(Some(node))
}

/// A free inode owns nothing. Its size may be that of the directory that it was.
fn check_free(cx: &mut Context<'_>, place: Place, core: &Dinode) {
    let report = &mut cx.report;
    report.expect(NAME, place, "nblocks of a free inode", 0_u32, core.nblocks.get());
    report.expect(NAME, place, "nextents of a free inode", 0_u32, core.data_nextents());
    report.expect(NAME, place, "anextents of a free inode", 0_u32, core.attr_nextents());
    report.expect(NAME, place, "forkoff of a free inode", 0_u32, core.forkoff);
    report.expect(NAME, place, "next_unlinked of a free inode", AgIno::NULL.0, core.next_unlinked.get());
    if core.flags2().contains(Flags2::NREXT64) {
        report.expect(NAME, place, "padding of a free inode", 0_u32, core.anextents.get());
    }
    if core.size.get() >> 63 != 0 {
        report.rule(NAME, place, "size is negative");
    }
}

/// Fields of the core that stand for themselves.
fn check_core(cx: &mut Context<'_>, place: Place, core: &Dinode, file_type: FileType) {
    let geometry = Arc::clone(&cx.geometry);
    let (flags, flags2) = (core.flags(), core.flags2());
    let report = &mut cx.report;
    let mut refuse = |broken: bool, rule: &'static str| {
        if broken {
            report.rule(NAME, place, rule);
        }
    };
    let is_regular = file_type == FileType::Regular;
    let reflink = geometry.ro_compat.contains(RoCompat::REFLINK);
    let has_metadir = geometry.incompat.contains(Incompat::METADIR);
    refuse(core.size.get() >> 63 != 0, "size is negative");
    refuse(flags.bits() & !Flags::all().bits() != 0, "has unknown flags");
    refuse(flags2.bits() & !Flags2::all().bits() != 0, "has unknown flags");
    refuse(
        flags2.contains(Flags2::METADATA) && !has_metadir,
        "is flagged as metadata, but the volume has none",
    );
    refuse(core.pad2 != [0; 12], "padding is not zero");
    refuse(!flags2.contains(Flags2::METADATA) && core.metatype.get() != 0, "padding is not zero");
    refuse(
        flags2.contains(Flags2::REFLINK) && !(is_regular && reflink),
        "flagged as sharing blocks, but cannot",
    );
    refuse(flags2.contains(Flags2::COWEXTSIZE) && !reflink, "has a CoW extent size hint, but cannot share");
    refuse(
        flags2.contains(Flags2::BIGTIME) && !geometry.incompat.contains(Incompat::BIGTIME),
        "has large timestamps, but the volume has not",
    );
    let large_counts = flags2.contains(Flags2::NREXT64);
    refuse(
        large_counts && !geometry.incompat.contains(Incompat::NREXT64),
        "has large extent counters, but the volume has not",
    );
    refuse(large_counts && core.anextents.get() != 0, "padding behind large extent counters is not zero");
    refuse(!large_counts && core.big_nextents.get() != 0, "padding before small extent counters is not zero");
    refuse(
        flags.contains(Flags::REALTIME) && geometry.rblocks == 0,
        "lies on a realtime device that is not there",
    );
    let hint = core.extsize.get();
    let has_hint = flags.intersects(Flags::EXTSIZE | Flags::EXTSZINHERIT);
    refuse(hint != 0 && !has_hint || hint > MAX_EXTENT_FSBLOCKS, "extent size hint is not legal");
    let hint = core.cowextsize.get();
    let has_hint = flags2.contains(Flags2::COWEXTSIZE) || flags2.contains(Flags2::METADATA);
    refuse(hint != 0 && !has_hint, "CoW extent size hint without its flag");
    if !core.is_bigtime() {
        let times = [core.atime, core.mtime, core.ctime, core.crtime];
        let is_legal = |time: &zerocopy::big_endian::U64| (time.get() as u32) < 1_000_000_000;
        refuse(!times.iter().all(is_legal), "a timestamp has too many nanoseconds");
    }
}

/// Checks the data fork and notes its blocks. Returns how many, if that is known.
fn check_data_fork(
    cx: &mut Context<'_>,
    state: &mut State,
    core: &Dinode,
    file_type: FileType,
    fork: &Fork<'_>,
) -> Result<Option<u64>> {
    let place = Place::ino(fork.ino);
    let (format, size) = (fork.format, core.size.get());
    let is_legal = match file_type {
        FileType::Regular => matches!(format, fork_format::EXTENTS | fork_format::BTREE),
        FileType::Directory | FileType::Symlink => {
            matches!(format, fork_format::LOCAL | fork_format::EXTENTS | fork_format::BTREE)
        }
        _ => format == fork_format::DEV,
    };
    if !is_legal {
        let is_known = format == fork_format::META_BTREE && core.flags2().contains(Flags2::METADATA);
        if !is_known {
            cx.report.bounds(NAME, place, "format", format);
        }
        state.owners_complete = false;
        return Ok(None);
    }
    if file_type == FileType::Symlink && core.nlink.get() > 0 && !(1..=MAX_SYMLINK_BYTES).contains(&size) {
        cx.report.bounds("symlink", place, "size", size);
    }
    match format {
        fork_format::DEV => Ok(Some(0)),
        fork_format::LOCAL => {
            if size > fork.bytes.len() as u64 {
                cx.report.bounds(NAME, place, "size (contents are in the inode)", size);
            } else if file_type == FileType::Symlink {
                check_target_bytes(cx, place, &fork.bytes[..size as usize]);
            }
            Ok(Some(0))
        }
        _ => {
            let walked = fork::walk(cx, fork)?;
            if file_type == FileType::Symlink && walked.is_complete {
                check_target(cx, fork.ino, size, &walked)?;
            }
            own(cx, state, fork, &walked);
            Ok(walked.is_complete.then_some(walked.blocks))
        }
    }
}

/// Checks the attribute fork and what is in it, and notes its blocks.
fn check_attr_fork(
    cx: &mut Context<'_>,
    state: &mut State,
    core: &Dinode,
    ino: Ino,
    bytes: &[u8],
    node: &mut Node,
) -> Result<Option<u64>> {
    let place = Place::ino(ino);
    if core.forkoff == 0 {
        cx.report.expect(
            NAME,
            place,
            "aformat without an attribute fork",
            fork_format::EXTENTS,
            core.aformat,
        );
        cx.report.expect(NAME, place, "anextents without an attribute fork", 0_u32, core.attr_nextents());
        return Ok(Some(0));
    }
    let fork = attr_fork(ino, bytes, core);
    match fork.format {
        fork_format::LOCAL => {
            attr::check_shortform(cx, &fork, node);
            Ok(Some(0))
        }
        fork_format::EXTENTS | fork_format::BTREE => {
            let walked = fork::walk(cx, &fork)?;
            own(cx, state, &fork, &walked);
            if walked.is_complete {
                attr::check_blocks(cx, ino, &walked.extents, node)?;
            } else {
                node.lose_parents();
            }
            Ok(walked.is_complete.then_some(walked.blocks))
        }
        format => {
            cx.report.bounds(NAME, place, "aformat", format);
            state.owners_complete = false;
            node.lose_parents();
            Ok(None)
        }
    }
}

/// Notes the blocks of a fork.
fn own(cx: &Context<'_>, state: &mut State, fork: &Fork<'_>, walked: &Walked) {
    state.owners_complete &= walked.is_complete;
    let flags = fork.rmap_flags();
    if !fork.is_realtime {
        for extent in &walked.extents {
            let unwritten = if extent.unwritten { RmapRec::UNWRITTEN } else { 0 };
            let offset = extent.file_block.0 | flags | unwritten;
            state.own(&cx.geometry, extent.start, extent.len, fork.ino, offset);
        }
    }
    for &block in &walked.bmbt {
        state.own(&cx.geometry, FsBlock(block), 1, fork.ino, flags | RmapRec::BMBT_BLOCK);
    }
}

/// Checks the blocks of a symlink's target: one header for each extent.
fn check_target(cx: &mut Context<'_>, ino: Ino, size: u64, walked: &Walked) -> Result<()> {
    const HEADER_BYTES: u32 = 56;
    let place = Place::ino(ino);
    let blocksize = cx.geometry.blocksize;
    let room = MAX_SYMLINK_BYTES.div_ceil(u64::from(blocksize - HEADER_BYTES));
    if walked.blocks > room {
        cx.report.bounds("symlink", place, "blocks", walked.blocks);
        return Ok(());
    }
    let mut done = 0_u64;
    for extent in &walked.extents {
        let (offset, len) = (cx.geometry.byte(extent.start), (extent.len * blocksize) as usize);
        let place = Place::file_block(ino, extent.file_block);
        let Some((_, bytes)) = cx.block(&[BlockKind::Symlink], offset, len, ino.0, place)? else {
            return Ok(());
        };
        cx.report.expect("symlink", place, "offset", done, be_u32(&bytes, 4));
        let count = be_u32(&bytes, 8);
        if u64::from(count) > len as u64 - u64::from(HEADER_BYTES) {
            cx.report.bounds("symlink", place, "bytes", count);
            return Ok(());
        }
        check_target_bytes(cx, place, &bytes[HEADER_BYTES as usize..][..count as usize]);
        done += u64::from(count);
    }
    cx.report.expect("symlink", place, "bytes of the target", size, done);
    Ok(())
}

fn check_target_bytes(cx: &mut Context<'_>, place: Place, target: &[u8]) {
    if target.contains(&0) {
        cx.report.rule("symlink", place, "the target holds a NUL");
    }
}
