//! Whether the log is clean: nothing in it that is not also in place.
//!
//! Every basic block of the log starts with the number of the cycle that wrote it, so a binary search finds the head,
//! where the last cycle ends. The log is clean when the last record before the head is the one that an unmount writes.
//! Nothing here reads more than a MiB, however large the log is.
//!
//! Records that were on their way when a host died may have landed out of order, which leaves holes before the head.
//! Recovery has to look for them; here it changes nothing, since an unmount record is written only after all others.
//!
//! Source: "Journaling Log"; the search follows what recovery in Linux does.

use alloc::string::String;
use alloc::vec::Vec;
use alloc::{format, vec};

use zerocopy::FromBytes;

use super::store::Store;
use crate::error::{Error, Result};
use crate::format::crc::Crc32c;
use crate::format::header::be_u32;
use crate::format::log::{
    EXTENDED_HEADER_CRC_BYTES, HEADER_COVERS_BYTES, HEADER_CRC_BYTES, HEADER_CRC_BYTES_X86, MAX_RECORD_BYTES,
    OpHeader, RECORD_MAGIC, RecordHeader,
};
use crate::format::log_item::op_flags;
use crate::units::Lsn;

/// Bytes of a basic block.
const BB: usize = 512;

/// Most basic blocks of a record: payload, its headers, padding to a log stripe unit.
const MAX_RECORD_BB: u32 = MAX_RECORD_BYTES / 512 + 8 + MAX_RECORD_BYTES / 512;

/// What the log says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogState {
    /// Nothing to replay.
    Clean {
        /// Where the next record goes.
        head: Lsn,
    },
    /// There are records to replay, or something that is not understood.
    Dirty {
        /// Why the log is not clean.
        reason: String,
        /// Where the next record would go.
        head: Lsn,
        /// Oldest record that is still needed; `None` when no record was found.
        tail: Option<Lsn>,
    },
    /// The log is on another device.
    External,
}

/// Looks at the log of the volume.
///
/// # Errors
/// Those of the device.
pub fn log_state(store: &mut Store) -> Result<LogState> {
    let geometry = store.geometry();
    if geometry.logstart.is_null() {
        return Ok(LogState::External);
    }
    let start_byte = geometry.byte(geometry.logstart);
    let blocks = u64::from(geometry.logblocks) << (geometry.blocklog - 9);
    let blocks = u32::try_from(blocks).map_err(|_| Error::unsupported("log of 2 TiB or more"))?;
    let uuid = *geometry.uuid.as_bytes();
    Log { store, start_byte, blocks, uuid }.state()
}

struct Log<'s> {
    store: &'s mut Store,
    /// Byte of the device where the log starts.
    start_byte: u64,
    /// Its length in basic blocks.
    blocks: u32,
    uuid: [u8; 16],
}

/// The last record before some place.
struct LastRecord {
    /// Its first basic block.
    at: u32,
    header: RecordHeader,
}

impl Log<'_> {
    fn state(&mut self) -> Result<LogState> {
        let (first, last) = (self.cycle(0)?, self.cycle(self.blocks - 1)?);
        if first == 0 {
            return Ok(LogState::Clean { head: Lsn::new(1, 0) });
        }
        let head = if first == last { 0 } else { self.end_of_cycle(first)? };
        self.judge(first, head)
    }

    /// First basic block that is not of cycle `cycle`, which block 0 is of and the last block is not.
    fn end_of_cycle(&mut self, cycle: u32) -> Result<u32> {
        let (mut low, mut high) = (0, self.blocks - 1);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.cycle(middle)? == cycle { low = middle } else { high = middle }
        }
        Ok(high)
    }

    /// What the record right before `head` makes of the log.
    fn judge(&mut self, first_cycle: u32, head: u32) -> Result<LogState> {
        let Some(last) = self.record_before(head)? else {
            let reason = String::from("no record before the head of the log");
            return Ok(LogState::Dirty { reason, head: Lsn::new(first_cycle, head), tail: None });
        };
        let header = &last.header;
        let cycle = if head == 0 || head <= last.at {
            header.cycle.get().wrapping_add(1)
        } else {
            header.cycle.get()
        };
        let head_lsn = Lsn::new(cycle, head);
        let dirty = |reason: String| {
            let tail = Some(Lsn(header.tail_lsn.get()));
            Ok(LogState::Dirty { reason, head: head_lsn, tail })
        };
        if header.fs_uuid != self.uuid {
            return dirty(String::from("the log belongs to another volume"));
        }
        if header.size.get() > MAX_RECORD_BYTES || header.len.get() > MAX_RECORD_BYTES {
            return dirty(format!("record of {} bytes in the log", header.len.get()));
        }
        let end = u64::from(last.at) + u64::from(header.header_bb()) + u64::from(header.payload_bb());
        let not_unmounted = String::from("the log has changes to replay");
        if end % u64::from(self.blocks) != u64::from(head) || header.num_logops.get() != 1 {
            return dirty(not_unmounted);
        }
        let payload = (last.at + header.header_bb()) % self.blocks;
        let sector = self.read(payload, 1)?;
        let is_unmount =
            OpHeader::ref_from_prefix(&sector).is_ok_and(|(op, _)| op.flags & op_flags::UNMOUNT != 0);
        if !is_unmount {
            return dirty(not_unmounted);
        }
        if !self.has_good_crc(&last)? {
            return dirty(String::from("the last record of the log is torn"));
        }
        Ok(LogState::Clean { head: head_lsn })
    }

    /// The last record that starts before `head`.
    fn record_before(&mut self, head: u32) -> Result<Option<LastRecord>> {
        let mut left = MAX_RECORD_BB.min(self.blocks);
        let mut end = if head == 0 { self.blocks } else { head };
        while left > 0 {
            // A clean log is decided by the last few blocks; more is read only where that did not help.
            let chunk = if left == MAX_RECORD_BB.min(self.blocks) { 16 } else { CHUNK_BB }.min(left).min(end);
            let bytes = self.read(end - chunk, chunk)?;
            for (index, sector) in bytes.chunks_exact(BB).enumerate().rev() {
                let at = end - chunk + index as u32;
                let Ok((header, _)) = RecordHeader::read_from_prefix(sector) else { continue };
                if header.magicno.get() == RECORD_MAGIC && Lsn(header.lsn.get()).block_bb() == at {
                    return Ok(Some(LastRecord { at, header }));
                }
            }
            left -= chunk;
            end -= chunk;
            if end == 0 {
                end = self.blocks;
            }
        }
        Ok(None)
    }

    fn has_good_crc(&mut self, record: &LastRecord) -> Result<bool> {
        let stored = u32::from_le_bytes(record.header.crc);
        if stored == 0 {
            return Ok(true);
        }
        let headers = self.read_around(record.at, record.header.header_bb())?;
        let payload_at = (record.at + record.header.header_bb()) % self.blocks;
        let payload = self.read_around(payload_at, record.header.payload_bb())?;
        let len = record.header.len.get() as usize;
        let crc_of = |header_bytes: usize| {
            let mut header = headers[..header_bytes].to_vec();
            header[32..36].fill(0);
            let mut crc = Crc32c::new().update(&header);
            // The number of these comes from the payload's length, not from the headers that are there.
            let extended = (len as u32).div_ceil(HEADER_COVERS_BYTES).saturating_sub(1) as usize;
            for block in headers.chunks_exact(BB).skip(1).take(extended) {
                crc = crc.update(&block[..EXTENDED_HEADER_CRC_BYTES]);
            }
            crc.update(&payload[..len]).finish()
        };
        Ok(crc_of(HEADER_CRC_BYTES) == stored || crc_of(HEADER_CRC_BYTES_X86) == stored)
    }

    fn cycle(&mut self, at: u32) -> Result<u32> {
        Ok(cycle_of(&self.read(at, 1)?))
    }

    fn read(&mut self, at: u32, count_bb: u32) -> Result<Vec<u8>> {
        let mut bytes = vec![0; count_bb as usize * BB];
        self.store.read_data(self.start_byte + u64::from(at) * BB as u64, &mut bytes)?;
        Ok(bytes)
    }

    /// Like [`Log::read`], going on at block 0 behind the end of the log. `count_bb` is at most that of a record.
    fn read_around(&mut self, at: u32, count_bb: u32) -> Result<Vec<u8>> {
        let count_bb = count_bb.min(self.blocks);
        let before_end = count_bb.min(self.blocks - at);
        let mut bytes = self.read(at, before_end)?;
        bytes.extend(self.read(0, count_bb - before_end)?);
        Ok(bytes)
    }
}

/// Basic blocks that a scan reads at once.
const CHUNK_BB: u32 = 512;

fn cycle_of(sector: &[u8]) -> u32 {
    match be_u32(sector, 0) {
        RECORD_MAGIC => be_u32(sector, 4),
        cycle => cycle,
    }
}

#[cfg(test)]
mod tests;
