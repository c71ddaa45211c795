//! Extended attributes on disk: shortform, leaves, blocks of remote values.
//!
//! Source: "Extended Attributes".

use alloc::vec::Vec;

use zerocopy::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::da::{BlockInfo, lower_bound};
use super::header::{be_u16, be_u32, put};
use crate::error::Problem;

/// Longest value, in bytes.
pub const MAX_VALUE_BYTES: u32 = 65536;

bitflags::bitflags! {
    /// Flags of an attribute.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct AttrFlags: u8 {
        /// The value stands with the name (leaf entries only).
        const LOCAL = 0x1;
        /// Namespace `trusted.`
        const ROOT = 0x2;
        /// Namespace `security.`
        const SECURE = 0x4;
        /// A parent pointer.
        const PARENT = 0x8;
        /// Being written or removed: not to be seen (leaf entries only).
        const INCOMPLETE = 0x80;
    }
}

impl AttrFlags {
    /// The bits that say what the name means; part of an attribute's identity.
    pub const NAMESPACE: Self = Self::ROOT.union(Self::SECURE).union(Self::PARENT);

    /// The namespace bits alone.
    #[must_use]
    pub fn namespace(self) -> Self {
        self & Self::NAMESPACE
    }

    fn is_valid(self) -> bool {
        self.bits() & !Self::all().bits() == 0 && self.namespace().bits().count_ones() <= 1
    }
}

/// Where the value of an attribute is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// Here.
    Local(&'a [u8]),
    /// In blocks of its own.
    Remote {
        /// First of them, as a file block of the attribute fork.
        valueblk: u32,
        /// Length in bytes.
        valuelen: u32,
    },
}

/// An attribute, wherever it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attr<'a> {
    /// Flags, those of a leaf entry included.
    pub flags: AttrFlags,
    /// The name, without a prefix.
    pub name: &'a [u8],
    /// The value.
    pub value: Value<'a>,
}

/// Bytes of the header of a shortform fork.
pub const SHORTFORM_HEADER_BYTES: usize = 4;

/// Longest name and value that is put into shortform; one byte more could be read, but Linux never writes it.
const SHORTFORM_MAX: u8 = 254;

/// Bytes of a shortform attribute.
#[must_use]
pub const fn shortform_entry_bytes(namelen: usize, valuelen: usize) -> usize {
    3 + namelen + valuelen
}

/// Encodes a shortform attribute fork; `None` when there is something in it that has no such form.
#[must_use]
pub fn encode_shortform(attrs: &[Attr<'_>]) -> Option<Vec<u8>> {
    let mut fork = alloc::vec![0; SHORTFORM_HEADER_BYTES];
    for attr in attrs {
        let Value::Local(value) = attr.value else { return None };
        for len in [attr.name.len(), value.len()] {
            fork.push(u8::try_from(len).ok().filter(|&len| len <= SHORTFORM_MAX)?);
        }
        fork.push(attr.flags.namespace().bits());
        fork.extend_from_slice(attr.name);
        fork.extend_from_slice(value);
    }
    let totsize = u16::try_from(fork.len()).ok()?;
    put(&mut fork, 0, &totsize.to_be_bytes());
    fork[2] = u8::try_from(attrs.len()).ok()?;
    Some(fork)
}

/// Decodes a shortform attribute fork.
///
/// # Errors
/// What is wrong with it.
pub fn decode_shortform(fork: &[u8]) -> Result<Vec<Attr<'_>>, Problem> {
    let (totsize, count) = (be_u16(fork, 0), fork.get(2).copied().unwrap_or(0));
    let Some(mut rest) = fork.get(SHORTFORM_HEADER_BYTES..usize::from(totsize)) else {
        return Err(Problem::Bounds { field: "totsize", found: totsize.into() });
    };
    let mut attrs = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let short = || Problem::Rule("shortform attributes end early");
        let (&[namelen, valuelen, flags], tail) = rest.split_first_chunk::<3>().ok_or_else(short)?;
        let (name, tail) = tail.split_at_checked(usize::from(namelen)).ok_or_else(short)?;
        let (value, tail) = tail.split_at_checked(usize::from(valuelen)).ok_or_else(short)?;
        let flags = AttrFlags::from_bits_retain(flags);
        check(flags, name)?;
        if flags.intersects(AttrFlags::LOCAL | AttrFlags::INCOMPLETE) {
            return Err(Problem::Bounds { field: "flags", found: flags.bits().into() });
        }
        attrs.push(Attr { flags, name, value: Value::Local(value) });
        rest = tail;
    }
    if rest.is_empty() { Ok(attrs) } else { Err(Problem::Bounds { field: "totsize", found: totsize.into() }) }
}

fn check(flags: AttrFlags, name: &[u8]) -> Result<(), Problem> {
    if !flags.is_valid() {
        return Err(Problem::Bounds { field: "flags", found: flags.bits().into() });
    }
    if name.is_empty() || name.contains(&0) {
        return Err(Problem::Rule("name of an attribute"));
    }
    Ok(())
}

/// Header of a leaf.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
#[expect(missing_docs, reason = "fields carry the kernel's names and meanings")]
pub struct AttrLeafHeader {
    pub info: BlockInfo,
    /// Entries.
    pub count: U16,
    /// Bytes of names and values.
    pub usedbytes: U16,
    /// Lower bound of the offsets of names and values; 0 stands for 65536.
    pub firstused: U16,
    /// Whether there is free space that `freemap` does not know.
    pub holes: u8,
    pub pad1: u8,
    /// Free regions.
    pub freemap: [FreeRegion; 3],
    pub pad2: U32,
}

/// A free region of a leaf.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct FreeRegion {
    /// Byte offset in the block.
    pub base: U16,
    /// Bytes.
    pub size: U16,
}

/// Bytes before the entries of a leaf.
pub const LEAF_HEADER_BYTES: usize = size_of::<AttrLeafHeader>();

/// Fills in what a leaf without entries has behind its self-describing part; the rest of the block must be zero.
///
/// # Panics
/// When `block` is shorter than a header.
pub fn make_empty_leaf(block: &mut [u8]) {
    let len = block.len();
    let (header, _) = AttrLeafHeader::mut_from_prefix(block).expect("a block holds a header");
    // The end of a block of 64 KiB does not fit the field; it becomes 0, which stands for it.
    header.firstused.set((len & 0xffff) as u16);
    let size = ((len - LEAF_HEADER_BYTES) & 0xffff) as u16;
    header.freemap[0] = FreeRegion { base: (LEAF_HEADER_BYTES as u16).into(), size: size.into() };
}

/// Whether a leaf has no entries.
#[must_use]
pub fn is_empty_leaf(block: &[u8]) -> bool {
    AttrLeafHeader::ref_from_prefix(block).is_ok_and(|(header, _)| header.count.get() == 0)
}

const _: () = assert!(LEAF_HEADER_BYTES == 80);

/// An entry of a leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttrLeafEntry {
    /// Hash of the name.
    pub hash: u32,
    /// Byte offset of name and value in the block.
    pub nameidx: u16,
    /// Flags.
    pub flags: AttrFlags,
}

impl AttrLeafEntry {
    /// Bytes of an entry.
    pub const BYTES: usize = 8;
}

/// A leaf, its counts checked against its size.
#[derive(Debug, Clone, Copy)]
pub struct AttrLeaf<'a> {
    /// The header.
    pub header: &'a AttrLeafHeader,
    block: &'a [u8],
    entries: &'a [u8],
}

impl<'a> AttrLeaf<'a> {
    /// Looks at a block whose self-describing part was verified.
    ///
    /// # Errors
    /// A count that cannot be.
    pub fn new(block: &'a [u8]) -> Result<Self, Problem> {
        let (header, rest) =
            AttrLeafHeader::ref_from_prefix(block).map_err(|_| Problem::Rule("shorter than its header"))?;
        let count = header.count.get();
        match rest.get(..usize::from(count) * AttrLeafEntry::BYTES) {
            Some(entries) => Ok(Self { header, block, entries }),
            None => Err(Problem::Bounds { field: "count", found: count.into() }),
        }
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len() / AttrLeafEntry::BYTES
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entry at `index`, which must be less than [`len`](Self::len).
    #[must_use]
    pub fn entry(&self, index: usize) -> AttrLeafEntry {
        let bytes = &self.entries[index * AttrLeafEntry::BYTES..];
        AttrLeafEntry {
            hash: be_u32(bytes, 0),
            nameidx: be_u16(bytes, 4),
            flags: AttrFlags::from_bits_retain(bytes[6]),
        }
    }

    /// Index of the first entry whose hash is not less than `hash`.
    #[must_use]
    pub fn lower_bound(&self, hash: u32) -> usize {
        lower_bound(self.len(), |index| self.entry(index).hash, hash)
    }

    /// Name and value of an entry.
    ///
    /// # Errors
    /// An entry that breaks the format.
    pub fn attr(&self, entry: &AttrLeafEntry) -> Result<Attr<'a>, Problem> {
        let at = usize::from(entry.nameidx);
        let outside = || Problem::Bounds { field: "nameidx", found: entry.nameidx.into() };
        let record = self.block.get(at..).filter(|_| at >= LEAF_HEADER_BYTES + self.entries.len());
        let record = record.ok_or_else(outside)?;
        let slice = |from: usize, len: usize| record.get(from..from + len).ok_or_else(outside);
        let (name, value) = if entry.flags.contains(AttrFlags::LOCAL) {
            let valuelen = usize::from(be_u16(record, 0));
            let namelen = usize::from(slice(2, 1)?[0]);
            (slice(3, namelen)?, Value::Local(slice(3 + namelen, valuelen)?))
        } else {
            let namelen = usize::from(slice(8, 1)?[0]);
            let (valueblk, valuelen) = (be_u32(record, 0), be_u32(record, 4));
            if valuelen > MAX_VALUE_BYTES {
                return Err(Problem::Bounds { field: "valuelen", found: valuelen.into() });
            }
            (slice(9, namelen)?, Value::Remote { valueblk, valuelen })
        };
        check(entry.flags, name)?;
        Ok(Attr { flags: entry.flags, name, value })
    }
}

/// Header of a block of a remote value.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
#[expect(missing_docs, reason = "fields carry the kernel's names and meanings")]
pub struct AttrRemoteHeader {
    pub magic: U32,
    /// Byte of the value that the block starts with.
    pub offset: U32,
    /// Bytes of the value in the block.
    pub bytes: U32,
    pub crc: [u8; 4],
    pub uuid: [u8; 16],
    pub owner: U64,
    pub blkno: U64,
    /// Always all ones: these blocks are not logged.
    pub lsn: U64,
}

/// Bytes before the value's.
pub const REMOTE_HEADER_BYTES: usize = size_of::<AttrRemoteHeader>();

const _: () = assert!(REMOTE_HEADER_BYTES == 56);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortform_is_held_to_its_size() {
        let fork = [0, 14, 1, 0, 3, 4, 0x2, b'a', b'b', b'c', 1, 2, 3, 4, 0xaa];
        let attrs = decode_shortform(&fork).expect("valid");
        let value = Value::Local(&[1, 2, 3, 4]);
        assert_eq!(attrs, [Attr { flags: AttrFlags::ROOT, name: b"abc", value }]);
        assert_eq!(encode_shortform(&attrs).expect("small"), fork[..14]);
        for totsize in (0..=255).filter(|&size| size != 14) {
            let mut fork = fork;
            fork[1] = totsize;
            assert!(decode_shortform(&fork).is_err(), "totsize {totsize}");
        }
        assert!(decode_shortform(&[]).is_err());
    }

    #[test]
    fn records_that_leave_the_leaf_are_refused() {
        let mut block = [0; 1024];
        put(&mut block, 56, &1_u16.to_be_bytes());
        put(&mut block, LEAF_HEADER_BYTES, &[0, 0, 0, 9, 0x03, 0xf8, 1, 0]);
        put(&mut block, 1016, &[0, 3, 2, b'x', b'y', 7, 8, 9]);
        let read = |block: &[u8]| {
            let leaf = AttrLeaf::new(block)?;
            leaf.attr(&leaf.entry(leaf.lower_bound(9))).map(|attr| attr.value == Value::Local(&[7, 8, 9]))
        };
        assert_eq!(read(&block), Ok(true));
        for (at, value) in [(1017, 4), (1018, 3), (LEAF_HEADER_BYTES + 4, 0), (LEAF_HEADER_BYTES + 6, 6)] {
            let mut block = block;
            block[at] = value;
            assert!(read(&block).is_err(), "byte {at}");
        }
    }
}
