//! Leaves: hashes of names and the addresses of their entries, sorted by hash.
//!
//! The one leaf of a directory in leaf form ends in a table of the longest unused region of each data block.
//!
//! Source: "Leaf Directories", "Node Directories".

use zerocopy::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::Dataptr;
use crate::error::Problem;
use crate::format::da::{BlockInfo, lower_bound};
use crate::format::header::{be_u16, be_u32, put};

/// Header of a leaf.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
#[expect(missing_docs, reason = "fields carry the kernel's names and meanings")]
pub struct LeafHeader {
    pub info: BlockInfo,
    /// Entries, stale ones included.
    pub count: U16,
    /// Stale ones among them.
    pub stale: U16,
    pub pad: U32,
}

/// Bytes before the entries of a leaf.
pub const LEAF_HEADER_BYTES: usize = size_of::<LeafHeader>();

const _: () = assert!(LEAF_HEADER_BYTES == 64);

/// Stands in a table of unused regions for a data block that does not exist.
pub const NO_DATA_BLOCK: u16 = 0xffff;

/// The hash of a name, and where its entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeafEntry {
    /// Hash of the name.
    pub hash: u32,
    /// Address of the entry; zero when stale.
    pub address: Dataptr,
}

impl LeafEntry {
    /// Bytes of an entry.
    pub const BYTES: usize = 8;

    /// Reads the entry at the start of `b`.
    #[must_use]
    pub fn decode(b: &[u8]) -> Self {
        Self { hash: be_u32(b, 0), address: Dataptr(be_u32(b, 4)) }
    }

    /// Writes the entry to the start of `b`.
    pub fn encode(&self, b: &mut [u8]) {
        put(b, 0, &self.hash.to_be_bytes());
        put(b, 4, &self.address.0.to_be_bytes());
    }

    /// Whether the entry that this one led to is gone.
    #[must_use]
    pub const fn is_stale(&self) -> bool {
        self.address.0 == 0
    }
}

/// Leaf entries in a row, sorted by hash.
#[derive(Debug, Clone, Copy)]
pub struct LeafEntries<'a>(&'a [u8]);

impl<'a> LeafEntries<'a> {
    /// The entries that `bytes` is made of.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Number of entries, stale ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len() / LeafEntry::BYTES
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entry at `index`, which must be less than [`len`](Self::len).
    #[must_use]
    pub fn get(&self, index: usize) -> LeafEntry {
        LeafEntry::decode(&self.0[index * LeafEntry::BYTES..])
    }

    /// Every entry.
    pub fn iter(&self) -> impl Iterator<Item = LeafEntry> + use<'a> {
        self.0.chunks_exact(LeafEntry::BYTES).map(LeafEntry::decode)
    }

    /// Index of the first entry whose hash is not less than `hash`.
    #[must_use]
    pub fn lower_bound(&self, hash: u32) -> usize {
        lower_bound(self.len(), |index| self.get(index).hash, hash)
    }

    /// The entries with this hash that are not stale.
    pub fn with_hash(&self, hash: u32) -> impl Iterator<Item = LeafEntry> + use<'a> {
        let this = *self;
        let run = (self.lower_bound(hash)..self.len()).map(move |index| this.get(index));
        run.take_while(move |entry| entry.hash == hash).filter(|entry| !entry.is_stale())
    }
}

/// A leaf, its counts checked against its size.
#[derive(Debug, Clone, Copy)]
pub struct Leaf<'a> {
    /// The header.
    pub header: &'a LeafHeader,
    /// The entries.
    pub entries: LeafEntries<'a>,
    /// Longest unused region of each data block, in bytes; empty in a leaf of a directory in node form.
    bests: &'a [u8],
}

impl<'a> Leaf<'a> {
    /// Looks at a block whose self-describing part was verified; `is_leaf1`: it is the one of a directory in leaf form.
    ///
    /// # Errors
    /// Counts that cannot be.
    pub fn new(block: &'a [u8], is_leaf1: bool) -> Result<Self, Problem> {
        let (header, rest) =
            LeafHeader::ref_from_prefix(block).map_err(|_| Problem::Rule("shorter than its header"))?;
        let (count, stale) = (header.count.get(), header.stale.get());
        let bests_at = if is_leaf1 { bests_at(block)? } else { block.len() };
        let room = bests_at.saturating_sub(LEAF_HEADER_BYTES);
        let len = usize::from(count) * LeafEntry::BYTES;
        if len > room || stale > count {
            let (field, found) = if stale > count { ("stale", stale) } else { ("count", count) };
            return Err(Problem::Bounds { field, found: found.into() });
        }
        let bests = block.get(bests_at..block.len() - BESTCOUNT_BYTES).unwrap_or_default();
        Ok(Self { header, entries: LeafEntries(&rest[..len]), bests })
    }

    /// Number of data blocks, holes included, that the table of a leaf form speaks of.
    #[must_use]
    pub fn bests_count(&self) -> usize {
        self.bests.len() / 2
    }

    /// Longest unused region of data block `index`, in bytes, or [`NO_DATA_BLOCK`].
    #[must_use]
    pub fn best(&self, index: usize) -> Option<u16> {
        (index < self.bests_count()).then(|| be_u16(self.bests, index * 2))
    }
}

const BESTCOUNT_BYTES: usize = 4;

fn bests_at(block: &[u8]) -> Result<usize, Problem> {
    let end = block.len().saturating_sub(BESTCOUNT_BYTES);
    let count = be_u32(block, end);
    let bytes = (count as usize).checked_mul(2);
    match bytes.and_then(|bytes| end.checked_sub(bytes)) {
        Some(at) if at >= LEAF_HEADER_BYTES => Ok(at),
        _ => Err(Problem::Bounds { field: "bestcount", found: count.into() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf_block(count: u16, bestcount: u32) -> [u8; 1024] {
        let mut block = [0; 1024];
        put(&mut block, 56, &count.to_be_bytes());
        put(&mut block, 1020, &bestcount.to_be_bytes());
        block
    }

    #[test]
    fn entries_and_table_must_not_meet() {
        let cases = [
            (10, 10, true),
            (117, 10, true),
            (117, 11, false),
            (0, 478, true),
            (0, 479, false),
            (0, u32::MAX, false),
        ];
        for (count, bestcount, ok) in cases {
            let block = leaf_block(count, bestcount);
            assert_eq!(Leaf::new(&block, true).is_ok(), ok, "count {count}, bestcount {bestcount}");
        }
        assert!(Leaf::new(&leaf_block(120, 0), false).is_ok());
        assert!(Leaf::new(&leaf_block(121, 0), false).is_err());
    }

    #[test]
    fn a_hash_finds_its_live_entries() {
        let mut bytes = [0; 40];
        for (index, (hash, address)) in [(1, 12), (3, 20), (3, 0), (3, 30), (9, 40)].into_iter().enumerate() {
            LeafEntry { hash, address: Dataptr(address) }.encode(&mut bytes[index * 8..]);
        }
        let entries = LeafEntries::new(&bytes);
        assert!(entries.with_hash(3).map(|entry| entry.address.0).eq([20, 30]));
        assert_eq!(entries.with_hash(2).count(), 0);
        assert_eq!(entries.with_hash(10).count(), 0);
    }
}
