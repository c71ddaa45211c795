//! The log as what it is: a ring of basic blocks.

use alloc::vec::Vec;

use crate::device::{BlockDevice, read_vec};
use crate::error::{Error, Place, Problem, Result};
use crate::format::header::be_u32;
use crate::format::log::RECORD_MAGIC;
use crate::geometry::Geometry;
use crate::units::Daddr;

/// Bytes of a basic block.
pub(crate) const BB: usize = 512;

/// Basic blocks that are read ahead where the log is read from end to end.
const READ_AHEAD_BB: u32 = 4096;

/// The log of a volume, and where it lies.
pub(crate) struct Ring<'d> {
    device: &'d mut dyn BlockDevice,
    /// Byte of the device where the log starts.
    start_byte: u64,
    /// Its length in basic blocks.
    len_bb: u32,
    /// UUID that its records carry.
    uuid: [u8; 16],
    /// Blocks read ahead: the first one, and their bytes.
    window: (u32, Vec<u8>),
}

impl<'d> Ring<'d> {
    /// The internal log of a volume.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for an external log, and for one that is too large to be addressed.
    pub(crate) fn new(device: &'d mut dyn BlockDevice, geometry: &Geometry) -> Result<Self> {
        if geometry.logstart.is_null() {
            return Err(Error::unsupported("external log"));
        }
        let blocks = u64::from(geometry.logblocks) << (geometry.blocklog - 9);
        let len_bb = u32::try_from(blocks).ok().filter(|&len| len < 1 << 31);
        let len_bb = len_bb.ok_or_else(|| Error::unsupported("log of 1 TiB or more"))?;
        let (start_byte, uuid) = (geometry.byte(geometry.logstart), *geometry.uuid.as_bytes());
        Ok(Self { device, start_byte, len_bb, uuid, window: (0, Vec::new()) })
    }

    /// The device below.
    pub(crate) fn device(&mut self) -> &mut dyn BlockDevice {
        &mut *self.device
    }

    /// Length in basic blocks; at least 2.
    pub(crate) const fn len_bb(&self) -> u32 {
        self.len_bb
    }

    /// UUID that the records carry.
    pub(crate) const fn uuid(&self) -> &[u8; 16] {
        &self.uuid
    }

    /// Disk addresses that the log takes up: the first one, and the one behind it.
    pub(crate) const fn daddrs(&self) -> (u64, u64) {
        (self.start_byte >> 9, (self.start_byte >> 9) + self.len_bb as u64)
    }

    /// The block `count_bb` further on. Both are at most the length of the log.
    pub(crate) const fn forward(&self, at: u32, count_bb: u32) -> u32 {
        (at + count_bb) % self.len_bb
    }

    /// Blocks from `from` on to `to`; 0 when they are the same.
    pub(crate) const fn distance(&self, from: u32, to: u32) -> u32 {
        if to >= from { to - from } else { self.len_bb - from + to }
    }

    /// The cycle that wrote block `at`.
    pub(crate) fn cycle(&mut self, at: u32) -> Result<u32> {
        Ok(cycle_of(&self.read(at, 1)?))
    }

    /// Reads `count_bb` blocks (at most the whole log), going on at block 0 behind the end.
    pub(crate) fn read(&mut self, at: u32, count_bb: u32) -> Result<Vec<u8>> {
        let before_end = count_bb.min(self.len_bb - at);
        let mut bytes = self.read_straight(at, before_end)?;
        if before_end < count_bb {
            bytes.extend(self.read_straight(0, count_bb - before_end)?);
        }
        Ok(bytes)
    }

    fn read_straight(&mut self, at: u32, count_bb: u32) -> Result<Vec<u8>> {
        let offset = self.byte(at);
        Ok(read_vec(&mut *self.device, offset, count_bb as usize * BB)?)
    }

    /// Like [`Ring::read`] for who goes on behind what was read: more is read at once, and kept.
    pub(crate) fn read_ahead(&mut self, at: u32, count_bb: u32) -> Result<Vec<u8>> {
        let before_end = count_bb.min(self.len_bb - at);
        if before_end < count_bb {
            return self.read(at, count_bb);
        }
        let holds = |window: &(u32, Vec<u8>)| {
            let skip = at.checked_sub(window.0)? as usize * BB;
            window.1.get(skip..skip + count_bb as usize * BB).map(<[u8]>::to_vec)
        };
        if let Some(bytes) = holds(&self.window) {
            return Ok(bytes);
        }
        let ahead = READ_AHEAD_BB.max(count_bb).min(self.len_bb - at);
        self.window = (at, self.read_straight(at, ahead)?);
        Ok(holds(&self.window).expect("just read"))
    }

    /// Writes whole blocks that do not cross the end of the log.
    pub(crate) fn write(&mut self, at: u32, bytes: &[u8]) -> Result<()> {
        let offset = self.byte(at);
        Ok(self.device.write_at(offset, bytes)?)
    }

    /// Makes what was written durable.
    pub(crate) fn flush(&mut self) -> Result<()> {
        Ok(self.device.flush()?)
    }

    const fn byte(&self, at: u32) -> u64 {
        self.start_byte + at as u64 * BB as u64
    }

    /// Corruption of the log at block `at`.
    pub(crate) fn corrupt(&self, at: u32, problem: Problem) -> Error {
        Error::corrupt("log", Place::daddr(Daddr(self.byte(at) >> 9)), problem)
    }

    /// Corruption of the log at block `at`, in words.
    pub(crate) fn broken(&self, at: u32, rule: &'static str) -> Error {
        self.corrupt(at, Problem::Rule(rule))
    }
}

/// The cycle in the first words of a basic block.
pub(crate) fn cycle_of(sector: &[u8]) -> u32 {
    match be_u32(sector, 0) {
        RECORD_MAGIC => be_u32(sector, 4),
        cycle => cycle,
    }
}
