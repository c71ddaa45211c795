//! The tree of hashes over directories and attributes: its interior nodes, and the hash itself.
//!
//! Source: "Directories", "Node Directories"; "Extended Attributes", "Node Attributes".

use zerocopy::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::error::Problem;
use crate::format::header::{be_u32, put};

/// Levels of interior nodes that a tree can have.
pub const MAX_LEVELS: u16 = 5;

/// What leaves and nodes of the tree begin with.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
#[expect(missing_docs, reason = "fields carry the kernel's names and meanings")]
pub struct BlockInfo {
    /// Right sibling, as a file block; 0 for none.
    pub forw: U32,
    /// Left sibling, as a file block; 0 for none.
    pub back: U32,
    pub magic: U16,
    pub pad: U16,
    pub crc: [u8; 4],
    pub blkno: U64,
    pub lsn: U64,
    pub uuid: [u8; 16],
    pub owner: U64,
}

/// Header of an interior node.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
#[expect(missing_docs, reason = "fields carry the kernel's names and meanings")]
pub struct NodeHeader {
    pub info: BlockInfo,
    /// Entries.
    pub count: U16,
    /// 1 right above the leaves.
    pub level: U16,
    pub pad32: U32,
}

/// Bytes before the entries of a node.
pub const NODE_HEADER_BYTES: usize = size_of::<NodeHeader>();

const _: () = assert!(size_of::<BlockInfo>() == 56);
const _: () = assert!(NODE_HEADER_BYTES == 64);

/// An entry of an interior node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeEntry {
    /// Greatest hash in the subtree.
    pub hash: u32,
    /// File block of the child.
    pub before: u32,
}

impl NodeEntry {
    /// Bytes of an entry.
    pub const BYTES: usize = 8;

    /// Writes the entry to the start of `b`.
    pub fn encode(&self, b: &mut [u8]) {
        put(b, 0, &self.hash.to_be_bytes());
        put(b, 4, &self.before.to_be_bytes());
    }
}

/// An interior node, its counts checked against its size.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    /// The header.
    pub header: &'a NodeHeader,
    entries: &'a [u8],
}

impl<'a> Node<'a> {
    /// Looks at a block whose self-describing part was verified.
    ///
    /// # Errors
    /// A count or a level that cannot be.
    pub fn new(block: &'a [u8]) -> Result<Self, Problem> {
        let (header, rest) =
            NodeHeader::ref_from_prefix(block).map_err(|_| Problem::Rule("shorter than its header"))?;
        let (count, level) = (header.count.get(), header.level.get());
        if level == 0 || level > MAX_LEVELS {
            return Err(Problem::Bounds { field: "level", found: level.into() });
        }
        match rest.get(..usize::from(count) * NodeEntry::BYTES) {
            Some(entries) if count > 0 => Ok(Self { header, entries }),
            _ => Err(Problem::Bounds { field: "count", found: count.into() }),
        }
    }

    /// Number of entries; at least 1.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a node is never empty")]
    pub fn len(&self) -> usize {
        self.entries.len() / NodeEntry::BYTES
    }

    /// The entry at `index`; zeros past the end.
    #[must_use]
    pub fn entry(&self, index: usize) -> NodeEntry {
        let at = index * NodeEntry::BYTES;
        NodeEntry { hash: be_u32(self.entries, at), before: be_u32(self.entries, at + 4) }
    }

    /// Every entry.
    pub fn entries(&self) -> impl Iterator<Item = NodeEntry> + use<'a> {
        let this = *self;
        (0..this.len()).map(move |index| this.entry(index))
    }

    /// Index of the first entry whose subtree can hold `hash`; `len()` when `hash` is greater than all.
    #[must_use]
    pub fn lower_bound(&self, hash: u32) -> usize {
        lower_bound(self.len(), |index| self.entry(index).hash, hash)
    }
}

/// First index in `0..count` whose hash is not less than `hash`.
pub(crate) fn lower_bound(count: usize, hash_at: impl Fn(usize) -> u32, hash: u32) -> usize {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if hash_at(middle) < hash { low = middle + 1 } else { high = middle }
    }
    low
}

/// Hash of a name.
///
/// The definition takes four bytes at a time, and the last one to three by rules of their own; rotating by seven and
/// adding one byte comes to the same.
#[must_use]
pub fn name_hash(name: &[u8]) -> u32 {
    hash_bytes(name.iter().copied())
}

/// Hash of a name in a directory that does not tell upper from lower case.
#[must_use]
pub fn name_hash_ascii_ci(name: &[u8]) -> u32 {
    hash_bytes(name.iter().map(|&byte| lower_case(byte)))
}

/// The lower case of a byte in names whose case does not matter.
///
/// The feature speaks of ASCII, but Linux has always taken the letters of Latin-1 as well, and hashes on volumes rest on
/// that. So two different characters of UTF-8 may count as the same, and the two cases of one may not.
#[must_use]
pub fn lower_case(byte: u8) -> u8 {
    match byte {
        b'A'..=b'Z' | 0xc0..=0xd6 | 0xd8..=0xde => byte + 0x20,
        _ => byte,
    }
}

/// Whether two names are the same but for the [case](lower_case) of their letters.
#[must_use]
pub fn is_same_but_for_case(one: &[u8], other: &[u8]) -> bool {
    one.iter().map(|&byte| lower_case(byte)).eq(other.iter().map(|&byte| lower_case(byte)))
}

/// Hash of the attribute that is a parent pointer: a name of that hash in the directory `parent`.
#[must_use]
pub fn parent_pointer_hash(name_hash: u32, parent: u64) -> u32 {
    name_hash ^ (parent >> 32) as u32 ^ parent as u32
}

fn hash_bytes(bytes: impl Iterator<Item = u8>) -> u32 {
    bytes.fold(0, |hash: u32, byte| hash.rotate_left(7) ^ u32::from(byte))
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    /// As the definition has it.
    fn by_fours(name: &[u8]) -> u32 {
        let mut hash = 0_u32;
        let mut fours = name.chunks_exact(4);
        for four in &mut fours {
            let b = |i: usize| u32::from(four[i]);
            hash = (b(0) << 21) ^ (b(1) << 14) ^ (b(2) << 7) ^ b(3) ^ hash.rotate_left(28);
        }
        let b = |i: usize| u32::from(fours.remainder()[i]);
        match fours.remainder().len() {
            3 => (b(0) << 14) ^ (b(1) << 7) ^ b(2) ^ hash.rotate_left(21),
            2 => (b(0) << 7) ^ b(1) ^ hash.rotate_left(14),
            1 => b(0) ^ hash.rotate_left(7),
            _ => hash,
        }
    }

    #[test]
    fn byte_by_byte_is_the_definition() {
        let name: Vec<u8> = (0..=255_u8).rev().collect();
        for len in 0..name.len() {
            assert_eq!(name_hash(&name[..len]), by_fours(&name[..len]), "length {len}");
        }
    }

    /// What `hash -d` of xfs_db 7.2 says on a volume without case.
    #[test]
    fn hashes_without_case_are_those_of_linux() {
        for (name, hash) in
            [("Foo", 0x0019_b7ef), ("fOO", 0x0019_b7ef), ("ÄÖÜ", 0x5c45_f60c), ("äöü", 0x5c4d_f62e)]
        {
            assert_eq!(name_hash_ascii_ci(name.as_bytes()), hash, "{name}");
        }
        assert!(is_same_but_for_case(b"[A\xc0\xde\xd7@", b"[a\xe0\xfe\xd7@"));
        assert!(!is_same_but_for_case(b"\xd7", b"\xf7") && !is_same_but_for_case(b"\xdf", b"\xff"));
    }

    #[test]
    fn node_with_more_entries_than_room_is_refused() {
        let mut block = [0; 1024];
        for (count, level, ok) in
            [(120_u16, 1_u16, true), (121, 1, false), (0, 1, false), (1, 0, false), (1, 6, false)]
        {
            put(&mut block, 56, &count.to_be_bytes());
            put(&mut block, 58, &level.to_be_bytes());
            assert_eq!(Node::new(&block).is_ok(), ok, "count {count} level {level}");
        }
    }
}
