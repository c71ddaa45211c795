//! Names and inodes together: link counts, parents, a way from the root, unlinked lists, parent pointers.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::context::{Context, State};
use super::inode::{core_of, reread};
use crate::error::{Place, Problem, Result};
use crate::format::features::{Incompat, Version};
use crate::format::inode::{Dinode, FileType, Flags2};
use crate::format::superblock::RawSuperblock;
use crate::units::{AgIno, AgNumber, Ino};

const NAME: &str = "inode";
const UNLINKED_BUCKETS: u32 = 64;

/// An inode that is in use.
pub(super) struct Node {
    pub(super) agino: AgIno,
    /// Type as directory entries have it; [`Node::UNKNOWN`] for an inode that could not be read.
    pub(super) kind: u8,
    flags: u8,
    nlink: u32,
    /// Names that lead here.
    pub(super) names: u32,
    /// Directories in this directory.
    pub(super) subdirs: u32,
    /// The directory that names this directory.
    pub(super) parent: Ino,
    /// Where `..` of this directory leads.
    pub(super) dotdot: Ino,
    /// Fingerprints of the names that lead here, less those of the parent pointers.
    pub(super) parents: u64,
}

const REFLINK: u8 = 1;
const ON_LIST: u8 = 2;
const SYSTEM: u8 = 4;
const PARENTS_UNKNOWN: u8 = 8;
const ON_PATH: u8 = 16;
const REACHED: u8 = 32;
const HAS_NEXT: u8 = 64;

impl Node {
    pub(super) const UNKNOWN: u8 = u8::MAX;

    pub(super) fn new(agino: AgIno, core: &Dinode) -> Self {
        let kind = FileType::from_mode(core.mode.get()).map_or(Self::UNKNOWN, FileType::dir_code);
        let mut flags = if core.flags2().contains(Flags2::REFLINK) { REFLINK } else { 0 };
        if !AgIno(core.next_unlinked.get()).is_null() {
            flags |= HAS_NEXT;
        }
        Self {
            agino,
            kind,
            flags,
            nlink: core.nlink.get(),
            names: 0,
            subdirs: 0,
            parent: Ino::NULL,
            dotdot: Ino::NULL,
            parents: 0,
        }
    }

    /// An inode that is in use but could not be read.
    pub(super) fn unknown(agino: AgIno) -> Self {
        Self {
            agino,
            kind: Self::UNKNOWN,
            flags: PARENTS_UNKNOWN,
            nlink: 0,
            names: 0,
            subdirs: 0,
            parent: Ino::NULL,
            dotdot: Ino::NULL,
            parents: 0,
        }
    }

    pub(super) fn is_directory(&self) -> bool {
        self.kind == FileType::Directory.dir_code()
    }

    /// Whether the inode is flagged as sharing blocks.
    pub(super) fn may_share(&self) -> bool {
        self.flags & REFLINK != 0
    }

    /// Notes that not all parent pointers could be read.
    pub(super) fn lose_parents(&mut self) {
        self.flags |= PARENTS_UNKNOWN;
    }
}

/// A number for a name in a directory, to compare sets of names by their sums.
pub(super) fn fingerprint(dir: Ino, generation: u32, name: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let bytes = dir.0.to_be_bytes().into_iter().chain(generation.to_be_bytes());
    for byte in bytes.chain(name.iter().copied()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    // Spread, so that sums of similar names do not cancel out.
    hash = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^ (hash >> 29)
}

/// Compares all that was learnt about names with the inodes.
pub(super) fn check(cx: &mut Context<'_>, state: &mut State, superblock: &RawSuperblock) -> Result<()> {
    for ag in cx.geometry.ags() {
        for (bucket, head) in core::mem::take(&mut state.ags[ag.0 as usize].unlinked) {
            walk_list(cx, state, ag, bucket, head)?;
        }
    }
    let roots = mark_system_inodes(cx, state, superblock);
    if !state.names_complete {
        let rule = Problem::Rule("not every directory could be read: link counts were not compared");
        cx.report.warn("volume", Place::default(), rule);
        return Ok(());
    }
    for ag in cx.geometry.ags() {
        for node in &state.ags[ag.0 as usize].nodes {
            check_node(cx, cx.geometry.ino(ag, node.agino), node, &roots);
        }
    }
    check_connected(cx, state, &roots);
    Ok(())
}

/// Follows one unlinked list.
fn walk_list(cx: &mut Context<'_>, state: &mut State, ag: AgNumber, bucket: u32, head: AgIno) -> Result<()> {
    let geometry = Arc::clone(&cx.geometry);
    let mut next = head;
    let rule = Problem::Rule("unlinked inodes wait to be freed");
    cx.report.warn("AGI", Place::ag(ag), rule);
    while !next.is_null() {
        let ino = geometry.ino(ag, next);
        let place = Place::ino(ino);
        let node = geometry.is_valid_ino(ino).then(|| state.node(&geometry, ino)).flatten();
        let Some(node) = node else {
            cx.report.rule("AGI", place, "an unlinked list leads to an inode that is not in use");
            return Ok(());
        };
        if node.flags & ON_LIST != 0 || next.0 % UNLINKED_BUCKETS != bucket {
            cx.report.rule("AGI", place, "an inode is on the wrong unlinked list, or on one twice");
            return Ok(());
        }
        node.flags |= ON_LIST;
        if node.nlink != 0 {
            cx.report.expect(NAME, place, "nlink of an unlinked inode", 0_u32, node.nlink);
        }
        let Some(bytes) = reread(cx, ino)? else { return Ok(()) };
        next = AgIno(core_of(&bytes).next_unlinked.get());
    }
    Ok(())
}

/// Marks the inodes that have no name. Returns the roots of directory trees.
fn mark_system_inodes(cx: &mut Context<'_>, state: &mut State, superblock: &RawSuperblock) -> Vec<Ino> {
    let geometry = Arc::clone(&cx.geometry);
    let mut roots = alloc::vec![geometry.rootino];
    let has_metadir = geometry.incompat.contains(Incompat::METADIR);
    if has_metadir {
        roots.push(Ino(superblock.metadirino.get()));
    }
    for &root in &roots {
        match state.node(&geometry, root) {
            Some(node) if node.is_directory() || node.kind == Node::UNKNOWN => {}
            _ => cx.report.rule(NAME, Place::ino(root), "the root is not a directory"),
        }
    }
    if has_metadir {
        return roots;
    }
    let required = [superblock.rbmino, superblock.rsumino];
    let optional = [superblock.uquotino, superblock.gquotino, superblock.pquotino];
    let has_quota = geometry.version.contains(Version::QUOTA);
    let is_used = |ino: u64| has_quota && ino != 0 && ino != u64::MAX;
    let optional = optional.into_iter().filter(|ino| is_used(ino.get()));
    for ino in required.into_iter().chain(optional).map(|ino| Ino(ino.get())) {
        match state.node(&geometry, ino) {
            Some(node) if node.kind == FileType::Regular.dir_code() || node.kind == Node::UNKNOWN => {
                node.flags |= SYSTEM;
            }
            _ => cx.report.rule(NAME, Place::ino(ino), "the superblock names it, but it is not a file"),
        }
    }
    roots
}

fn check_node(cx: &mut Context<'_>, ino: Ino, node: &Node, roots: &[Ino]) {
    if node.kind == Node::UNKNOWN {
        return;
    }
    let place = Place::ino(ino);
    let report = &mut cx.report;
    let (is_root, is_listed) = (roots.contains(&ino), node.flags & ON_LIST != 0);
    if node.flags & HAS_NEXT != 0 && !is_listed {
        report.rule(NAME, place, "next_unlinked is set, but it is on no unlinked list");
    }
    if node.flags & SYSTEM != 0 {
        report.expect(NAME, place, "nlink of a system inode", 1_u32, node.nlink);
        report.expect(NAME, place, "names of a system inode", 0_u32, node.names);
    } else if is_listed {
        report.expect(NAME, place, "names of an unlinked inode", 0_u32, node.names);
    } else if node.is_directory() {
        report.expect("directory", place, "nlink", u64::from(node.subdirs) + 2, node.nlink);
        report.expect("directory", place, "names that lead here", u32::from(!is_root), node.names);
        let parent = if is_root { ino } else { node.parent };
        if !node.dotdot.is_null() && !parent.is_null() {
            report.expect("directory", place, "..", parent.0, node.dotdot.0);
        }
    } else if node.names == 0 {
        report.rule(NAME, place, "no name leads here");
    } else {
        report.expect(NAME, place, "nlink", node.names, node.nlink);
    }
    let knows_parents = cx.geometry.has_parent_pointers() && node.flags & PARENTS_UNKNOWN == 0;
    if knows_parents && node.parents != 0 {
        cx.report.rule(NAME, place, "parent pointers are not those of the names that lead here");
    }
}

/// From every directory a way of parents must lead to a root.
fn check_connected(cx: &mut Context<'_>, state: &mut State, roots: &[Ino]) {
    let geometry = Arc::clone(&cx.geometry);
    for &root in roots {
        if let Some(node) = state.node(&geometry, root) {
            node.flags |= REACHED;
        }
    }
    for ag in geometry.ags() {
        let mut index = 0;
        while let Some(node) = state.ags[ag.0 as usize].nodes.get(index) {
            index += 1;
            if node.is_directory() {
                let ino = geometry.ino(ag, node.agino);
                climb(cx, state, ino);
            }
        }
    }
}

fn climb(cx: &mut Context<'_>, state: &mut State, from: Ino) {
    let geometry = Arc::clone(&cx.geometry);
    let mut path = Vec::new();
    let mut at = from;
    // A directory without a name was reported already.
    while let Some(node) = state.node(&geometry, at).filter(|node| node.flags & REACHED == 0) {
        if node.flags & ON_PATH != 0 {
            cx.report.rule("directory", Place::ino(at), "is its own ancestor");
            break;
        }
        node.flags |= ON_PATH;
        path.push(at);
        at = node.parent;
    }
    for ino in path {
        if let Some(node) = state.node(&geometry, ino) {
            node.flags |= REACHED;
        }
    }
}
