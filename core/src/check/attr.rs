//! Extended attributes: shortform, leaves, remote values, and parent pointers among them.
//!
//! Source: "Extended Attributes".

use alloc::vec::Vec;

use super::context::Context;
use super::da::{self, FileMap};
use super::dir::{ignores_case, name_hash};
use super::fork::Fork;
use super::links::{Node, fingerprint};
use crate::error::{Place, Problem, Result};
use crate::format::BlockKind;
use crate::format::extent::Extent;
use crate::format::header::{be_u16, be_u32, be_u64};
use crate::sort;
use crate::units::map::Hashed;
use crate::units::{FileBlock, Ino};

const NAME: &str = "attribute";
const LEAF: &str = "attribute leaf";
const HEADER_BYTES: usize = 80;
const REMOTE_HEADER_BYTES: u32 = 56;
/// Longest value, in bytes.
const MAX_VALUE_BYTES: u32 = 65536;

/// Flags of an attribute.
mod flag {
    /// The value is in the leaf.
    pub(super) const LOCAL: u8 = 0x01;
    /// The namespaces, of which an attribute is in one at most.
    pub(super) const ROOT: u8 = 0x02;
    pub(super) const SECURE: u8 = 0x04;
    pub(super) const PARENT: u8 = 0x08;
    /// The value was not written yet, or is about to be removed.
    pub(super) const INCOMPLETE: u8 = 0x80;
}

/// Checks attributes that are in the inode.
pub(super) fn check_shortform(cx: &mut Context<'_>, fork: &Fork<'_>, node: &mut Node) {
    let (place, bytes) = (Place::ino(fork.ino), fork.bytes);
    let total = usize::from(be_u16(bytes, 0));
    let count = bytes.get(2).copied().unwrap_or(0);
    if total > bytes.len() || total < 4 {
        cx.report.bounds(NAME, place, "totsize", total as u64);
        node.lose_parents();
        return;
    }
    let mut at = 4;
    for _ in 0..count {
        let name_len = usize::from(bytes.get(at).copied().unwrap_or(0));
        let value_len = usize::from(bytes.get(at + 1).copied().unwrap_or(0));
        let (name_at, value_at) = (at + 3, at + 3 + name_len);
        at = value_at + value_len;
        if name_len == 0 || at > total {
            cx.report.rule(NAME, place, "the short form ends inside an attribute");
            node.lose_parents();
            return;
        }
        let flags = bytes[name_at - 1];
        check_flags(cx, place, flags, true);
        take_parent(cx, place, node, flags, &bytes[name_at..value_at], &bytes[value_at..at]);
    }
    cx.report.expect(NAME, place, "totsize", at as u64, total as u64);
}

fn check_flags(cx: &mut Context<'_>, place: Place, flags: u8, is_shortform: bool) {
    let spaces = flags & (flag::ROOT | flag::SECURE | flag::PARENT);
    let mut known = flag::ROOT | flag::SECURE | flag::PARENT;
    if !is_shortform {
        known |= flag::LOCAL | flag::INCOMPLETE;
    }
    if spaces.count_ones() > 1 || flags & !known != 0 {
        cx.report.bounds(NAME, place, "flags", flags);
    }
    if flags & flag::INCOMPLETE != 0 {
        cx.report.warn(NAME, place, Problem::Rule("an attribute was left incomplete"));
    }
}

/// Takes in a parent pointer, if the attribute is one.
fn take_parent(cx: &mut Context<'_>, place: Place, node: &mut Node, flags: u8, name: &[u8], value: &[u8]) {
    if flags & flag::PARENT == 0 {
        return;
    }
    if value.len() != 12 {
        cx.report.bounds("parent pointer", place, "length of the value", value.len() as u64);
        return;
    }
    let parent = fingerprint(Ino(be_u64(value, 0)), be_u32(value, 8), name);
    node.parents = node.parents.wrapping_sub(parent);
}

/// Checks attributes that are in blocks.
pub(super) fn check_blocks(
    cx: &mut Context<'_>,
    ino: Ino,
    extents: &[Extent],
    node: &mut Node,
) -> Result<()> {
    if extents.is_empty() {
        return Ok(());
    }
    let map = FileMap { ino, extents };
    let mut leaves = Leaves { map: &map, node, last: None, is_complete: true, remote: Hashed::new() };
    let mut on_leaf = |cx: &mut Context<'_>, place: Place, bytes: &[u8]| {
        leaves.is_complete &= check_leaf(cx, &mut leaves, place, bytes)?;
        Ok(leaves.last)
    };
    let walked = da::walk(cx, &map, 1, BlockKind::AttrLeaf, FileBlock(0), &mut on_leaf)?;
    if !walked || !leaves.is_complete {
        leaves.node.lose_parents();
    }
    Ok(())
}

/// The walk over the leaves of one inode.
struct Leaves<'w> {
    map: &'w FileMap<'w>,
    node: &'w mut Node,
    /// Hash of the entry before.
    last: Option<u32>,
    is_complete: bool,
    /// Blocks of remote values.
    remote: Hashed<FileBlock, ()>,
}

/// Checks one leaf. Returns whether all of it could be read.
fn check_leaf(cx: &mut Context<'_>, leaves: &mut Leaves<'_>, place: Place, bytes: &[u8]) -> Result<bool> {
    let count = usize::from(be_u16(bytes, 56));
    let table_end = HEADER_BYTES + 8 * count;
    if table_end > bytes.len() {
        cx.report.bounds(LEAF, place, "count", count as u64);
        return Ok(false);
    }
    let mut used: Vec<(usize, usize)> = Vec::new();
    for entry in bytes[HEADER_BYTES..table_end].chunks_exact(8) {
        let (hash, at, flags) = (be_u32(entry, 0), usize::from(be_u16(entry, 4)), entry[6]);
        if leaves.last.is_some_and(|last| hash < last) {
            cx.report.bounds(LEAF, place, "hashval (out of order)", hash);
        }
        leaves.last = Some(hash);
        check_flags(cx, place, flags, false);
        let Some(record) =
            Record::decode(bytes, at, flags).filter(|_| at >= table_end && at.is_multiple_of(4))
        else {
            cx.report.bounds(LEAF, place, "nameidx", at as u64);
            return Ok(false);
        };
        used.push((at, record.bytes));
        check_record(cx, leaves, place, &record, hash, flags)?;
        take_parent(cx, place, leaves.node, flags, record.name, record.value);
    }
    check_space(cx, place, bytes, table_end, used);
    Ok(true)
}

/// Name and value of an attribute in a leaf.
struct Record<'b> {
    name: &'b [u8],
    /// Empty when remote.
    value: &'b [u8],
    /// First block and length in bytes of a remote value.
    remote: Option<(u32, u32)>,
    /// Bytes that it takes in the leaf.
    bytes: usize,
}

impl<'b> Record<'b> {
    fn decode(leaf: &'b [u8], at: usize, flags: u8) -> Option<Self> {
        if flags & flag::LOCAL != 0 {
            let (value_len, name_len) = (usize::from(be_u16(leaf, at)), usize::from(*leaf.get(at + 2)?));
            let name = leaf.get(at + 3..at + 3 + name_len)?;
            let value = leaf.get(at + 3 + name_len..at + 3 + name_len + value_len)?;
            let bytes = (3 + name_len + value_len).next_multiple_of(4);
            return Some(Self { name, value, remote: None, bytes });
        }
        let name_len = usize::from(*leaf.get(at + 8)?);
        let name = leaf.get(at + 9..at + 9 + name_len)?;
        let remote = Some((be_u32(leaf, at), be_u32(leaf, at + 4)));
        Some(Self { name, value: &[], remote, bytes: (11 + name_len).next_multiple_of(4) })
    }
}

fn check_record(
    cx: &mut Context<'_>,
    leaves: &mut Leaves<'_>,
    place: Place,
    record: &Record<'_>,
    hash: u32,
    flags: u8,
) -> Result<()> {
    // A parent pointer is hashed as the name in its directory is.
    let is_parent = flags & flag::PARENT != 0;
    let mut expected = name_hash(record.name, is_parent && ignores_case(cx));
    if is_parent {
        let parent = be_u64(record.value, 0);
        expected ^= (parent >> 32) as u32 ^ parent as u32;
    }
    if record.name.is_empty() {
        cx.report.rule(NAME, place, "an attribute has no name");
    }
    cx.report.expect(LEAF, place, "hashval", expected, hash);
    match record.remote {
        Some((block, len)) if flags & flag::INCOMPLETE == 0 => check_remote(cx, leaves, place, block, len),
        _ => Ok(()),
    }
}

fn check_remote(
    cx: &mut Context<'_>,
    leaves: &mut Leaves<'_>,
    place: Place,
    block: u32,
    len: u32,
) -> Result<()> {
    if len == 0 || len > MAX_VALUE_BYTES {
        cx.report.bounds(NAME, place, "valuelen", len);
        return Ok(());
    }
    let room = cx.geometry.blocksize - REMOTE_HEADER_BYTES;
    for index in 0..len.div_ceil(room) {
        let file_block = FileBlock(u64::from(block) + u64::from(index));
        let place = Place::file_block(leaves.map.ino, file_block);
        if leaves.remote.insert(file_block, ()).is_some() {
            cx.report.rule("remote attribute value", place, "a block belongs to two values");
            return Ok(());
        }
        let kinds = [BlockKind::AttrRemote];
        let Some((_, bytes)) = leaves.map.block(cx, &kinds, file_block, 1)? else { return Ok(()) };
        let done = index * room;
        cx.report.expect("remote attribute value", place, "offset", done, be_u32(&bytes, 4));
        cx.report.expect("remote attribute value", place, "bytes", room.min(len - done), be_u32(&bytes, 8));
    }
    Ok(())
}

/// Names and values, the table of entries and the free map must not overlap.
fn check_space(
    cx: &mut Context<'_>,
    place: Place,
    bytes: &[u8],
    table_end: usize,
    mut used: Vec<(usize, usize)>,
) {
    sort::by_words(&mut used, |&(at, len)| (at as u64, len as u64));
    let sum: usize = used.iter().map(|&(_, len)| len).sum();
    cx.report.expect(LEAF, place, "usedbytes", sum as u64, be_u16(bytes, 58));
    let first = match be_u16(bytes, 60) {
        0 => 65536,
        first => usize::from(first),
    };
    if used.first().is_some_and(|&(at, _)| first > at) || first < table_end {
        cx.report.bounds(LEAF, place, "firstused", first as u64);
    }
    if used.windows(2).any(|pair| pair[0].0 + pair[0].1 > pair[1].0) {
        cx.report.rule(LEAF, place, "names or values overlap");
    }
    for at in [64, 68, 72] {
        let (base, size) = (usize::from(be_u16(bytes, at)), usize::from(be_u16(bytes, at + 2)));
        let overlaps = used.iter().any(|&(start, len)| start < base + size && base < start + len);
        let is_outside = base + size > bytes.len();
        if is_outside || (size > 0 && (base < table_end || overlaps)) {
            cx.report.bounds(LEAF, place, "freemap", base as u64);
        }
    }
}
