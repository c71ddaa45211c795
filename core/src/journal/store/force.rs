//! From memory into the log, and from there into place.
//!
//! Invariants kept here:
//! * file data is durable before the checkpoint that shows it is written;
//! * a block goes in place only when all its committed changes are durable in the log, so after a force. All blocks go
//!   together, and then nothing in the log is needed any more;
//! * the first item of a block since blocks were last put in place carries all of it, and no block is stamped with an
//!   LSN. So recovery replays every item between tail and head, from one consistent state of the block to the next, and
//!   thereby heals a block that was torn on its way into place. Stamped with its checkpoint, the first sector of a torn
//!   block could say that the others are up to date, and Linux would believe it;
//! * a checkpoint is written without a flush in the middle, unless a single transaction is longer than that: an fsync
//!   costs one flush for data and one for the log. Putting blocks in place costs it none: when three eighths of the log
//!   are in use they are written behind a force, and the next flush, whatever it is for, makes them durable;
//! * when a transaction commits, half of the log is in use at most or about to be given up, an eighth of it may wait in
//!   memory, and a sixteenth is what one transaction should add. Two checkpoints may be written until one names the new
//!   tail. So a checkpoint always finds room, and never reaches the tail of the last durable record.

use alloc::string::ToString;
use alloc::vec::Vec;

use zerocopy::FromBytes;

use super::{PendingIntent, Store};
use crate::device::{BlockDevice, DeviceError};
use crate::error::{Error, Result};
use crate::format::BlockKind;
use crate::format::header;
use crate::format::log_item::item_type;
use crate::format::superblock::RawSuperblock;
use crate::journal::items::Done;
use crate::journal::log::{Log, Position};
use crate::journal::{checkpoint, recovery};
use crate::sort;
use crate::units::{Daddr, Lsn};

/// Committed metadata in memory that is not in place yet, at most, in bytes.
const DIRTY_BYTES: usize = 16 << 20;

/// What one transaction should take in the log at most, in bytes, however large that is: with what waits already, it then
/// makes a checkpoint that is on its way as a whole.
const TRANSACTION_BYTES: u64 = 1 << 20;

/// Largest single write of metadata, in bytes: neighbouring blocks are gathered up to this.
const GATHER_BYTES: usize = 1 << 20;

/// `sb_qflags` bits that say that the quota counts are right.
const QUOTA_CHECKED: u16 = 0x4 | 0x100 | 0x400;

impl Store {
    /// Lets the volume be changed: its log goes on at `position`. `intents` are in it and not done.
    pub fn set_log(&mut self, position: Position, intents: Vec<PendingIntent>) {
        let mut log = Log::new(&self.geometry, position);
        if intents.is_empty() {
            log.forget_old_records();
        }
        self.log = Some(log);
        // Ids of checkpoints need to be different only while they are in the log together.
        self.tid = position.head.0 as u32 ^ position.head.cycle().rotate_left(16) | 1;
        // Replay of a dirty log has seen to it.
        self.ahead_is_clear = position.head != position.tail;
        self.is_quiet = position.head == position.tail && intents.is_empty();
        self.oldest = intents.iter().map(|intent| intent.lsn).min();
        self.intents = intents;
    }

    /// What one transaction should take in the log at most, in bytes.
    pub(in crate::journal) fn transaction_bytes(&self) -> usize {
        let share = self.log.as_ref().map_or(u64::MAX, |log| log.len_bytes() / 16);
        share.min(TRANSACTION_BYTES) as usize
    }

    /// Makes sure that `more_bytes` bytes can go into the next checkpoint.
    pub(in crate::journal) fn make_room(&mut self, more_bytes: usize) -> Result<()> {
        self.check_alive()?;
        self.prepare()?;
        let Some(log) = &self.log else { return Ok(()) };
        let len = log.len_bytes();
        let all_bytes = self.pending.log_bytes() + more_bytes;
        // What other calls leave free is for the writeback of a file that is to become durable.
        let with_reserve = if self.is_forcing { all_bytes } else { all_bytes / 3 * 4 };
        if with_reserve as u64 > len / 8 || !self.fits_unflushed(with_reserve) {
            self.force()?;
            if !self.fits_unflushed(more_bytes) {
                self.push()?;
                self.fits_unflushed(more_bytes);
            }
        }
        let is_crowded = self.needed_bytes() > len / 2 && !self.is_settling;
        if is_crowded || self.dirty_bytes() > DIRTY_BYTES {
            self.force()?;
            self.push()?;
        }
        let Some(log) = &self.log else { return Ok(()) };
        let needed = log.footprint_bytes(self.pending.log_bytes() + more_bytes);
        if needed > log.free_bytes() {
            return Err(Error::unsupported("operation that is too large for the volume's log"));
        }
        Ok(())
    }

    /// Sees to what comes before the first change. Here, where the device may say that it must be asked again, and only
    /// for volumes that change.
    ///
    /// # Errors
    /// Those of the device.
    pub fn prepare(&mut self) -> Result<()> {
        if self.log.is_none() {
            return Ok(());
        }
        if !self.ahead_is_clear {
            recovery::clear_stale(&mut *self.device, &self.geometry)?;
            self.ahead_is_clear = true;
        }
        let outcome = self.forget_quota();
        self.shut_down_on_error(outcome)
    }

    /// Says whether [`Store::force`] comes next: what is committed until then goes into the same checkpoint if it can.
    pub fn expect_force(&mut self, is_next: bool) {
        self.is_forcing = is_next;
    }

    #[cfg(test)]
    pub(crate) fn is_force_expected(&self) -> bool {
        self.is_forcing
    }

    /// Bytes of the log that are needed until blocks are put in place.
    fn needed_bytes(&self) -> u64 {
        match (&self.log, self.oldest) {
            (Some(log), Some(oldest)) => log.bytes_since(oldest),
            _ => 0,
        }
    }

    /// Whether a checkpoint can be on its way as a whole, without a flush in the middle. Records become longer for it when
    /// they can.
    fn fits_unflushed(&mut self, bytes: usize) -> bool {
        let Some(log) = &mut self.log else { return true };
        if bytes > log.in_flight_bytes() && self.oldest.is_none() {
            log.lengthen_records();
        }
        bytes <= log.in_flight_bytes()
    }

    /// Makes every committed transaction, and all data written so far, durable.
    ///
    /// # Errors
    /// Those of the device; the volume then refuses further changes.
    pub fn force(&mut self) -> Result<()> {
        self.check_alive()?;
        self.is_forcing = false;
        let outcome = self.force_unguarded().and_then(|()| self.settle_if_crowded());
        self.shut_down_on_error(outcome)
    }

    /// Puts every changed block in place. What was committed must have been forced.
    pub(in crate::journal) fn push(&mut self) -> Result<()> {
        debug_assert!(self.pending.is_empty(), "what is put in place is in the log");
        let outcome = self.push_unguarded();
        self.shut_down_on_error(outcome)
    }

    /// Makes everything durable and in place, and the log say so.
    ///
    /// # Errors
    /// Those of the device; the volume then refuses further changes.
    pub fn quiesce(&mut self) -> Result<()> {
        self.force()?;
        if self.is_quiet {
            return Ok(());
        }
        // Counters are looked at only where the log is clean, so they may go out together with what they count.
        let outcome =
            self.write_counters().and_then(|()| self.push_unguarded()).and_then(|()| self.write_unmount());
        self.shut_down_on_error(outcome)
    }

    fn shut_down_on_error(&mut self, outcome: Result<()>) -> Result<()> {
        if let Err(error) = &outcome {
            self.shutdown.get_or_insert_with(|| error.to_string());
        }
        outcome
    }

    fn force_unguarded(&mut self) -> Result<()> {
        if self.data_in_flight {
            self.device.flush()?;
            self.data_in_flight = false;
            self.settled();
        }
        if self.pending.is_empty() {
            return Ok(());
        }
        self.is_quiet = false;
        let Some(log) = &mut self.log else {
            return Err(Error::ReadOnly { reason: "the log was not opened for writing".into() });
        };
        let regions = checkpoint::regions(&self.pending, &self.superblock, &mut self.cache, &self.geometry);
        if log.footprint_bytes(regions.payload_bytes()) > log.free_bytes() {
            return Err(Error::unsupported("checkpoint that is too large for the volume's log"));
        }
        let tail = self.oldest;
        let start = checkpoint::write(log, &mut *self.device, &regions, self.tid, tail)?;
        log.flush(&mut *self.device)?;
        log.release(tail.unwrap_or(start));
        self.tid = self.tid.wrapping_add(1).max(1);
        let pending = core::mem::take(&mut self.pending);
        self.intents.extend(pending.exchanges().iter().map(|rest| PendingIntent {
            intent: item_type::XMI,
            id: rest.id.get(),
            lsn: start,
        }));
        self.strike_off(pending.dones());
        if core::mem::take(&mut self.is_settling) {
            self.oldest = self.oldest_intent();
        }
        // The records just written are needed, and those that follow have to be as long.
        self.oldest.get_or_insert(start);
        self.busy.clear();
        self.let_go.clear();
        Ok(())
    }

    fn strike_off(&mut self, dones: &[Done]) {
        self.intents
            .retain(|intent| !dones.iter().any(|done| done.intent == intent.intent && done.id == intent.id));
    }

    fn push_unguarded(&mut self) -> Result<()> {
        self.settle()?;
        self.device.flush()?;
        self.settled();
        Ok(())
    }

    /// Puts every changed block in place, where much of the log or of memory is taken up by changes. Right after a force,
    /// so that the log has all of them.
    fn settle_if_crowded(&mut self) -> Result<()> {
        let len = self.log.as_ref().map_or(u64::MAX, Log::len_bytes);
        let is_crowded = self.needed_bytes() > len / 8 * 3 || self.dirty_bytes() > DIRTY_BYTES / 4 * 3;
        if is_crowded && !self.is_settling { self.settle() } else { Ok(()) }
    }

    /// Puts every changed block in place; the next flush makes that durable.
    fn settle(&mut self) -> Result<()> {
        self.write_dirty_blocks()?;
        if self.superblock_dirty {
            self.write_superblock()?;
        }
        self.cache.mark_clean();
        self.imaged.clear();
        self.is_settling = true;
        Ok(())
    }

    /// The device was flushed: if everything had been put in place, the log so far is needed for intents alone.
    fn settled(&mut self) {
        if !core::mem::take(&mut self.is_settling) {
            return;
        }
        self.oldest = self.oldest_intent();
        if let (None, Some(log)) = (self.oldest, &mut self.log) {
            log.forget_old_records();
        }
    }

    fn oldest_intent(&self) -> Option<Lsn> {
        self.intents.iter().map(|intent| intent.lsn).min()
    }

    /// Quota counts are not kept, so from the first change on they are not right any more.
    fn forget_quota(&mut self) -> Result<()> {
        if self.raw_superblock().qflags.get() & QUOTA_CHECKED != 0 {
            let raw = self.superblock_mut();
            raw.qflags = (raw.qflags.get() & !QUOTA_CHECKED).into();
            self.write_superblock()?;
            self.device.flush()?;
        }
        Ok(())
    }

    fn write_counters(&mut self) -> Result<()> {
        let counters = self.counters;
        let unsigned = |value: i64| u64::try_from(value).unwrap_or(0).into();
        let raw = self.superblock_mut();
        raw.icount = unsigned(counters.icount);
        raw.ifree = unsigned(counters.ifree);
        raw.fdblocks = unsigned(counters.fdblocks);
        self.write_superblock()
    }

    fn write_unmount(&mut self) -> Result<()> {
        let Some(log) = &mut self.log else { return Ok(()) };
        let head = log.head();
        checkpoint::write_unmount(log, &mut *self.device, self.tid)?;
        log.flush(&mut *self.device)?;
        log.release(head);
        self.is_quiet = true;
        Ok(())
    }

    fn superblock_mut(&mut self) -> &mut RawSuperblock {
        RawSuperblock::mut_from_prefix(&mut self.superblock).expect("a sector holds a superblock").0
    }

    fn write_superblock(&mut self) -> Result<()> {
        header::seal(BlockKind::Superblock, &mut self.superblock);
        self.device.write_at(0, &self.superblock)?;
        self.superblock_dirty = false;
        Ok(())
    }

    fn write_dirty_blocks(&mut self) -> Result<()> {
        let mut pieces = Vec::new();
        for (_, block) in self.cache.dirty_blocks() {
            let mut bytes = block.bytes.clone();
            header::seal(block.kind, &mut bytes);
            let mut rest = bytes.as_slice();
            for piece in &block.pieces {
                let (now, later) = rest.split_at(piece.len_bytes as usize);
                pieces.push((piece.daddr, now.to_vec()));
                rest = later;
            }
            if pieces.len() >= 4096 {
                write_gathered(&mut *self.device, &mut pieces)?;
            }
        }
        Ok(write_gathered(&mut *self.device, &mut pieces)?)
    }
}

/// Writes pieces in order of address, neighbours together.
fn write_gathered(
    device: &mut dyn BlockDevice,
    pieces: &mut Vec<(Daddr, Vec<u8>)>,
) -> Result<(), DeviceError> {
    sort::by_number(pieces, |&(daddr, _)| daddr.0);
    let mut run: Vec<u8> = Vec::new();
    let mut start = 0_u64;
    for (daddr, bytes) in pieces.drain(..) {
        let at = daddr.0 << 9;
        if !run.is_empty() && (start + run.len() as u64 != at || run.len() + bytes.len() > GATHER_BYTES) {
            device.write_at(start, &run)?;
            run.clear();
        }
        if run.is_empty() {
            start = at;
        }
        run.extend_from_slice(&bytes);
    }
    if run.is_empty() { Ok(()) } else { device.write_at(start, &run) }
}
