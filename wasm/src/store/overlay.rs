//! A base that is never written, and above it a device that holds what differs.
//!
//! ```text
//! upper:  0                  image                 + 4096                 end
//!         | the image's bytes | head                | a bit for each sector |
//! ```
//!
//! A sector whose bit is set is the upper's, any other the base's. Where the base's length is no multiple of 4096, the
//! image's part of the upper is padded to one; the map of bits too.
//!
//! * A bit is durable only after what it stands for: a flush makes data durable, then writes the bits that are new, then
//!   makes those durable. One flush does where no bit is new.
//! * Bits never go. A write that a crash cuts short leaves each sector old or new, as a device may.
//! * All bits are read before anything is done, in memory only where some are set (a 4096th of what differs), so that a
//!   write never has to wait for bytes that are not here.

mod bits;
mod head;
#[cfg(test)]
mod tests;

use xfskit::device::{BlockDevice, DeviceError, check_range};

use super::error::{STALE, StoreError};
use bits::{Bits, PAGE_BYTES};
use head::{HEAD_BYTES, Head};

/// The store's name in errors.
const NAME: &str = "overlay";
/// The unit of what differs, in bytes.
const SECTOR_BYTES: u64 = 512;

/// Bytes of the map that are read at a time.
const LOAD_BYTES: u64 = 64 << 10;

/// Bytes that the upper of a base of `base_bytes` must have.
#[must_use]
pub fn upper_bytes(base_bytes: u64) -> u64 {
    head_at(base_bytes) + HEAD_BYTES + bits::map_bytes(base_bytes)
}

fn head_at(base_bytes: u64) -> u64 {
    base_bytes.next_multiple_of(4096)
}

/// The store.
pub struct Overlay {
    base: Box<dyn BlockDevice>,
    upper: Box<dyn BlockDevice>,
    bits: Bits,
    /// What the head must say of the base.
    head: Head,
    /// The head is there: it was read, or written.
    has_head: bool,
    /// Bytes of the map that have been read.
    loaded_bytes: u64,
}

impl Overlay {
    /// `base` with what differs in `upper`, which is all zeros for one that is new. `fingerprint` is something short that
    /// tells this base from others (what a server gives for its version), empty if there is nothing.
    ///
    /// Nothing is read yet: an upper that belongs to another base is found out by [`Overlay::load`].
    ///
    /// # Errors
    /// [`StoreError::Argument`] when `upper` does not have [`upper_bytes`] bytes, or the fingerprint is too long.
    pub fn new(
        base: Box<dyn BlockDevice>,
        upper: Box<dyn BlockDevice>,
        fingerprint: &[u8],
    ) -> Result<Self, StoreError> {
        let base_bytes = base.len_bytes();
        if upper.len_bytes() != upper_bytes(base_bytes) {
            return Err(StoreError::Argument("length of what lies over the base"));
        }
        let head = Head::new(base_bytes, fingerprint)?;
        let bits = Bits::new(base_bytes.div_ceil(SECTOR_BYTES));
        Ok(Self { base, upper, bits, head, has_head: false, loaded_bytes: 0 })
    }

    /// Reads the head and the map of bits, as far as that has not been done; reading and writing do so too. After
    /// [`DeviceError::NotResident`] it goes on where it stopped.
    ///
    /// # Errors
    /// [`StoreError::OtherBase`], [`StoreError::Foreign`] and others of its kind when this is not an overlay for this base;
    /// those of `upper`.
    pub fn load(&mut self) -> Result<(), StoreError> {
        let at = head_at(self.base.len_bytes());
        let map_bytes = bits::map_bytes(self.base.len_bytes());
        if self.loaded_bytes == map_bytes && self.has_head {
            return Ok(());
        }
        let mut bytes = [0; head::USED_BYTES];
        self.upper.read_at(at, &mut bytes)?;
        let is_new = bytes.iter().all(|&byte| byte == 0);
        if !is_new {
            self.head.check(&bytes)?;
        }
        let mut buf = vec![0; LOAD_BYTES.min(map_bytes) as usize];
        while self.loaded_bytes < map_bytes {
            let piece = &mut buf[..LOAD_BYTES.min(map_bytes - self.loaded_bytes) as usize];
            self.upper.read_at(at + HEAD_BYTES + self.loaded_bytes, piece)?;
            if is_new && piece.iter().any(|&byte| byte != 0) {
                return Err(StoreError::Foreign { store: NAME, found: "bytes without a head" });
            }
            self.bits.load(self.loaded_bytes, piece);
            self.loaded_bytes += piece.len() as u64;
        }
        if is_new && !self.upper.is_read_only() {
            // The flush that comes before any bit makes it durable.
            self.upper.write_at(at, &self.head.encode())?;
        }
        self.has_head = true;
        Ok(())
    }

    fn check_loaded(&mut self) -> Result<(), DeviceError> {
        self.load().map_err(|error| match error {
            StoreError::Device(error) => error,
            StoreError::OtherBase { .. } => DeviceError::Io { code: STALE },
            _ => DeviceError::Io { code: 5 },
        })
    }

    /// The sector around byte `at`, with `piece` in it from there on.
    fn merged(&mut self, at: u64, piece: &[u8]) -> Result<Vec<u8>, DeviceError> {
        let start = at / SECTOR_BYTES * SECTOR_BYTES;
        let len = SECTOR_BYTES.min(self.base.len_bytes() - start);
        let mut sector = vec![0; len as usize];
        self.base.read_at(start, &mut sector)?;
        let inside = (at - start) as usize;
        sector[inside..inside + piece.len()].copy_from_slice(piece);
        Ok(sector)
    }

    /// Whether a write of a part of the sector around byte `at` has to bring the rest of it along.
    fn needs_rest(&self, at: u64) -> bool {
        !self.bits.is_set(at / SECTOR_BYTES)
    }

    /// The ends of a write that cover a sector in part which is still the base's: each as where it begins and all of the
    /// sector.
    fn ragged_ends(&mut self, offset: u64, buf: &[u8]) -> Result<Vec<(u64, Vec<u8>)>, DeviceError> {
        let (end, len_bytes) = (offset + buf.len() as u64, self.base.len_bytes());
        let mut ends = Vec::new();
        let first = offset / SECTOR_BYTES;
        if !offset.is_multiple_of(SECTOR_BYTES) && self.needs_rest(offset) {
            let count = buf.len().min(((first + 1) * SECTOR_BYTES - offset) as usize);
            ends.push((first * SECTOR_BYTES, self.merged(offset, &buf[..count])?));
        }
        let last = (end - 1) / SECTOR_BYTES;
        let is_covered = ends.first().is_some_and(|_| first == last);
        let start = (last * SECTOR_BYTES).max(offset);
        if !end.is_multiple_of(SECTOR_BYTES) && end != len_bytes && self.needs_rest(start) && !is_covered {
            ends.push((last * SECTOR_BYTES, self.merged(start, &buf[(start - offset) as usize..])?));
        }
        Ok(ends)
    }
}

impl BlockDevice for Overlay {
    fn len_bytes(&self) -> u64 {
        self.base.len_bytes()
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), DeviceError> {
        check_range(offset, buf.len(), self.len_bytes())?;
        self.check_loaded()?;
        let (mut at, mut rest) = (offset, buf);
        let mut outcome = Ok(());
        while !rest.is_empty() {
            let (is_upper, sectors) = self.bits.run(at / SECTOR_BYTES, rest.len() as u64 / SECTOR_BYTES + 2);
            let len = (sectors * SECTOR_BYTES - at % SECTOR_BYTES).min(rest.len() as u64);
            let (now, later) = rest.split_at_mut(len as usize);
            let side = if is_upper { &mut self.upper } else { &mut self.base };
            match side.read_at(at, now) {
                // The rest is tried as well, so that all that is missing is asked for at once.
                Err(error @ DeviceError::NotResident { .. }) => outcome = outcome.and(Err(error)),
                other => other?,
            }
            at += len;
            rest = later;
        }
        outcome
    }

    fn write_at(&mut self, offset: u64, buf: &[u8]) -> Result<(), DeviceError> {
        check_range(offset, buf.len(), self.len_bytes())?;
        if self.is_read_only() {
            return Err(DeviceError::ReadOnly);
        }
        if buf.is_empty() {
            return Ok(());
        }
        self.check_loaded()?;
        for (at, sector) in self.ragged_ends(offset, buf)? {
            self.upper.write_at(at, &sector)?;
        }
        self.upper.write_at(offset, buf)?;
        let end = (offset + buf.len() as u64).div_ceil(SECTOR_BYTES);
        self.bits.set(offset / SECTOR_BYTES, end);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), DeviceError> {
        if self.is_read_only() {
            return Ok(());
        }
        self.upper.flush()?;
        let pages = self.bits.new_pages();
        if pages.is_empty() {
            return Ok(());
        }
        let at = head_at(self.len_bytes()) + HEAD_BYTES;
        for page in pages {
            self.upper.write_at(at + page * PAGE_BYTES as u64, &self.bits.encode_page(page))?;
        }
        self.upper.flush()?;
        self.bits.are_written();
        Ok(())
    }

    fn is_read_only(&self) -> bool {
        self.upper.is_read_only()
    }
}
