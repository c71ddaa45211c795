//! One record of the log: read, verified, and its payload as it was before the cycle was stamped over it.
//!
//! Source: "Journaling Log", "Log Records".

use alloc::vec::Vec;

use zerocopy::FromBytes;

use super::ring::{BB, Ring};
use crate::error::{Error, Problem, Result};
use crate::format::crc::Crc32c;
use crate::format::log::{
    EXTENDED_HEADER_CRC_BYTES, HEADER_COVERS_BYTES, HEADER_CRC_BYTES, HEADER_CRC_BYTES_X86, MAX_RECORD_BYTES,
    OpHeader, RECORD_MAGIC, RecordHeader,
};
use crate::format::log_item::{FORMAT_LITTLE_ENDIAN, op_flags};
use crate::units::Lsn;

/// Words that a header block keeps of the payload.
const WORDS: usize = 64;
/// Where a header block keeps them.
const WORDS_AT: usize = core::mem::offset_of!(RecordHeader, cycle_data);
/// Where a further header block keeps them.
const EXTENDED_WORDS_AT: usize = 4;
/// Where the checksum stands.
const CRC_AT: usize = core::mem::offset_of!(RecordHeader, crc);

/// A record that was verified.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    /// Basic block of its header.
    pub(crate) at: u32,
    /// Its header.
    pub(crate) header: RecordHeader,
    /// The operations in it.
    pub(crate) payload: Vec<u8>,
}

impl Record {
    /// Its LSN.
    #[must_use]
    pub(crate) fn lsn(&self) -> Lsn {
        Lsn(self.header.lsn.get())
    }

    /// Basic blocks that it takes, headers included.
    #[must_use]
    pub(crate) fn len_bb(&self) -> u32 {
        len_bb(&self.header)
    }

    /// Whether it is the one that an unmount leaves behind.
    #[must_use]
    pub(crate) fn is_unmount(&self) -> bool {
        let unmounts = |op: &OpHeader| op.flags & op_flags::UNMOUNT != 0;
        self.header.num_logops.get() == 1
            && OpHeader::ref_from_prefix(&self.payload).is_ok_and(|(op, _)| unmounts(op))
    }
}

/// Basic blocks of a record with this header.
pub(crate) fn len_bb(header: &RecordHeader) -> u32 {
    header.header_bb().saturating_add(header.payload_bb())
}

/// The header in the basic block `sector` at `at`, if it is one: what stands in a payload never looks like it.
pub(crate) fn header_in(sector: &[u8], at: u32) -> Option<RecordHeader> {
    let (header, _) = RecordHeader::read_from_prefix(sector).ok()?;
    let is_header = header.magicno.get() == RECORD_MAGIC && Lsn(header.lsn.get()).block_bb() == at;
    is_header.then_some(header)
}

/// Reads the record at `at`.
///
/// # Errors
/// [`Error::Corrupt`] when there is none or it is damaged, [`Error::Unsupported`] when a machine of another byte order
/// wrote it; those of the device.
pub(crate) fn read(ring: &mut Ring<'_>, at: u32) -> Result<Record> {
    fetch(ring, at, |ring, at, count_bb| ring.read(at, count_bb))
}

/// Like [`read`], for who goes on with the record behind it.
///
/// # Errors
/// Those of [`read`].
pub(crate) fn read_ahead(ring: &mut Ring<'_>, at: u32) -> Result<Record> {
    fetch(ring, at, |ring, at, count_bb| ring.read_ahead(at, count_bb))
}

fn fetch(
    ring: &mut Ring<'_>,
    at: u32,
    read: impl Fn(&mut Ring<'_>, u32, u32) -> Result<Vec<u8>>,
) -> Result<Record> {
    let first = read(ring, at, 1)?;
    let Some(header) = header_in(&first, at) else {
        return Err(ring.broken(at, "no record where one should be"));
    };
    check(ring, at, &header)?;
    let bytes = read(ring, at, len_bb(&header))?;
    let (headers, payload) = bytes.split_at(header.header_bb() as usize * BB);
    if !cfg!(fuzzing) {
        check_crc(ring, at, &header, headers, payload)?;
    }
    let mut payload = payload.to_vec();
    put_back(headers, &mut payload);
    Ok(Record { at, header, payload })
}

/// Checks all of a header but the checksum.
fn check(ring: &Ring<'_>, at: u32, header: &RecordHeader) -> Result<()> {
    let bounds = |field, found: u32| Err(ring.corrupt(at, Problem::Bounds { field, found: found.into() }));
    if header.fs_uuid != *ring.uuid() {
        return Err(ring.corrupt(at, Problem::Uuid));
    }
    match header.fmt.get() {
        FORMAT_LITTLE_ENDIAN => {}
        2 => return Err(Error::unsupported("log written by a big-endian machine")),
        3 => return Err(Error::unsupported("log written by IRIX")),
        other => return bounds("h_fmt", other),
    }
    if header.version.get() != 2 {
        return bounds("h_version", header.version.get());
    }
    let (len, size) = (header.len.get(), header.size.get());
    if size > MAX_RECORD_BYTES {
        return bounds("h_size", size);
    }
    let is_len = len > 0 && len <= MAX_RECORD_BYTES && len.is_multiple_of(BB as u32);
    if !is_len || len_bb(header) > ring.len_bb() {
        return bounds("h_len", len);
    }
    let expected = Lsn::new(header.cycle.get(), at);
    if header.lsn.get() != expected.0 {
        let found = header.lsn.get();
        return Err(ring.corrupt(at, Problem::Value { field: "h_lsn", expected: expected.0, found }));
    }
    Ok(())
}

fn check_crc(ring: &Ring<'_>, at: u32, header: &RecordHeader, headers: &[u8], payload: &[u8]) -> Result<()> {
    let found = u32::from_le_bytes(header.crc);
    let crc_of = |header_bytes: usize| {
        let (before, after) = (&headers[..CRC_AT], &headers[CRC_AT + 4..header_bytes]);
        let mut crc = Crc32c::new().update(before).update(&[0; 4]).update(after);
        // The number of these comes from the payload's length, not from the headers that are there.
        let extended = header.len.get().div_ceil(HEADER_COVERS_BYTES).saturating_sub(1) as usize;
        for block in headers.chunks_exact(BB).skip(1).take(extended) {
            crc = crc.update(&block[..EXTENDED_HEADER_CRC_BYTES]);
        }
        crc.update(payload).finish()
    };
    let expected = crc_of(HEADER_CRC_BYTES);
    // The record that a fresh log starts with, and some unmount records, carry none.
    if found == expected
        || found == 0 && header.num_logops.get() <= 1
        || found == crc_of(HEADER_CRC_BYTES_X86)
    {
        return Ok(());
    }
    Err(ring.corrupt(at, Problem::Crc { expected, found }))
}

/// Gives each basic block of the payload its first word back.
fn put_back(headers: &[u8], payload: &mut [u8]) {
    for (index, sector) in payload.chunks_exact_mut(BB).enumerate() {
        let (block, word) = (index / WORDS, index % WORDS);
        let words_at = if block == 0 { WORDS_AT } else { EXTENDED_WORDS_AT };
        let from = block * BB + words_at + word * 4;
        // A payload longer than its headers cover keeps its stamps: it was never meant to be that long.
        if let Some(saved) = headers.get(from..from + 4) {
            sector[..4].copy_from_slice(saved);
        }
    }
}

/// The records from one place of the log to another, in order.
pub(crate) struct Records {
    at: u32,
    /// Basic blocks up to the end.
    left_bb: u32,
    /// LSN of the record before.
    before: Lsn,
}

impl Records {
    /// The records from `from` up to `to`, which is behind it.
    pub(crate) fn between(ring: &Ring<'_>, from: Lsn, to: Lsn) -> Self {
        let left_bb = if from.cycle() == to.cycle() || from.block_bb() != to.block_bb() {
            ring.distance(from.block_bb(), to.block_bb())
        } else {
            ring.len_bb()
        };
        Self { at: from.block_bb(), left_bb, before: Lsn(0) }
    }

    /// The next record.
    ///
    /// # Errors
    /// Those of [`read`]; corruption when records are out of order.
    pub(crate) fn next(&mut self, ring: &mut Ring<'_>) -> Result<Option<Record>> {
        if self.left_bb == 0 {
            return Ok(None);
        }
        let record = read_ahead(ring, self.at)?;
        if record.lsn() <= self.before {
            return Err(ring.broken(self.at, "records are out of order"));
        }
        let Some(left_bb) = self.left_bb.checked_sub(record.len_bb()) else {
            return Err(ring.broken(self.at, "record reaches beyond the head"));
        };
        self.before = record.lsn();
        self.at = ring.forward(self.at, record.len_bb());
        self.left_bb = left_bb;
        Ok(Some(record))
    }
}
