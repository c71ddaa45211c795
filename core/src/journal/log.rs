//! The log as a ring of records: where the next one goes, how much room there is, and how a record is written.
//!
//! Invariants kept here:
//! * at most eight records, and at most 2 MiB of them, are on their way without a flush between: recovery looks for
//!   torn or missing ones no further back than that;
//! * no record touches what lies between the tail that the last durable record names and the head. Recovery may have
//!   to start there until a later record is durable.
//!
//! ```text
//!            tail             head
//!   ...------[records needed]......room......[tail of the next round
//! ```
//!
//! Source: "Journaling Log", "Log Records".

use zerocopy::{FromZeros, IntoBytes};

use crate::device::{BlockDevice, DeviceError};
use crate::format::crc::Crc32c;
use crate::format::header::put;
use crate::format::log::{
    EXTENDED_HEADER_CRC_BYTES, HEADER_COVERS_BYTES, HEADER_CRC_BYTES, MAX_RECORD_BYTES, RECORD_MAGIC,
    RecordHeader,
};
use crate::format::log_item::FORMAT_LITTLE_ENDIAN;
use crate::geometry::Geometry;
use crate::units::Lsn;

/// Bytes of a basic block.
const BB: usize = 512;

/// Records that may be on their way at once.
const MAX_IN_FLIGHT: u32 = 8;

/// `h_version`.
const VERSION: u32 = 2;

/// Where in the log writing goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Where the next record goes.
    pub head: Lsn,
    /// Oldest record that recovery would need.
    pub tail: Lsn,
    /// Most bytes of a record, headers included: `h_size`. All records between tail and head must agree on it, since
    /// Linux takes the number of header blocks from the one at the tail.
    pub record_bytes: u32,
    /// First basic block of the last record; all ones when there is none.
    pub last_record_bb: u32,
}

impl Position {
    /// Behind the last record of a clean log.
    #[must_use]
    pub fn clean(head: Lsn) -> Self {
        Self { head, tail: head, record_bytes: HEADER_COVERS_BYTES, last_record_bb: u32::MAX }
    }
}

/// The log of an open volume.
#[derive(Debug)]
pub struct Log {
    start_byte: u64,
    /// Length of the log in basic blocks.
    blocks: u32,
    /// Records start at multiples of this many basic blocks.
    unit_bb: u32,
    uuid: [u8; 16],
    at: Position,
    in_flight: u32,
}

/// The cycle after `cycle`: the magic of a record is none.
const fn next_cycle(cycle: u32) -> u32 {
    match cycle.wrapping_add(1) {
        RECORD_MAGIC => RECORD_MAGIC + 1,
        cycle => cycle,
    }
}

impl Log {
    /// The log of a volume, to be gone on with at `position`.
    #[must_use]
    pub fn new(geometry: &Geometry, position: Position) -> Self {
        Self {
            start_byte: geometry.byte(geometry.logstart),
            blocks: geometry.log_bb(),
            unit_bb: (geometry.logsunit_bytes >> 9).max(1),
            uuid: *geometry.uuid.as_bytes(),
            at: position,
            in_flight: 0,
        }
    }

    /// Where the next record goes.
    #[must_use]
    pub fn head(&self) -> Lsn {
        self.at.head
    }

    /// Length of the log in bytes.
    #[must_use]
    pub fn len_bytes(&self) -> u64 {
        u64::from(self.blocks) << 9
    }

    /// Basic blocks of header in front of each record's payload.
    fn header_bb(&self) -> u32 {
        self.at.record_bytes.div_ceil(HEADER_COVERS_BYTES).max(1)
    }

    /// Most bytes of payload in one record.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        let unit = self.unit_bb as usize * BB;
        // A record is padded to the log's stripe unit, or to the end of the log, and must not outgrow its own limit by that.
        let most = (self.at.record_bytes as usize / unit * unit).max(unit);
        most - (2 * self.header_bb() as usize - 1) * BB
    }

    /// Basic blocks of the next record. The headers of the one after it must not go round the end of the log, because
    /// `xfs_logprint` of xfsprogs 6.1 does not expect that: rather than to leave too few blocks for them there, a record
    /// is made longer.
    fn record_bb(&self, payload_bytes: usize) -> u32 {
        let bb = (self.header_bb() + payload_bytes.div_ceil(BB) as u32).next_multiple_of(self.unit_bb);
        match self.blocks.checked_sub(self.at.head.block_bb() + bb) {
            Some(left) if left < self.header_bb() && left.is_multiple_of(self.unit_bb) => bb + left,
            _ => bb,
        }
    }

    /// Bytes that no durable record needs.
    #[must_use]
    pub fn free_bytes(&self) -> u64 {
        self.len_bytes().saturating_sub(self.bytes_since(self.at.tail))
    }

    /// Bytes from `start`, which lies in the log still, to the head.
    #[must_use]
    pub fn bytes_since(&self, start: Lsn) -> u64 {
        let head = self.at.head;
        let used = if head.cycle() == start.cycle() {
            u64::from(head.block_bb()) - u64::from(start.block_bb().min(head.block_bb()))
        } else {
            u64::from(self.blocks) - u64::from(start.block_bb()) + u64::from(head.block_bb())
        };
        used << 9
    }

    /// What `payload_bytes` bytes of payload take in the log, headers and padding included.
    #[must_use]
    pub fn footprint_bytes(&self, payload_bytes: usize) -> u64 {
        let records = payload_bytes.div_ceil(self.payload_bytes()).max(1) as u64;
        let overhead = u64::from(self.header_bb() + self.unit_bb) << 9;
        // A record ends early where an operation's header no longer fits.
        payload_bytes as u64 + records * (overhead + 32)
    }

    /// Puts a record behind the head, with recovery starting at `tail` from then on. Returns its LSN.
    ///
    /// # Errors
    /// Those of the device.
    ///
    /// # Panics
    /// When the payload is longer than [`Log::payload_bytes`], which is a mistake of the caller.
    pub fn write_record(
        &mut self,
        device: &mut dyn BlockDevice,
        payload: &[u8],
        operations: u32,
        tail: Lsn,
    ) -> Result<Lsn, DeviceError> {
        assert!(payload.len() <= self.payload_bytes(), "a record's payload is bounded");
        if self.in_flight == MAX_IN_FLIGHT {
            self.flush(device)?;
        }
        let lsn = self.at.head;
        let header_bb = self.header_bb();
        let total_bb = self.record_bb(payload.len());
        let mut record = alloc::vec![0; total_bb as usize * BB];
        record[header_bb as usize * BB..][..payload.len()].copy_from_slice(payload);
        self.fill_header(&mut record, operations, tail);
        self.stamp_cycles(&mut record);
        seal(&mut record, header_bb as usize);

        let before_end = ((self.blocks - lsn.block_bb()).min(total_bb)) as usize * BB;
        let (first, wrapped) = record.split_at(before_end);
        device.write_at(self.start_byte + (u64::from(lsn.block_bb()) << 9), first)?;
        if !wrapped.is_empty() {
            device.write_at(self.start_byte, wrapped)?;
        }
        self.in_flight += 1;
        self.advance(total_bb);
        Ok(lsn)
    }

    fn fill_header(&self, record: &mut [u8], operations: u32, tail: Lsn) {
        let header_bb = self.header_bb() as usize;
        let lsn = self.at.head;
        let mut header = RecordHeader::new_zeroed();
        header.magicno.set(RECORD_MAGIC);
        header.cycle.set(lsn.cycle());
        header.version.set(VERSION);
        header.len.set((record.len() - header_bb * BB) as u32);
        header.lsn.set(lsn.0);
        header.tail_lsn.set(tail.0);
        header.prev_block.set(self.at.last_record_bb);
        header.num_logops.set(operations);
        header.fmt.set(FORMAT_LITTLE_ENDIAN);
        header.fs_uuid = self.uuid;
        header.size.set(self.at.record_bytes);
        put(record, 0, header.as_bytes());
    }

    /// Makes every basic block begin with the number of its cycle; the words that stood there move to the headers.
    fn stamp_cycles(&self, record: &mut [u8]) {
        /// Words of payload that one header block keeps.
        const WORDS: usize = HEADER_COVERS_BYTES as usize / BB;
        const FIRST_AT: usize = core::mem::offset_of!(RecordHeader, cycle_data);
        const EXTENDED_AT: usize = 4;
        let (header_bb, cycle) = (self.header_bb() as usize, self.at.head.cycle());
        let (headers, payload) = record.split_at_mut(header_bb * BB);
        for (index, sector) in payload.chunks_exact_mut(BB).enumerate() {
            let (block, word) = (index / WORDS, index % WORDS);
            let at = block * BB + if block == 0 { FIRST_AT } else { EXTENDED_AT } + word * 4;
            headers[at..at + 4].copy_from_slice(&sector[..4]);
            put(sector, 0, &cycle.to_be_bytes());
        }
        for block in headers.chunks_exact_mut(BB).skip(1) {
            put(block, 0, &cycle.to_be_bytes());
        }
        // What lies behind the end of the log goes on at its start, in the next cycle.
        let before_end = (self.blocks - self.at.head.block_bb()) as usize;
        for sector in record.chunks_exact_mut(BB).skip(before_end) {
            put(sector, 0, &next_cycle(cycle).to_be_bytes());
        }
    }

    fn advance(&mut self, by_bb: u32) {
        let (at, cycle) = (self.at.head.block_bb(), self.at.head.cycle());
        self.at.last_record_bb = at;
        let next = u64::from(at) + u64::from(by_bb);
        let blocks = u64::from(self.blocks);
        self.at.head = if next >= blocks {
            Lsn::new(next_cycle(cycle), (next - blocks) as u32)
        } else {
            Lsn::new(cycle, next as u32)
        };
    }

    /// Makes every record durable.
    ///
    /// # Errors
    /// Those of the device.
    pub fn flush(&mut self, device: &mut dyn BlockDevice) -> Result<(), DeviceError> {
        device.flush()?;
        self.in_flight = 0;
        Ok(())
    }

    /// Notes that a record that names `tail` is durable: what lies before it may be written over.
    pub fn release(&mut self, tail: Lsn) {
        self.at.tail = tail;
    }

    /// Most bytes of payload that can be on their way without a flush between.
    #[must_use]
    pub fn in_flight_bytes(&self) -> usize {
        self.payload_bytes() * MAX_IN_FLIGHT as usize
    }

    /// Nothing before the head is needed any more, so records may have another length: they are short, with a single block
    /// of headers, which makes an fsync write a third of what it would with long ones.
    pub fn forget_old_records(&mut self) {
        let unit_bytes = (self.unit_bb << 9).next_power_of_two();
        self.at.record_bytes = HEADER_COVERS_BYTES.max(unit_bytes);
    }

    /// Makes records long, so that a long checkpoint takes no flush in the middle. Only while nothing before the head is
    /// needed.
    pub fn lengthen_records(&mut self) {
        const HEADER_BB: u32 = MAX_RECORD_BYTES / HEADER_COVERS_BYTES;
        if self.blocks - self.at.head.block_bb() >= HEADER_BB {
            self.at.record_bytes = MAX_RECORD_BYTES;
        }
    }
}

/// Stores the record's checksum.
fn seal(record: &mut [u8], header_bb: usize) {
    const CRC_AT: usize = core::mem::offset_of!(RecordHeader, crc);
    let (headers, payload) = record.split_at(header_bb * BB);
    let mut crc = Crc32c::new().update(&headers[..HEADER_CRC_BYTES]);
    let extended = payload.len().div_ceil(HEADER_COVERS_BYTES as usize).saturating_sub(1);
    for block in headers.chunks_exact(BB).skip(1).take(extended) {
        crc = crc.update(&block[..EXTENDED_HEADER_CRC_BYTES]);
    }
    let crc = crc.update(payload).finish();
    put(record, CRC_AT, &crc.to_le_bytes());
}
