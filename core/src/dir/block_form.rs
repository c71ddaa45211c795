//! A directory in block form: entries at the front of its one block, their index at the end.
//!
//! ```text
//! | header | . | .. | entries and unused regions … | hash, address | … | entries, stale ones |
//! ```
//!
//! Changes are made on a copy of the block; only the parts that differ go into the transaction.
//!
//! Source: "Block Directories".

use alloc::vec::Vec;

use super::blocks::{Dir, cancel, copy_contents, kinds};
use super::data_block::DataBlock;
use super::edit::NewName;
use super::leaf_block;
use super::leaf_form;
use super::lookup::{Wanted, matching};
use super::shortform;
use crate::btree::bmap::Fork;
use crate::error::{Error, Problem, Result};
use crate::format::BlockKind;
use crate::format::dir::data::{BlockTail, TAIL_BYTES, Tile, entry_bytes, tiles};
use crate::format::dir::leaf::LeafEntry;
use crate::format::dir::shortform::{Entry, Shortform};
use crate::format::dir::{DATA_HEADER_BYTES, DOTDOT_AT, Dataptr};
use crate::format::inode::{FileType, fork_format};
use crate::geometry::Geometry;
use crate::inode::bmap;
use crate::inode::core::core_mut;
use crate::inode::fork::FILE_END;
use crate::journal::{Locator, Transaction};
use crate::sort;
use crate::units::{AgBlock, FileBlock, Ino};

const AT: FileBlock = FileBlock(0);

/// A block in block form, taken apart: its tiles stay as bytes, its index is a list.
struct Block {
    bytes: Vec<u8>,
    leaf: Vec<LeafEntry>,
}

/// Where an entry will go.
struct Place {
    /// Start of the unused region that it is taken from.
    start: usize,
    /// Stale entries leave the index for it, all but one.
    is_compacted: bool,
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

    fn data(&mut self) -> DataBlock<'_> {
        let end = self.end();
        DataBlock::new(&mut self.bytes, end)
    }

    /// The place for an entry of `need` bytes: in the longest unused region, if the index finds its room too.
    fn place(&mut self, need: usize) -> Option<Place> {
        let (end, stale) = (self.end(), self.stale());
        let data = self.data();
        let last = data.unused_before(end);
        let [best, second, _] = data.bests();
        let in_region = |region: crate::format::dir::data::BestFree, need: usize| {
            let fits = usize::from(region.length.get()) >= need;
            fits.then(|| Place { start: region.offset.get().into(), is_compacted: false })
        };
        if stale == 0 {
            // The index grows down into the last region, which may be the longest one.
            return match last? == usize::from(best.offset.get()) {
                true => in_region(best, need + LeafEntry::BYTES).or_else(|| in_region(second, need)),
                false => in_region(best, need),
            };
        }
        in_region(best, need).or_else(|| {
            let room = last.map_or(0, |start| end - start) + (stale - 1) * LeafEntry::BYTES;
            (room >= need).then(|| Place { start: last.unwrap_or(end), is_compacted: true })
        })
    }

    /// Adds an entry; false when there is no room.
    fn add(&mut self, new: &NewName<'_>, hash: u32) -> Result<bool, Problem> {
        let need = entry_bytes(new.name.len());
        let Some(place) = self.place(need) else { return Ok(false) };
        if place.is_compacted {
            self.compact()?;
        }
        let index = self.leaf.partition_point(|other| other.hash < hash);
        let stale = |&at: &usize| self.leaf[at].is_stale();
        let gap = (0..self.leaf.len()).filter(stale).min_by_key(|&at| at.abs_diff(index));
        if gap.is_none() {
            self.data().give_up_end(LeafEntry::BYTES)?;
        }
        if let Some(gap) = gap {
            self.leaf.remove(gap);
        }
        let index = index - usize::from(gap.is_some_and(|gap| gap < index));
        self.leaf.insert(index, LeafEntry { hash, address: Dataptr::new(AT, 0, place.start) });
        let mut data = self.data();
        data.add_at(place.start, place.start, new.name, new.ino, new.file_type.dir_code())?;
        Ok(true)
    }

    /// Removes stale entries from the index, all but one.
    fn compact(&mut self) -> Result<(), Problem> {
        let (old_end, mut is_first) = (self.end(), true);
        self.leaf.retain(|entry| !entry.is_stale() || core::mem::replace(&mut is_first, false));
        let freed = self.end() - old_end;
        if freed == 0 { Ok(()) } else { self.data().give(old_end, freed) }
    }

    fn encode(mut self) -> Vec<u8> {
        let end = self.end();
        let tail = BlockTail { count: self.leaf.len() as u32, stale: self.stale() as u32 };
        for (index, entry) in self.leaf.iter().enumerate() {
            entry.encode(&mut self.bytes[end + index * LeafEntry::BYTES..]);
        }
        tail.encode(&mut self.bytes);
        self.bytes
    }
}

fn fail(dir: &Dir, problem: Problem) -> Error {
    dir.damaged(BlockKind::DirBlock, AT, problem)
}

fn read(tx: &mut Transaction<'_>, dir: &mut Dir) -> Result<(Locator, Block)> {
    let locator = dir.writable(tx, AT, kinds::BLOCK)?;
    let bytes = tx.read(&locator)?.to_vec();
    let block = Block::decode(bytes).map_err(|problem| fail(dir, problem))?;
    Ok((locator, block))
}

/// Adds a name. The directory becomes one of leaf form when the block is full.
pub(super) fn add(tx: &mut Transaction<'_>, dir: &mut Dir, new: &NewName<'_>, hash: u32) -> Result<()> {
    let (locator, mut block) = read(tx, dir)?;
    if block.add(new, hash).map_err(|problem| fail(dir, problem))? {
        return tx.replace(&locator, &block.encode());
    }
    to_leaf(tx, dir, &locator, block)?;
    leaf_form::add(tx, dir, new, hash)
}

/// Removes a name, which must be there. The directory goes back into its inode when it fits.
pub(super) fn remove(tx: &mut Transaction<'_>, dir: &mut Dir, wanted: &Wanted<'_>) -> Result<()> {
    let (locator, mut block) = read(tx, dir)?;
    let first = block.leaf.partition_point(|entry| entry.hash < wanted.hash);
    let run = block.leaf[first..].iter().take_while(|entry| entry.hash == wanted.hash);
    let run: Vec<_> = run.filter(|entry| !entry.is_stale()).map(|entry| entry.address).collect();
    let found = matching(tx, &dir.inode, wanted, &run)?.map(|found| run[found.index]);
    let Some(address) = found else { return Err(fail(dir, Problem::Rule("entry without a leaf entry"))) };
    block.data().remove(address.byte() as usize).map_err(|problem| fail(dir, problem))?;
    for entry in block.leaf.iter_mut().filter(|entry| entry.address == address) {
        entry.address = Dataptr(0);
    }
    tx.replace(&locator, &block.encode())?;
    shrink_to_shortform(tx, dir)
}

/// Moves the index out of the block, into a leaf.
fn to_leaf(tx: &mut Transaction<'_>, dir: &mut Dir, locator: &Locator, mut block: Block) -> Result<()> {
    let (end, len) = (block.end(), block.bytes.len());
    let (count, stale) = (block.leaf.len(), block.stale());
    let mut data = DataBlock::new(&mut block.bytes, len);
    data.give(end, len - end).map_err(|problem| fail(dir, problem))?;
    let best = data.longest();
    let leaf = dir.grow(tx, dir.root_at(), kinds::LEAF1)?;
    leaf_block::set_counts(tx, &leaf, count, stale)?;
    leaf_block::put_entries(tx, &leaf, 0, block.leaf.into_iter())?;
    leaf_form::put_table(tx, dir, &leaf, &[best as u16])?;
    let locator = Locator { kinds: kinds::DATA, ..locator.clone() };
    copy_contents(BlockKind::DirData, &block.bytes, tx.create(&locator));
    Ok(())
}

/// Puts the index of a directory with one data block, `live`, at the end of that, if there is room. The leaf is left.
pub(super) fn from_leaf(tx: &mut Transaction<'_>, dir: &mut Dir, live: &[LeafEntry]) -> Result<bool> {
    let locator = dir.writable(tx, AT, kinds::DATA)?;
    let mut bytes = tx.read(&locator)?.to_vec();
    let (len, size) = (bytes.len(), live.len() * LeafEntry::BYTES + TAIL_BYTES);
    let mut data = DataBlock::new(&mut bytes, len);
    if data.unused_before(len).is_none_or(|last| len - last < size) {
        return Ok(false);
    }
    data.give_up_end(size).map_err(|problem| fail(dir, problem))?;
    let bytes = Block { bytes, leaf: live.to_vec() }.encode();
    let locator = Locator { kinds: kinds::BLOCK, ..locator };
    copy_contents(BlockKind::DirBlock, &bytes, tx.create(&locator));
    Ok(true)
}

/// Moves a directory back into its inode when it fits.
pub(super) fn shrink_to_shortform(tx: &mut Transaction<'_>, dir: &mut Dir) -> Result<()> {
    let locator = dir.locate(tx, AT, kinds::BLOCK)?;
    let bytes = tx.read(&locator)?;
    let fail = |problem| fail(dir, problem);
    let end = BlockTail::decode(bytes).map_err(fail)?.leaf_at(bytes.len());
    let room = dir.inode.data_fork_bytes();
    let mut sf = Shortform { parent: dir.ino(), entries: Vec::new() };
    let mut least = 0;
    for tile in tiles(bytes, end) {
        let Tile::Entry(entry) = tile.map_err(fail)? else { continue };
        match entry.name {
            b"." => {}
            b".." => sf.parent = entry.ino,
            name => {
                sf.entries.push(Entry { offset: entry.at as u16, name, ftype: entry.ftype, ino: entry.ino });
                least += name.len();
            }
        }
        if least > room {
            return Ok(());
        }
    }
    debug_assert!(end >= DATA_HEADER_BYTES);
    if sf.encoded_bytes() > room || sf.entries.len() > 255 {
        return Ok(());
    }
    let bytes = sf.encode();
    cancel(tx, &locator);
    bmap::unmap(tx, dir.ino(), Fork::Data, AT, FILE_END)?;
    shortform::store(tx, dir.ino(), &bytes)
}

/// Moves a directory out of its inode into a block.
pub(super) fn from_shortform(tx: &mut Transaction<'_>, dir: &mut Dir, sf: &Shortform<'_>) -> Result<()> {
    let geometry = tx.geometry().clone();
    let bytes = build(&geometry, dir.ino(), sf).map_err(|problem| fail(dir, problem))?;
    let core = core_mut(tx, dir.ino())?;
    core.format = fork_format::EXTENTS;
    core.size.set(geometry.dir_blocksize().into());
    core.set_data_nextents(0);
    let near = geometry.fsblock(geometry.split_ino(dir.ino()).0, AgBlock(0));
    let extent = bmap::allocate_whole(tx, dir.ino(), Fork::Data, AT, geometry.dir_fsblocks(), near)?;
    let daddr = geometry.daddr(extent.start);
    let locator = Locator::new(kinds::BLOCK, daddr, geometry.dir_blocksize(), Some(dir.ino().0));
    copy_contents(BlockKind::DirBlock, &bytes, tx.create(&locator));
    dir.refresh(tx)
}

/// The bytes of a block that holds what a directory of shortform does, every entry at its offset.
fn build(geometry: &Geometry, dir: Ino, sf: &Shortform<'_>) -> Result<Vec<u8>, Problem> {
    let ftype = FileType::Directory.dir_code();
    let dots = [
        Entry { offset: DATA_HEADER_BYTES as u16, name: b".", ftype, ino: dir },
        Entry { offset: DOTDOT_AT as u16, name: b"..", ftype, ino: sf.parent },
    ];
    let entries = || dots.iter().chain(&sf.entries);
    let mut leaf: Vec<_> = entries()
        .map(|entry| LeafEntry {
            hash: geometry.dir_hash(entry.name),
            address: Dataptr::new(AT, 0, entry.offset.into()),
        })
        .collect();
    sort::by_words(&mut leaf, |entry| (u64::from(entry.hash), u64::from(entry.address.0)));
    let mut block = Block { bytes: alloc::vec![0; geometry.dir_blocksize() as usize], leaf };
    let last = sf.entries.last().map_or(0, |e| usize::from(e.offset) + entry_bytes(e.name.len()));
    if (sf.entries.len() + 2) * LeafEntry::BYTES + TAIL_BYTES + last > block.bytes.len() {
        return Err(Problem::Rule("shortform directory is larger than a block"));
    }
    let mut data = block.data();
    data.initialise();
    let mut free = DATA_HEADER_BYTES;
    for entry in entries() {
        let (at, len) = (usize::from(entry.offset), entry_bytes(entry.name.len()));
        data.add_at(free, at, entry.name, entry.ino, entry.ftype)?;
        free = at + len;
    }
    Ok(block.encode())
}
