//! Where things lie: extents of files, owners of blocks, free space.

use js_sys::Float64Array;
use wasm_bindgen::prelude::wasm_bindgen;
use xfskit::format::btree::{RmapOwner, RmapRec};
use xfskit::units::{AgBlock, AgNumber};
use xfskit::volume::ExtentPlace;

use super::{Engine, ino, numbers};
use crate::disk::bytes;
use crate::failure::{Failure, Result};

const UNWRITTEN: u8 = 1;
const SHARED: u8 = 2;
const DELALLOC: u8 = 8;

const OF_ATTR_FORK: u8 = 16;
const OF_BMBT: u8 = 32;

#[wasm_bindgen]
impl Engine {
    /// The extents of a file, five numbers each: byte of the file, length, byte of the volume (-2 where blocks are
    /// chosen at writeback only), flags (1 unwritten, 2 shared, 8 delalloc), allocation group. Data that waits over
    /// shared blocks stands behind the extent that it will take the place of.
    ///
    /// # Errors
    /// Those of the store.
    pub fn extents(&mut self, number: f64) -> Result<Float64Array> {
        let volume = self.volume()?;
        let extents = volume.extents(ino(number))?;
        let geometry = volume.geometry();
        let blocksize = f64::from(geometry.blocksize);
        let mut shown = Vec::with_capacity(extents.len() * 5);
        for extent in extents {
            let (place, ag) = match extent.place {
                ExtentPlace::Disk { ag, agblock } => (geometry.ag_byte(ag, agblock) as f64, f64::from(ag.0)),
                ExtentPlace::Delalloc => (-2.0, -1.0),
            };
            let flags = flag(extent.unwritten, UNWRITTEN)
                | flag(extent.shared, SHARED)
                | flag(extent.place == ExtentPlace::Delalloc, DELALLOC);
            shown.extend([
                extent.offset_fsblocks as f64 * blocksize,
                extent.len_fsblocks as f64 * blocksize,
                place,
                f64::from(flags),
                ag,
            ]);
        }
        Ok(numbers(&shown))
    }

    /// Who has the blocks of `len` bytes from byte `at` of the volume on, five numbers each: byte, length, owner (an
    /// inode number; -3 headers, -4 the log, -5 trees of free space, -6 trees of inodes, -7 inodes, -8 tree of
    /// reference counts, -9 staging), byte of the file, flags (1 unwritten, 16 attribute fork, 32 block of a bmbt).
    /// What belongs to several comes several times; what is free does not come.
    ///
    /// # Errors
    /// `EOPNOTSUPP` on a volume without reverse mappings; those of the store.
    pub fn owners(&mut self, at: f64, len: f64) -> Result<Float64Array> {
        let (at, end) = (bytes(at)?, bytes(at)?.saturating_add(bytes(len)?));
        let volume = self.volume()?;
        let geometry = volume.geometry().clone();
        let mut shown = Vec::new();
        for ag in geometry.ags() {
            let start = geometry.ag_byte(ag, AgBlock(0));
            let ag_end = start + (u64::from(geometry.ag_len(ag)) << geometry.blocklog);
            let (from, to) = (at.max(start), end.min(ag_end));
            if from >= to {
                continue;
            }
            let first = (from - start) >> geometry.blocklog;
            let behind = (to - start).div_ceil(u64::from(geometry.blocksize));
            let owners = volume.owners(ag, AgBlock(first as u32), (behind - first) as u32)?;
            shown.extend(owners.iter().flat_map(|rec| {
                let place = geometry.ag_byte(ag, rec.start) as f64;
                owner_numbers(rec, place, f64::from(geometry.blocksize))
            }));
        }
        Ok(numbers(&shown))
    }

    /// The free extents of an allocation group, two numbers each: byte of the volume, length.
    ///
    /// # Errors
    /// Those of the store; `EINVAL` for a group that is not there.
    #[wasm_bindgen(js_name = freeExtents)]
    pub fn free_extents(&mut self, ag: u32) -> Result<Float64Array> {
        Ok(numbers(&self.free_in(ag)?))
    }

    /// What is not free, two numbers for each stretch: byte of the volume, length. Makes the log clean first.
    ///
    /// # Errors
    /// Those of the store.
    #[wasm_bindgen(js_name = usedRanges)]
    pub fn used_ranges(&mut self) -> Result<Float64Array> {
        let volume = self.volume()?;
        if volume.read_only_reason().is_none() {
            volume.quiesce()?;
        }
        let geometry = volume.geometry().clone();
        let mut used: Vec<f64> = Vec::new();
        for ag in geometry.ags() {
            let mut at = geometry.ag_byte(ag, AgBlock(0)) as f64;
            let end = at + f64::from(geometry.ag_len(ag)) * f64::from(geometry.blocksize);
            let free = self.free_in(ag.0)?;
            for pair in free.chunks_exact(2).chain([&[end, 0.0][..]]) {
                if pair[0] > at {
                    used.extend([at, pair[0] - at]);
                }
                at = pair[0] + pair[1];
            }
        }
        Ok(numbers(&used))
    }

    fn free_in(&mut self, ag: u32) -> Result<Vec<f64>> {
        let volume = self.volume()?;
        if ag >= volume.geometry().agcount {
            return Err(Failure::invalid("no such allocation group"));
        }
        let free = volume.free_extents(AgNumber(ag))?;
        let geometry = volume.geometry();
        let blocksize = f64::from(geometry.blocksize);
        let shown = free.iter().flat_map(|rec| {
            [geometry.ag_byte(AgNumber(ag), rec.start) as f64, f64::from(rec.len) * blocksize]
        });
        Ok(shown.collect())
    }
}

fn flag(is_set: bool, flag: u8) -> u8 {
    if is_set { flag } else { 0 }
}

fn owner_numbers(rec: &RmapRec, place: f64, blocksize: f64) -> [f64; 5] {
    let RmapOwner(owner) = rec.owner;
    let offset =
        if rec.has_file_offset() { (rec.offset & RmapRec::OFFSET_MASK) as f64 * blocksize } else { 0.0 };
    let flags = flag(rec.offset & RmapRec::UNWRITTEN != 0, UNWRITTEN)
        | flag(rec.offset & RmapRec::ATTR_FORK != 0, OF_ATTR_FORK)
        | flag(rec.offset & RmapRec::BMBT_BLOCK != 0, OF_BMBT);
    // Owners that are no inodes are small negative numbers.
    [place, f64::from(rec.len) * blocksize, owner as i64 as f64, offset, f64::from(flags)]
}
