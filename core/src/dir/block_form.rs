//! A directory in block form: changing its one block.
//!
//! Changes are made on a copy of the block; only the parts that differ go into the transaction.

use alloc::vec::Vec;

use super::da::damaged;
use super::lookup::dir_hash;
use super::{entries_end, locate_data};
use crate::btree::bmap::Fork;
use crate::error::{Error, Problem, Result};
use crate::format::BlockKind;
use crate::format::dir::data::{
    BlockTail, TAIL_BYTES, Tile, best_free, entry_bytes, set_best_free, tiles, write_entry, write_unused,
};
use crate::format::dir::leaf::LeafEntry;
use crate::format::dir::{DATA_HEADER_BYTES, DOTDOT_AT, Dataptr, FIRST_ENTRY_AT};
use crate::format::inode::FileType;
use crate::geometry::Geometry;
use crate::inode::fork::FILE_END;
use crate::inode::{Inode, bmap};
use crate::journal::{Locator, Transaction};
use crate::sort;
use crate::units::{AgBlock, FileBlock, FsBlock, Ino};

/// A block in block form, taken apart: its tiles stay as bytes, its leaf entries are a list.
pub(super) struct Block {
    bytes: Vec<u8>,
    leaf: Vec<LeafEntry>,
}

impl Block {
    fn decode(bytes: Vec<u8>) -> Result<Self, Problem> {
        let tail = BlockTail::decode(&bytes)?;
        let end = bytes.len() - TAIL_BYTES;
        let leaf = bytes[tail.leaf_at(bytes.len())..end].chunks_exact(8).map(LeafEntry::decode).collect();
        Ok(Self { bytes, leaf })
    }

    /// Byte behind the tiles.
    fn end(&self) -> usize {
        self.bytes.len() - TAIL_BYTES - self.leaf.len() * LeafEntry::BYTES
    }

    fn stale(&self) -> usize {
        self.leaf.iter().filter(|entry| entry.is_stale()).count()
    }

    /// Unused regions, in order: offset and length.
    fn unused(&self) -> Result<Vec<(usize, usize)>, Problem> {
        let mut regions = Vec::new();
        for tile in tiles(&self.bytes, self.end()) {
            if let Tile::Unused { at, len } = tile? {
                regions.push((at, len));
            }
        }
        Ok(regions)
    }

    /// Adds an entry; false when there is no room.
    pub(super) fn add(&mut self, name: &[u8], ino: Ino, ftype: u8, hash: u32) -> Result<bool, Problem> {
        let need = entry_bytes(name.len());
        // A stale leaf entry makes way; without one the index grows down into the last region.
        let reuse = self.leaf.iter().position(LeafEntry::is_stale);
        let growth = if reuse.is_some() { 0 } else { LeafEntry::BYTES };
        let end = self.end();
        let regions = self.unused()?;
        let last = regions.last().copied().filter(|&(at, len)| at + len == end);
        if growth > 0 && last.is_none() {
            return Ok(false);
        }
        let room = |&(at, len): &(usize, usize)| if at + len == end { len - growth } else { len };
        let Some(&(at, len)) = regions.iter().filter(|region| room(region) >= need).min_by_key(|r| r.1)
        else {
            return Ok(false);
        };
        if let Some((last_at, last_len)) = last.filter(|_| growth > 0)
            && last_at != at
        {
            self.put_unused(last_at, last_len - growth);
        }
        write_entry(&mut self.bytes, at, ino, name, ftype);
        let rest = if at + len == end { len - growth } else { len } - need;
        self.put_unused(at + need, rest);
        if let Some(index) = reuse {
            self.leaf.remove(index);
        }
        let entry = LeafEntry { hash, address: Dataptr::new(FileBlock(0), 0, at) };
        let place = self.leaf.partition_point(|other| other.hash <= hash);
        self.leaf.insert(place, entry);
        Ok(true)
    }

    fn put_unused(&mut self, at: usize, len: usize) {
        if len > 0 {
            write_unused(&mut self.bytes, at, len);
        }
    }

    /// Removes an entry; false when it is not there.
    pub(super) fn remove(&mut self, name: &[u8], hash: u32) -> Result<bool, Problem> {
        let mut found = None;
        // The region right before the entry, to be joined with it.
        let (mut before, mut after) = (None, None);
        for tile in tiles(&self.bytes, self.end()) {
            match tile? {
                Tile::Entry(entry) if found.is_none() && entry.name == name => {
                    found = Some((entry.at, entry_bytes(name.len())));
                }
                Tile::Unused { at, len } if found.is_none() => before = Some((at, len)),
                Tile::Unused { at, len } if after.is_none() => after = Some((at, len)),
                _ => {}
            }
        }
        let Some((at, len)) = found else { return Ok(false) };
        let before = before.filter(|&(start, len)| start + len == at);
        let after = after.filter(|&(start, _)| start == at + len);
        let start = before.map_or(at, |(start, _)| start);
        let end = after.map_or(at + len, |(start, len)| start + len);
        self.put_unused(start, end - start);
        let address = Dataptr::new(FileBlock(0), 0, at);
        let Some(entry) = self.leaf.iter_mut().find(|e| e.address == address && e.hash == hash) else {
            return Err(Problem::Rule("entry without a leaf entry"));
        };
        entry.address = Dataptr(0);
        Ok(true)
    }

    fn encode(mut self) -> Result<Vec<u8>, Problem> {
        let end = self.end();
        let tail = BlockTail { count: self.leaf.len() as u32, stale: self.stale() as u32 };
        for (index, entry) in self.leaf.iter().enumerate() {
            entry.encode(&mut self.bytes[end + index * LeafEntry::BYTES..]);
        }
        tail.encode(&mut self.bytes);
        let best = best_free(&self.bytes, end)?;
        set_best_free(&mut self.bytes, best);
        Ok(self.bytes)
    }
}

fn fail(dir: &Inode, problem: Problem) -> Error {
    damaged(BlockKind::DirBlock, dir, FileBlock(0), problem)
}

fn locate(tx: &mut Transaction<'_>, dir: &Inode) -> Result<Locator> {
    let found = locate_data(tx, dir, FileBlock(0))?;
    let locator = found.ok_or_else(|| fail(dir, Problem::Rule("directory has no block")))?;
    Ok(Locator { kinds: &[BlockKind::DirBlock], ..locator })
}

/// The block's bytes and the end of its tiles.
pub(super) fn read(tx: &mut Transaction<'_>, dir: &Inode) -> Result<Option<(Vec<u8>, usize)>> {
    let locator = locate(tx, dir)?;
    let block = tx.block(&locator)?;
    let end = entries_end(block).map_err(|problem| fail(dir, problem))?;
    Ok(Some((block.bytes.clone(), end)))
}

/// Changes the block.
pub(super) fn change(
    tx: &mut Transaction<'_>,
    dir: &Inode,
    act: impl FnOnce(&mut Block) -> Result<bool, Problem>,
) -> Result<bool> {
    let locator = locate(tx, dir)?;
    let bytes = tx.read(&locator)?.to_vec();
    let changed = Block::decode(bytes).and_then(|mut block| {
        let done = act(&mut block)?;
        Ok((done, block.encode()?))
    });
    let (done, bytes) = changed.map_err(|problem| fail(dir, problem))?;
    if done && locator.pieces.len() > 1 {
        rehouse(tx, dir, &locator, &bytes)?;
    } else if done {
        tx.replace(&locator, &bytes)?;
    }
    Ok(done)
}

/// Gives a block that lies in pieces a place where it is whole: Linux can't recover a log with a change of the former.
fn rehouse(tx: &mut Transaction<'_>, dir: &Inode, old: &Locator, bytes: &[u8]) -> Result<()> {
    let near = tx.geometry().fsblock(tx.geometry().split_ino(dir.ino).0, AgBlock(0));
    discard_at(tx, dir, old)?;
    let len = tx.geometry().dir_fsblocks();
    let extent = bmap::allocate_whole(tx, dir.ino, Fork::Data, FileBlock(0), len, near)?;
    create(tx, dir.ino, extent.start, bytes);
    Ok(())
}

/// The bytes of a block with these entries: offset, inode, name, type of each, by rising offset.
pub(super) fn build(
    geometry: &Geometry,
    dir: Ino,
    parent: Ino,
    entries: &[(usize, Ino, &[u8], u8)],
) -> Result<Vec<u8>, Problem> {
    let ftype = FileType::Directory.dir_code();
    let dots = [(DATA_HEADER_BYTES, dir, &b"."[..], ftype), (DOTDOT_AT as usize, parent, &b".."[..], ftype)];
    let mut block = Block { bytes: alloc::vec![0; geometry.dir_blocksize() as usize], leaf: Vec::new() };
    let mut at = DATA_HEADER_BYTES;
    for &(offset, ino, name, ftype) in dots.iter().chain(entries) {
        block.put_unused(at, offset - at);
        at = offset + write_entry(&mut block.bytes, offset, ino, name, ftype);
        let address = Dataptr::new(FileBlock(0), 0, offset);
        block.leaf.push(LeafEntry { hash: dir_hash(geometry, name), address });
    }
    debug_assert!(at >= FIRST_ENTRY_AT as usize);
    sort::by_words(&mut block.leaf, |entry| (u64::from(entry.hash), u64::from(entry.address.0)));
    let end = block.end();
    if at > end {
        return Err(Problem::Rule("shortform directory is larger than a block"));
    }
    block.put_unused(at, end - at);
    block.encode()
}

/// Makes fsblock `start` and those behind it the block of a directory. The header of `bytes` is filled in.
pub(super) fn create(tx: &mut Transaction<'_>, dir: Ino, start: FsBlock, bytes: &[u8]) {
    let daddr = tx.geometry().daddr(start);
    let locator = Locator::new(&[BlockKind::DirBlock], daddr, bytes.len() as u32, Some(dir.0));
    let block = tx.create(&locator);
    // Behind the self-describing part, which ends with the owner.
    const OWN_AT: usize = core::mem::offset_of!(crate::format::dir::data::DataHeader, bestfree);
    block[OWN_AT..].copy_from_slice(&bytes[OWN_AT..]);
}

/// Gives the block back.
pub(super) fn discard(tx: &mut Transaction<'_>, dir: &Inode) -> Result<()> {
    let locator = locate(tx, dir)?;
    discard_at(tx, dir, &locator)
}

fn discard_at(tx: &mut Transaction<'_>, dir: &Inode, locator: &Locator) -> Result<()> {
    // In pieces, what follows the first of them on the device is somebody else's.
    if locator.pieces.is_empty() {
        tx.cancel(locator.daddr, locator.len_bytes);
    }
    for piece in &locator.pieces {
        tx.cancel(piece.daddr, piece.len_bytes);
    }
    bmap::unmap(tx, dir.ino, Fork::Data, FileBlock(0), FILE_END)
}
