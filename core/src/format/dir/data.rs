//! Directory data blocks: entries and unused regions, tiling the block from its header on.
//!
//! A block of a directory in block form also holds the leaf entries, at its end, with a tail behind them.
//!
//! Source: "Block Directories", "Leaf Directories".

use zerocopy::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::leaf::LeafEntry;
use super::{DATA_HEADER_BYTES, is_valid_name};
use crate::error::Problem;
use crate::format::header::{be_u16, be_u32, be_u64, put};
use crate::units::Ino;

/// Header of a data block.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
#[expect(missing_docs, reason = "fields carry the kernel's names and meanings")]
pub struct DataHeader {
    pub magic: U32,
    pub crc: [u8; 4],
    pub blkno: U64,
    pub lsn: U64,
    pub uuid: [u8; 16],
    pub owner: U64,
    /// The longest unused regions, longest first.
    pub bestfree: [BestFree; BEST_FREE],
    pub pad: U32,
}

/// An unused region in the header of a data block; zeros for none.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct BestFree {
    /// Byte offset in the block.
    pub offset: U16,
    /// Bytes.
    pub length: U16,
}

/// Slots for unused regions in a header.
pub const BEST_FREE: usize = 3;

const _: () = assert!(size_of::<DataHeader>() == DATA_HEADER_BYTES);

/// Bytes of the tail of a block in block form.
pub const TAIL_BYTES: usize = 8;

/// What stands where an inode number would begin in an unused region.
const FREE_TAG: u16 = 0xffff;

/// Entries and unused regions start and end at multiples of this.
const ALIGN: usize = 8;

/// Bytes that an entry takes whose name has `namelen` bytes.
#[must_use]
pub const fn entry_bytes(namelen: usize) -> usize {
    (namelen + 12).next_multiple_of(ALIGN)
}

/// An entry of a data block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Byte offset in the block.
    pub at: usize,
    /// The inode that it names.
    pub ino: Ino,
    /// Its name.
    pub name: &'a [u8],
    /// Type byte.
    pub ftype: u8,
}

/// One of the tiles of a data block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tile<'a> {
    /// An entry.
    Entry(Entry<'a>),
    /// An unused region.
    Unused {
        /// Byte offset in the block.
        at: usize,
        /// Bytes, header and tag included.
        len: usize,
    },
}

/// The tiles of a block whose area for them ends at byte `end`. Stops after an error.
pub fn tiles(block: &[u8], end: usize) -> impl Iterator<Item = Result<Tile<'_>, Problem>> {
    let mut at = DATA_HEADER_BYTES;
    core::iter::from_fn(move || {
        if at >= end {
            return None;
        }
        let tile = tile_at(block, at, end);
        at = match &tile {
            Ok(Tile::Entry(entry)) => at + entry_bytes(entry.name.len()),
            Ok(Tile::Unused { len, .. }) => at + len,
            Err(_) => end,
        };
        Some(tile)
    })
}

fn tile_at(block: &[u8], at: usize, end: usize) -> Result<Tile<'_>, Problem> {
    if be_u16(block, at) != FREE_TAG || at + ALIGN > end {
        return entry_at(block, at, end).map(Tile::Entry);
    }
    unused_at(block, at, end).map(|len| Tile::Unused { at, len })
}

/// Length of the unused region at byte `at` of a block whose area for entries ends at byte `end`.
///
/// # Errors
/// There is no valid unused region at that place.
pub fn unused_at(block: &[u8], at: usize, end: usize) -> Result<usize, Problem> {
    let area = block.get(..end).unwrap_or(block);
    if at < DATA_HEADER_BYTES || !at.is_multiple_of(ALIGN) || at >= end || be_u16(area, at) != FREE_TAG {
        return Err(Problem::Rule("no unused region at the place of one"));
    }
    let len = usize::from(be_u16(area, at + 2));
    if len < ALIGN || !len.is_multiple_of(ALIGN) || at + len > end {
        return Err(Problem::Bounds { field: "length of unused region", found: len as u64 });
    }
    check_tag(area, at, len)?;
    Ok(len)
}

/// The entry at byte `at` of a block whose area for entries ends at byte `end`.
///
/// # Errors
/// There is no valid entry at that place.
pub fn entry_at(block: &[u8], at: usize, end: usize) -> Result<Entry<'_>, Problem> {
    let area = block.get(..end).unwrap_or(block);
    let misplaced = at < DATA_HEADER_BYTES || !at.is_multiple_of(ALIGN) || be_u16(area, at) == FREE_TAG;
    let namelen = match area.get(at + 8) {
        Some(&len) if len > 0 && !misplaced => usize::from(len),
        _ => return Err(Problem::Rule("no directory entry at the place of one")),
    };
    let len = entry_bytes(namelen);
    if at + len > area.len() {
        return Err(Problem::Bounds { field: "namelen", found: namelen as u64 });
    }
    check_tag(area, at, len)?;
    let name = &area[at + 9..at + 9 + namelen];
    if !is_valid_name(name) {
        return Err(Problem::Rule("name of an entry"));
    }
    Ok(Entry { at, ino: Ino(be_u64(area, at)), name, ftype: area[at + 9 + namelen] })
}

/// The last two bytes of a tile name its first.
fn check_tag(block: &[u8], at: usize, len: usize) -> Result<(), Problem> {
    let found = be_u16(block, at + len - 2);
    if usize::from(found) == at {
        return Ok(());
    }
    Err(Problem::Value { field: "tag", expected: at as u64, found: found.into() })
}

/// Writes an entry at byte `at` and returns how many bytes it took.
///
/// # Panics
/// When it does not fit the block, which is a mistake of the caller.
pub fn write_entry(block: &mut [u8], at: usize, ino: Ino, name: &[u8], ftype: u8) -> usize {
    let len = entry_bytes(name.len());
    block[at..at + len].fill(0);
    put(block, at, &ino.0.to_be_bytes());
    block[at + 8] = name.len() as u8;
    put(block, at + 9, name);
    block[at + 9 + name.len()] = ftype;
    put(block, at + len - 2, &(at as u16).to_be_bytes());
    len
}

/// Writes the marks of an unused region of `len` bytes at byte `at`; its inside stays as it is.
///
/// # Panics
/// When it does not fit the block, which is a mistake of the caller.
pub fn write_unused(block: &mut [u8], at: usize, len: usize) {
    put(block, at, &FREE_TAG.to_be_bytes());
    put(block, at + 2, &(len as u16).to_be_bytes());
    put(block, at + len - 2, &(at as u16).to_be_bytes());
}

/// The longest unused regions of a block, as its header is to name them.
///
/// # Errors
/// A tile that breaks the format.
pub fn best_free(block: &[u8], end: usize) -> Result<[BestFree; BEST_FREE], Problem> {
    let mut best = [BestFree::default(); BEST_FREE];
    for tile in tiles(block, end) {
        let Tile::Unused { at, len } = tile? else { continue };
        // Of regions of one length the first met comes first, as where the kernel scans a block.
        let Some(rank) = best.iter().position(|other| usize::from(other.length.get()) < len) else {
            continue;
        };
        best.copy_within(rank..BEST_FREE - 1, rank + 1);
        best[rank] = BestFree { offset: U16::new(at as u16), length: U16::new(len as u16) };
    }
    Ok(best)
}

/// What the header of a data block says; `None` for a block shorter than that.
#[must_use]
pub fn header(block: &[u8]) -> Option<&DataHeader> {
    DataHeader::ref_from_prefix(block).ok().map(|(header, _)| header)
}

/// Stores the longest unused regions in the header.
///
/// # Panics
/// When the block is shorter than its header, which is a mistake of the caller.
pub fn set_best_free(block: &mut [u8], best: [BestFree; BEST_FREE]) {
    put(block, core::mem::offset_of!(DataHeader, bestfree), best.as_bytes());
}

/// The tail of a directory in block form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockTail {
    /// Leaf entries, stale ones included.
    pub count: u32,
    /// Stale ones among them.
    pub stale: u32,
}

impl BlockTail {
    /// Reads and checks the tail at the end of `block`.
    ///
    /// # Errors
    /// Counts that cannot be.
    pub fn decode(block: &[u8]) -> Result<Self, Problem> {
        let at = block.len().saturating_sub(TAIL_BYTES);
        let (count, stale) = (be_u32(block, at), be_u32(block, at + 4));
        let room = at.saturating_sub(DATA_HEADER_BYTES) / LeafEntry::BYTES;
        if count as usize > room {
            return Err(Problem::Bounds { field: "count", found: count.into() });
        }
        if stale > count {
            return Err(Problem::Bounds { field: "stale", found: stale.into() });
        }
        Ok(Self { count, stale })
    }

    /// Writes the tail to the end of `block`.
    pub fn encode(&self, block: &mut [u8]) {
        let at = block.len() - TAIL_BYTES;
        put(block, at, &self.count.to_be_bytes());
        put(block, at + 4, &self.stale.to_be_bytes());
    }

    /// Byte where the leaf entries of a block of `len` bytes begin: the end of its tiles.
    #[must_use]
    pub const fn leaf_at(&self, len: usize) -> usize {
        len - TAIL_BYTES - self.count as usize * LeafEntry::BYTES
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn tiles_round_trip_and_the_longest_are_found() {
        let mut block = vec![0; 512];
        let mut at = DATA_HEADER_BYTES;
        let mut unused = Vec::new();
        for (name, free) in [(&b"."[..], 8), (b"..", 40), (b"some longer name", 16), (b"x", 40)] {
            at += write_entry(&mut block, at, Ino(99), name, 2);
            write_unused(&mut block, at, free);
            unused.push((at, free));
            at += free;
        }
        write_unused(&mut block, at, 512 - at);
        unused.push((at, 512 - at));
        let tiles: Vec<_> = tiles(&block, 512).map(|tile| tile.expect("valid")).collect();
        assert_eq!(tiles.len(), 9);
        let found = best_free(&block, 512).expect("valid");
        let expected = [unused[4], unused[1], unused[3]];
        assert_eq!(
            found.map(|best| (usize::from(best.offset.get()), usize::from(best.length.get()))),
            expected
        );
    }

    #[test]
    fn any_single_changed_byte_is_survived() {
        let mut block = vec![0; 256];
        let len = write_entry(&mut block, DATA_HEADER_BYTES, Ino(99), b"name", 1);
        write_unused(&mut block, DATA_HEADER_BYTES + len, 256 - DATA_HEADER_BYTES - len);
        for at in 0..256 {
            for value in 0..=255 {
                let mut block = block.clone();
                block[at] = value;
                let total: usize = tiles(&block, 256)
                    .flatten()
                    .map(|tile| match tile {
                        Tile::Entry(entry) => entry_bytes(entry.name.len()),
                        Tile::Unused { len, .. } => len,
                    })
                    .sum();
                assert!(total <= 256 - DATA_HEADER_BYTES);
            }
        }
    }
}
