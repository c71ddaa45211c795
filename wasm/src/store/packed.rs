//! An image in a file that grows with use: its chunks are placed in order of first use.
//!
//! ```text
//! 0     4096                 data                data + chunk_bytes
//! | head | map: a u32 a chunk | slot 0            | slot 1           | …
//! ```
//!
//! An entry of the map is 0 for a chunk that was never written, which reads as zeros, or the number of its slot plus 1.
//!
//! * A slot that is handed out holds zeros. So it does not matter which lands first, an entry or what it leads to: a
//!   flush makes both durable, and before it the chunk reads as zeros or as what was written, sector for sector.
//! * That holds because slots are handed out at the end of the file, which is cut there when it is opened; what a crash
//!   left behind the last slot is gone, durably, before a slot is handed out there.
//! * A slot in the middle that no entry leads to (its entry was lost in a crash) is filled with zeros, durably, before it
//!   is handed out. So there are never more slots than chunks, and a larger number is damage.
//! * Two entries never lead to one slot.

mod head;
mod map;
#[cfg(test)]
mod tests;

use xfskit::device::{BlockDevice, DeviceError, check_range};

use super::StoreError;
use super::raw::{RawFile, read_all, write_all};
use head::Head;
use map::{Map, Run};

/// The store's name in errors.
const NAME: &str = "packed image";

/// Bytes of a chunk of a new image that is not huge.
///
/// Calls of 1 MiB on fresh chunks are one call of the file each. Smaller chunks waste less of the file where a volume
/// writes a little here and there, but cut calls on what was not written in order.
pub const CHUNK_BYTES: u32 = 1 << 20;

/// The file becomes longer by so many bytes at a time: a change of its length costs more than a write.
const STEP_BYTES: u64 = 8 << 20;

/// Slots that are zeroed together: all of them cost one flush.
const ZEROED_TOGETHER: usize = 8;

/// The store.
pub struct Packed {
    file: Box<dyn RawFile>,
    /// Length of the file in bytes, as far as this store has made it.
    file_bytes: u64,
    head: Head,
    map: Map,
    is_read_only: bool,
}

impl Packed {
    /// Makes an image of `len_bytes` zeros, a multiple of 512, in a file that is empty, or whose making was cut short.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] when there is something in the file; [`StoreError::Argument`] for a length that can't be;
    /// those of the file.
    pub fn create(file: Box<dyn RawFile>, len_bytes: u64) -> Result<Self, StoreError> {
        Self::create_with(file, len_bytes, head::chunk_bytes_for(len_bytes))
    }

    /// The same, with chunks of `chunk_bytes`, a power of two from 4 KiB to 64 MiB.
    ///
    /// # Errors
    /// Those of [`Packed::create`].
    pub fn create_with(
        mut file: Box<dyn RawFile>,
        len_bytes: u64,
        chunk_bytes: u32,
    ) -> Result<Self, StoreError> {
        let head = Head::new(len_bytes, chunk_bytes)?;
        if !head::is_vacant(&mut *file)? {
            return Err(StoreError::Foreign { store: NAME, found: "a file that is not empty" });
        }
        // What is left of an attempt goes, so that all of the map and every slot read as zeros. The map is written, not
        // just made by its length, so that a full disk is found out here and not at a flush.
        file.truncate(0)?;
        let zeros = vec![0; 64 << 10];
        let mut at = 0;
        while at < head.data_at() {
            let count = (head.data_at() - at).min(zeros.len() as u64);
            write_all(&mut *file, at, &zeros[..count as usize])?;
            at += count;
        }
        file.flush()?;
        write_all(&mut *file, 0, &head.encode())?;
        file.flush()?;
        let map = Map::empty(head.chunk_count());
        Ok(Self { file, file_bytes: head.data_at(), head, map, is_read_only: false })
    }

    /// Opens what is in a file, or makes an image of `len_bytes` zeros where there is nothing, or where its making was
    /// cut short.
    ///
    /// # Errors
    /// Those of [`Packed::open`] and [`Packed::create`].
    pub fn open_or_create(mut file: Box<dyn RawFile>, len_bytes: u64) -> Result<Self, StoreError> {
        if head::is_vacant(&mut *file)? { Self::create(file, len_bytes) } else { Self::open(file, false) }
    }

    /// Opens what is in a file.
    ///
    /// # Errors
    /// [`StoreError`] says what it is if not a packed image that this release knows; those of the file.
    pub fn open(mut file: Box<dyn RawFile>, is_read_only: bool) -> Result<Self, StoreError> {
        let head = Head::read(&mut *file)?;
        let mut file_bytes = file.len_bytes()?;
        if file_bytes < head.data_at() {
            return Err(StoreError::Damaged { store: NAME, problem: "the file ends inside the map" });
        }
        let mut bytes = vec![0; head.map_bytes() as usize];
        read_all(&mut *file, head::HEAD_BYTES, &mut bytes)?;
        let map = Map::decode(&bytes, head.chunk_count())?;
        let end = head.slot_at(map.slot_count());
        if file_bytes > end && !is_read_only {
            file.truncate(end)?;
            file.flush()?;
            file_bytes = end;
        }
        Ok(Self { file, file_bytes, head, map, is_read_only })
    }

    /// Bytes that the image takes in the file, what it grew by in advance left out.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.head.slot_at(self.map.slot_count())
    }

    /// Sees to it that the file reaches to byte `end`.
    fn grow(&mut self, end: u64) -> Result<(), DeviceError> {
        if end <= self.file_bytes {
            return Ok(());
        }
        let most = self.head.slot_at(self.head.chunk_count());
        let generous = end.saturating_add(STEP_BYTES).min(most).max(end);
        // Near a quota, what is needed may fit where more does not.
        match self.file.truncate(generous) {
            Ok(()) => {}
            Err(_) if generous > end => self.file.truncate(end)?,
            Err(error) => return Err(error),
        }
        self.file_bytes = self.file.len_bytes()?;
        if self.file_bytes < end { Err(DeviceError::NoSpace) } else { Ok(()) }
    }

    /// Gives chunks `first..=last` slots, those that have none; the last ones may be left without when something fails.
    fn place(&mut self, first: u32, last: u32) -> Result<(), DeviceError> {
        for chunk in first..=last {
            if self.map.slot(chunk).is_some() {
                continue;
            }
            if self.map.spare_count() > 0 {
                self.zero_spares()?;
            } else {
                self.grow(self.head.slot_at(self.map.slot_count() + 1))?;
            }
            self.map.place(chunk);
        }
        Ok(())
    }

    /// Has zeros in some of the slots that a crash left without an entry, if they aren't there yet.
    fn zero_spares(&mut self) -> Result<(), DeviceError> {
        if self.map.has_clean_spare() {
            return Ok(());
        }
        let zeros = vec![0; self.head.chunk_bytes() as usize];
        let spares = self.map.spares_to_clean(ZEROED_TOGETHER);
        for &slot in &spares {
            let at = self.head.slot_at(slot);
            self.grow(at + zeros.len() as u64)?;
            write_all(&mut *self.file, at, &zeros)?;
        }
        self.file.flush()?;
        self.map.spares_are_clean(spares.len());
        Ok(())
    }

    /// Reads from the slots of a run; what lies behind the end of the file is zeros.
    fn read_run(&mut self, at: u64, buf: &mut [u8]) -> Result<(), DeviceError> {
        let there = self.file_bytes.saturating_sub(at).min(buf.len() as u64) as usize;
        let (front, back) = buf.split_at_mut(there);
        back.fill(0);
        read_all(&mut *self.file, at, front)
    }
}

impl BlockDevice for Packed {
    fn len_bytes(&self) -> u64 {
        self.head.len_bytes()
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), DeviceError> {
        check_range(offset, buf.len(), self.len_bytes())?;
        let (mut offset, mut rest) = (offset, buf);
        while !rest.is_empty() {
            let run = self.map.run(&self.head, offset, rest.len());
            let (now, later) = rest.split_at_mut(run.len);
            match run {
                Run { at: Some(at), .. } => self.read_run(at, now)?,
                Run { at: None, .. } => now.fill(0),
            }
            offset += run.len as u64;
            rest = later;
        }
        Ok(())
    }

    fn write_at(&mut self, offset: u64, buf: &[u8]) -> Result<(), DeviceError> {
        check_range(offset, buf.len(), self.len_bytes())?;
        if self.is_read_only {
            return Err(DeviceError::ReadOnly);
        }
        if buf.is_empty() {
            return Ok(());
        }
        self.place(self.head.chunk_of(offset), self.head.chunk_of(offset + buf.len() as u64 - 1))?;
        let (mut offset, mut rest) = (offset, buf);
        while !rest.is_empty() {
            let run = self.map.run(&self.head, offset, rest.len());
            let (now, later) = rest.split_at(run.len);
            let at = run.at.expect("every chunk has been given a slot");
            self.grow(at + now.len() as u64)?;
            write_all(&mut *self.file, at, now)?;
            offset += run.len as u64;
            rest = later;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), DeviceError> {
        if self.is_read_only {
            return Ok(());
        }
        for sector in self.map.dirty_sectors() {
            let at = head::HEAD_BYTES + sector as u64 * map::SECTOR_BYTES as u64;
            write_all(&mut *self.file, at, &self.map.encode_sector(sector))?;
        }
        self.file.flush()?;
        self.map.is_written();
        Ok(())
    }

    fn is_read_only(&self) -> bool {
        self.is_read_only
    }
}
