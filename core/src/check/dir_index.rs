//! What finds a name in a directory: hashes to addresses, and which data blocks have room.
//!
//! Source: "Block Directories", "Leaf Directories", "Node Directories".

use alloc::vec::Vec;

use super::context::Context;
use super::da::{self, FileMap};
use super::dir::{Data, Hashed, block_indexes};
use crate::error::{Place, Result};
use crate::format::BlockKind;
use crate::format::header::{be_u16, be_u32};
use crate::sort;
use crate::units::FileBlock;

const NAME: &str = "directory index";
const HEADER_BYTES: usize = 64;
const COUNT_AT: usize = 56;
const STALE_AT: usize = 58;
/// Marks a data block that is a hole.
const NO_BLOCK: u16 = 0xffff;

/// Hashes and addresses from index blocks, in their order.
#[derive(Default)]
struct Index {
    live: Vec<(u32, u32)>,
    last: Option<u32>,
}

impl Index {
    /// Takes in `count` entries, of which `stale` must be unused.
    fn take(&mut self, cx: &mut Context<'_>, place: Place, bytes: &[u8], count: usize, stale: u32) {
        let mut unused = 0_u32;
        for entry in bytes.chunks_exact(8).take(count) {
            let (hash, address) = (be_u32(entry, 0), be_u32(entry, 4));
            if self.last.is_some_and(|last| hash < last) {
                cx.report.bounds(NAME, place, "hashval (out of order)", hash);
            }
            self.last = Some(hash);
            if address == 0 {
                unused += 1;
            } else {
                self.live.push((hash, address));
            }
        }
        cx.report.expect(NAME, place, "stale", unused, stale);
    }

    /// Every name is in the index once, and nothing else is.
    fn compare(&mut self, cx: &mut Context<'_>, place: Place, names: &mut [Hashed]) {
        sort::by_words(&mut self.live, |&(hash, address)| (u64::from(hash), u64::from(address)));
        sort::by_words(names, |name| (u64::from(name.hash), u64::from(name.address)));
        let same = self.live.len() == names.len()
            && self.live.iter().zip(&*names).all(|(live, name)| *live == (name.hash, name.address));
        if !same {
            cx.report.rule(NAME, place, "does not lead to the names that are there");
        }
    }
}

/// Where the data of a block form ends and its index starts, if the index fits.
pub(super) fn block_form_end(bytes: &[u8]) -> Option<usize> {
    let tail = bytes.len().checked_sub(8)?;
    let count = usize::try_from(be_u32(bytes, tail)).ok()?;
    tail.checked_sub(count.checked_mul(8)?).filter(|&end| end >= HEADER_BYTES)
}

/// Checks the index of the block form, which is all of `bytes`.
pub(super) fn block_form(cx: &mut Context<'_>, place: Place, bytes: &[u8], data: &mut Data) {
    let tail = bytes.len() - 8;
    let mut index = Index::default();
    index.take(cx, place, bytes, tail / 8, be_u32(bytes, tail + 4));
    index.compare(cx, place, &mut data.names);
}

/// Checks the leaf or node form. Returns whether all of it could be read.
pub(super) fn check(cx: &mut Context<'_>, map: &FileMap<'_>, data: &mut Data, last: u64) -> Result<bool> {
    let start = cx.geometry.dir_leaf_start();
    let fsblocks = cx.geometry.dir_fsblocks();
    let place = Place::file_block(map.ino, start);
    let kinds = [BlockKind::DirLeaf1, BlockKind::DirLeafN, BlockKind::DaNode];
    let Some((kind, bytes)) = map.block(cx, &kinds, start, fsblocks)? else { return Ok(false) };
    let mut index = Index::default();
    let mut is_complete = true;
    if kind == BlockKind::DirLeaf1 {
        is_complete = leaf_form(cx, map, &bytes, data, last, &mut index);
    } else {
        let mut on_leaf = |cx: &mut Context<'_>, place: Place, bytes: &[u8]| {
            let (count, stale) = (be_u16(bytes, COUNT_AT), be_u16(bytes, STALE_AT));
            index.take(cx, place, &bytes[HEADER_BYTES..], count.into(), stale.into());
            Ok(index.last.filter(|_| count > 0))
        };
        is_complete &= da::walk(cx, map, fsblocks, BlockKind::DirLeafN, start, &mut on_leaf)?;
        is_complete &= free_index(cx, map, data)?;
    }
    if is_complete {
        index.compare(cx, place, &mut data.names);
    }
    Ok(is_complete)
}

fn leaf_form(
    cx: &mut Context<'_>,
    map: &FileMap<'_>,
    bytes: &[u8],
    data: &Data,
    last: u64,
    index: &mut Index,
) -> bool {
    let place = Place::file_block(map.ino, cx.geometry.dir_leaf_start());
    cx.report.expect(NAME, place, "forw of an only leaf", 0_u32, be_u32(bytes, 0));
    cx.report.expect(NAME, place, "back of an only leaf", 0_u32, be_u32(bytes, 4));
    let count = usize::from(be_u16(bytes, COUNT_AT));
    let tail = bytes.len() - 4;
    let bests = be_u32(bytes, tail);
    let used = HEADER_BYTES as u64 + 8 * count as u64 + 2 * u64::from(bests) + 4;
    if used > bytes.len() as u64 {
        cx.report.bounds(NAME, place, "count or bestcount", used);
        return false;
    }
    if map.extents.iter().any(|extent| extent.file_block >= cx.geometry.dir_free_start()) {
        cx.report.rule(NAME, place, "the leaf form has free index blocks");
    }
    cx.report.expect(NAME, place, "bestcount", last.saturating_add(1), bests);
    index.take(cx, place, &bytes[HEADER_BYTES..], count, be_u16(bytes, STALE_AT).into());
    let first_best = tail - 2 * bests as usize;
    check_bests(cx, place, &bytes[first_best..tail], data, 0);
    true
}

/// Compares the rooms of data blocks from block `first` on with what the blocks say. Returns how many are there.
fn check_bests(cx: &mut Context<'_>, place: Place, bests: &[u8], data: &Data, first: u64) -> u32 {
    let mut present = 0;
    let mut at = data.best.partition_point(|&(index, _)| index < first);
    for (index, best) in (first..).zip(bests.chunks_exact(2)) {
        let best = be_u16(best, 0);
        present += u32::from(best != NO_BLOCK);
        let expected = match data.best.get(at) {
            Some(&(found, room)) if found == index => {
                at += 1;
                room
            }
            _ => NO_BLOCK,
        };
        cx.report.expect(NAME, place, "bests", expected, best);
    }
    present
}

/// The free index of the node form. Returns whether all of it could be read.
fn free_index(cx: &mut Context<'_>, map: &FileMap<'_>, data: &Data) -> Result<bool> {
    let start = cx.geometry.dir_free_start();
    let per_block = (u64::from(cx.geometry.dir_blocksize()) - HEADER_BYTES as u64) / 2;
    let mut covered = 0_u64;
    for block in block_indexes(map, cx.geometry.dirblklog, start, FileBlock::NULL) {
        let file_block = start.plus(block << cx.geometry.dirblklog);
        let place = Place::file_block(map.ino, file_block);
        let found = map.block(cx, &[BlockKind::DirFree], file_block, cx.geometry.dir_fsblocks())?;
        let Some((_, bytes)) = found else { return Ok(false) };
        let (first, valid, used) = (be_u32(&bytes, 48), be_u32(&bytes, 52), be_u32(&bytes, 56));
        cx.report.expect(NAME, place, "firstdb", block.saturating_mul(per_block), first);
        if u64::from(valid) > per_block {
            cx.report.bounds(NAME, place, "nvalid", valid);
            return Ok(false);
        }
        let bests = &bytes[HEADER_BYTES..HEADER_BYTES + 2 * valid as usize];
        let present = check_bests(cx, place, bests, data, first.into());
        cx.report.expect(NAME, place, "nused", present, used);
        covered += u64::from(present);
    }
    let place = Place::file_block(map.ino, start);
    cx.report.expect(NAME, place, "data blocks in the free index", data.best.len() as u64, covered);
    Ok(true)
}
