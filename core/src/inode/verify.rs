//! What must hold of an inode by itself, before anything is done with it.

use super::fork::Fork;
use super::view::Inode;
use crate::error::Problem;
use crate::format::extent::Extent;
use crate::format::features::Incompat;
use crate::format::inode::{FileType, Flags2, fork_format};
use crate::geometry::Geometry;

/// Smallest root of a bmbt: level, count, one key, one pointer.
const SMALLEST_ROOT_BYTES: usize = 4 + 16;

/// The first thing that is wrong with an inode in use, if any.
pub(super) fn problem(inode: &Inode, geometry: &Geometry) -> Option<Problem> {
    let core = &inode.core;
    let is_link_or_dir = matches!(inode.file_type, FileType::Directory | FileType::Symlink);
    if core.version != 3 {
        return bounds("version", core.version);
    }
    if core.size.get() >> 63 != 0 {
        return bounds("size", core.size.get());
    }
    if is_link_or_dir && core.size.get() == 0 && core.nlink.get() != 0 {
        return bounds("size", 0_u8);
    }
    let extents = inode.nextents(Fork::Data).saturating_add(inode.nextents(Fork::Attr));
    if extents > core.nblocks.get() {
        return bounds("nextents", extents);
    }
    // One that shares blocks with itself counts them more than once.
    let is_reflink = core.flags2().contains(Flags2::REFLINK);
    if core.nblocks.get() > geometry.dblocks.saturating_add(geometry.rblocks) && !is_reflink {
        return bounds("nblocks", core.nblocks.get());
    }
    flags_problem(inode, geometry).or_else(|| data_problem(inode)).or_else(|| attr_problem(inode))
}

fn flags_problem(inode: &Inode, geometry: &Geometry) -> Option<Problem> {
    let flags2 = inode.core.flags2();
    let needs = |flag: Flags2, ok: bool| flags2.contains(flag) && !ok;
    let wrong = needs(Flags2::BIGTIME, geometry.incompat.contains(Incompat::BIGTIME))
        || needs(Flags2::NREXT64, geometry.incompat.contains(Incompat::NREXT64))
        || needs(Flags2::METADATA, geometry.incompat.contains(Incompat::METADIR))
        || needs(Flags2::COWEXTSIZE, geometry.has_reflink())
        || needs(Flags2::REFLINK, geometry.has_reflink() && inode.file_type == FileType::Regular);
    if wrong { bounds("flags2", flags2.bits()) } else { None }
}

fn data_problem(inode: &Inode) -> Option<Problem> {
    let format = inode.core.format;
    let forkoff = usize::from(inode.core.forkoff) * 8;
    if forkoff != 0 && forkoff >= inode.literal.len() {
        return bounds("forkoff", inode.core.forkoff);
    }
    let is_metadata = inode.core.flags2().contains(Flags2::METADATA);
    let fits_type = match inode.file_type {
        FileType::Regular => {
            matches!(format, fork_format::EXTENTS | fork_format::BTREE)
                || is_metadata && format == fork_format::META_BTREE
        }
        FileType::Directory => {
            matches!(format, fork_format::LOCAL | fork_format::EXTENTS | fork_format::BTREE)
        }
        FileType::Symlink => matches!(format, fork_format::LOCAL | fork_format::EXTENTS),
        _ => format == fork_format::DEV,
    };
    if !fits_type {
        return bounds("format", format);
    }
    if format == fork_format::LOCAL && inode.core.size.get() > inode.data_fork().len() as u64 {
        return bounds("size", inode.core.size.get());
    }
    extents_problem("nextents", inode, Fork::Data)
}

fn attr_problem(inode: &Inode) -> Option<Problem> {
    let format = inode.core.aformat;
    if !inode.has_attr_fork() {
        // A zero stands there in inodes whose chunk was made by an older kernel.
        return match format {
            fork_format::EXTENTS | fork_format::DEV if inode.nextents(Fork::Attr) == 0 => None,
            _ => bounds("aformat", format),
        };
    }
    match format {
        fork_format::LOCAL | fork_format::EXTENTS | fork_format::BTREE => {
            extents_problem("anextents", inode, Fork::Attr)
        }
        _ => bounds("aformat", format),
    }
}

/// Whether the number of extents suits the format of the fork.
fn extents_problem(field: &'static str, inode: &Inode, fork: Fork) -> Option<Problem> {
    let count = inode.nextents(fork);
    let bytes = inode.fork(fork).len();
    let fit = (bytes / Extent::BYTES) as u64;
    let ok = match inode.fork_format(fork) {
        fork_format::EXTENTS => count <= fit,
        fork_format::BTREE => count > fit && bytes >= SMALLEST_ROOT_BYTES,
        fork_format::META_BTREE => true,
        _ => count == 0,
    };
    if ok { None } else { bounds(field, count) }
}

fn bounds(field: &'static str, found: impl Into<u64>) -> Option<Problem> {
    Some(Problem::Bounds { field, found: found.into() })
}
