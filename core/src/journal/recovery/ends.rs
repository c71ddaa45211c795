//! Where the log ends and where what is still needed of it starts.
//!
//! Every basic block starts with the number of the cycle that wrote it, so a binary search finds where the last cycle
//! ends. Up to eight records may have been on their way when a host died. They may have landed out of order, which
//! leaves blocks of the old cycle before that place: the head is the first of them. And they may have landed in part,
//! which their checksums tell: the head is the start of the first such record.
//!
//! A clean log is told by a few small reads, whatever its size.
//!
//! Source: "Journaling Log"; the search follows what recovery in Linux does.

use super::record::{self, Record, header_in, len_bb};
use super::ring::{BB, Ring, cycle_of};
use crate::error::{Error, Problem, Result};
use crate::format::log::{MAX_RECORD_BYTES, RecordHeader};
use crate::units::Lsn;

/// Records that may be on their way at the same time.
const IN_FLIGHT: usize = 8;

/// Basic blocks that these can have.
pub(crate) const IN_FLIGHT_BB: u32 = IN_FLIGHT as u32 * (MAX_RECORD_BYTES / BB as u32);

/// Most basic blocks of a record: payload, its headers, padding to a log stripe unit.
const MAX_RECORD_BB: u32 = 2 * (MAX_RECORD_BYTES / BB as u32) + 8;

/// Basic blocks that a scan for a record reads first, and then at once.
const PEEK_BB: u32 = 16;
const CHUNK_BB: u32 = 512;

/// Both ends of the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ends {
    /// Where the next record goes.
    pub(crate) head: Lsn,
    /// The oldest record that is needed; the head when none is.
    pub(crate) tail: Lsn,
    /// Block and header of the last record; `None` in a log of zeros.
    pub(crate) last: Option<(u32, RecordHeader)>,
}

impl Ends {
    /// Whether nothing is to be replayed.
    pub(crate) fn is_clean(&self) -> bool {
        self.head == self.tail
    }
}

/// Finds both ends.
///
/// # Errors
/// [`Error::Corrupt`] and [`Error::Unsupported`] say what is wrong with the log; those of the device.
pub(crate) fn find(ring: &mut Ring<'_>) -> Result<Ends> {
    let (first, last) = (ring.cycle(0)?, ring.cycle(ring.len_bb() - 1)?);
    if first == 0 {
        // One block of zeros does not make a log of zeros.
        let start = ring.read(0, CHUNK_BB.min(ring.len_bb()))?;
        if last != 0 || start.chunks_exact(BB).any(|sector| cycle_of(sector) != 0) {
            return Err(ring.broken(0, "the first block of the log is lost"));
        }
        let head = Lsn::new(1, 0);
        return Ok(Ends { head, tail: head, last: None });
    }
    let end = match last {
        // Blocks of the next cycle at the start of a log that was never written to its end are of a record that would
        // have been the first to go around, and did not land whole.
        0 => end_of(ring, |cycle| cycle != 0)?,
        // When all blocks are of one cycle the head stands behind the last of them.
        _ if first == last => ring.len_bb(),
        _ => end_of(ring, |cycle| cycle == first)?,
    };
    if let Some(ends) = unmounted(ring, end)? {
        return Ok(ends);
    }
    // Not the cycle of the last block: of a record that goes around the end, the part behind it may have landed alone.
    let hole = first_hole(ring, end, if last == 0 { 0 } else { first.wrapping_sub(1) })?;
    check_landed(ring, hole, end, first)?;
    let end = hole;
    let end = whole_record(ring, end)?;
    let end = untorn(ring, end)?;
    match unmounted(ring, end)? {
        Some(ends) => Ok(ends),
        None => dirty(ring, end),
    }
}

/// First block of a cycle that is not wanted, where that of block 0 is and that of the last block is not.
fn end_of(ring: &mut Ring<'_>, is_wanted: impl Fn(u32) -> bool) -> Result<u32> {
    let (mut low, mut high) = (0, ring.len_bb() - 1);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if is_wanted(ring.cycle(middle)?) { low = middle } else { high = middle }
    }
    Ok(high)
}

/// The ends, when the last record before `end` is the one of an unmount and reaches right to it.
fn unmounted(ring: &mut Ring<'_>, end: u32) -> Result<Option<Ends>> {
    let Some((at, header)) = record_before(ring, end)? else { return Ok(None) };
    if !reaches(ring, at, &header, end) || header.num_logops.get() != 1 {
        return Ok(None);
    }
    match record::read(ring, at) {
        Ok(record) if record.is_unmount() => {
            let head = head_behind(ring, at, &header, end);
            Ok(Some(Ends { head, tail: head, last: Some((at, header)) }))
        }
        Ok(_) | Err(Error::Corrupt(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The first block of the old cycle among those that may have been on their way; `end` when there is none.
fn first_hole(ring: &mut Ring<'_>, end: u32, old_cycle: u32) -> Result<u32> {
    let scan = IN_FLIGHT_BB.min(ring.len_bb());
    if end < scan && old_cycle != 0 {
        // They began before the end of the log, in the cycle before.
        let start = ring.len_bb() - (scan - end);
        if let Some(hole) = first_of_cycle(ring, start, ring.len_bb(), old_cycle.wrapping_sub(1))? {
            return Ok(hole);
        }
    }
    let start = end.saturating_sub(scan);
    Ok(first_of_cycle(ring, start, end, old_cycle)?.unwrap_or(end))
}

/// Refuses a hole with more records behind it than can have been on their way: it is damage, and they are still needed.
/// `cycle` is that of what lies before `end`.
fn check_landed(ring: &mut Ring<'_>, hole: u32, end: u32, cycle: u32) -> Result<()> {
    let count = ring.distance(hole % ring.len_bb(), end % ring.len_bb());
    let bytes = ring.read(hole % ring.len_bb(), count)?;
    let places = (0..count).map(|step| ring.forward(hole % ring.len_bb(), step));
    let headers = places.zip(bytes.chunks_exact(BB)).filter_map(|(at, sector)| header_in(sector, at));
    // In a record that did not land whole older ones show, which are not needed any more.
    let is_new = |header: &RecordHeader| {
        let at = Lsn(header.lsn.get()).block_bb();
        let expected = if at < end { cycle } else { cycle.saturating_sub(1) };
        header.len.get() > 0 && header.cycle.get() >= expected
    };
    if headers.filter(is_new).count() > IN_FLIGHT {
        return Err(ring.broken(hole % ring.len_bb(), "a block in the middle of the log is lost"));
    }
    Ok(())
}

fn first_of_cycle(ring: &mut Ring<'_>, from: u32, to: u32, cycle: u32) -> Result<Option<u32>> {
    let bytes = ring.read(from, to - from)?;
    let found = bytes.chunks_exact(BB).position(|sector| cycle_of(sector) == cycle);
    Ok(found.map(|index| from + index as u32))
}

/// `end`, or the start of the record before it when that does not reach right to it.
fn whole_record(ring: &mut Ring<'_>, end: u32) -> Result<u32> {
    match record_before(ring, end)? {
        Some((at, header)) if !reaches(ring, at, &header, end) => Ok(at),
        _ => Ok(end),
    }
}

/// `end`, or the start of the first record that is damaged among those that may have been on their way.
fn untorn(ring: &mut Ring<'_>, end: u32) -> Result<u32> {
    let mut starts = alloc::vec::Vec::new();
    let (mut before, mut most) = (end, ring.len_bb());
    while starts.len() < IN_FLIGHT {
        let Some((at, header)) = record_before(ring, before)? else { break };
        if starts.is_empty() {
            // Behind the tail nothing is needed any more.
            let tail = Lsn(header.tail_lsn.get()).block_bb().min(ring.len_bb() - 1);
            most = ring.distance(tail, end % ring.len_bb());
        }
        let distance = ring.distance(at, end % ring.len_bb());
        if distance > most || starts.contains(&at) {
            break;
        }
        starts.push(at);
        before = at;
    }
    while let Some(at) = starts.pop() {
        let next = starts.last().copied().unwrap_or(end);
        match record::read(ring, at) {
            Ok(record) if reaches(ring, at, &record.header, next) => {}
            // The one behind it did not land at all.
            Ok(record) if record.len_bb() < ring.distance(at, next % ring.len_bb()) => {
                return Ok(ring.forward(at, record.len_bb()));
            }
            Ok(_) | Err(Error::Corrupt(_)) => return Ok(at),
            Err(error) => return Err(error),
        }
    }
    Ok(end)
}

/// The ends of a log whose last record, right before `end`, is not that of an unmount.
fn dirty(ring: &mut Ring<'_>, end: u32) -> Result<Ends> {
    let Some((at, header)) = record_before(ring, end)? else {
        return Err(ring.broken(end % ring.len_bb(), "no record before the head of the log"));
    };
    // What is wrong with it is told; that it is the last one was settled before.
    let last = record::read(ring, at)?;
    let head = head_behind(ring, at, &header, end);
    let tail = Lsn(header.tail_lsn.get());
    let is_behind = match head.cycle().wrapping_sub(tail.cycle()) {
        0 => tail.block_bb() <= head.block_bb(),
        1 => tail.block_bb() >= head.block_bb(),
        _ => false,
    };
    if !is_behind || tail.block_bb() >= ring.len_bb() {
        return Err(ring.corrupt(at, Problem::Bounds { field: "h_tail_lsn", found: tail.0 }));
    }
    let tail = kept_tail(ring, tail, head, &last)?;
    Ok(Ends { head, tail, last: Some((at, header)) })
}

/// The tail, moved past what records behind the head may have been written over.
///
/// Such a record knew of a later tail, and so everything before that is in place.
fn kept_tail(ring: &mut Ring<'_>, tail: Lsn, head: Lsn, last: &Record) -> Result<Lsn> {
    let reach = last.header.size.get().max(16 << 10).div_ceil(BB as u32) * IN_FLIGHT as u32;
    let all = ring.distance(tail.block_bb(), head.block_bb());
    let (mut at, mut passed) = (tail.block_bb(), 0);
    let mut kept = tail;
    while passed < reach.min(all) {
        match record::read_ahead(ring, at) {
            Ok(record) => {
                passed += record.len_bb();
                at = ring.forward(at, record.len_bb());
            }
            Err(Error::Corrupt(_)) => {
                let skipped = next_header(ring, at, all - passed)?;
                let Some((step, header)) = skipped else {
                    return Err(ring.broken(at, "no record behind a damaged one"));
                };
                passed += step;
                at = ring.forward(at, step);
                kept = Lsn(header.lsn.get());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(kept)
}

/// The next header behind `at`: how far, and what it says.
fn next_header(ring: &mut Ring<'_>, at: u32, within_bb: u32) -> Result<Option<(u32, RecordHeader)>> {
    for step in 1..within_bb.min(2 * MAX_RECORD_BB) {
        let place = ring.forward(at, step);
        if let Some(header) = header_in(&ring.read_ahead(place, 1)?, place) {
            return Ok(Some((step, header)));
        }
    }
    Ok(None)
}

/// The last record that starts before `end`, be it whole or not.
pub(crate) fn record_before(ring: &mut Ring<'_>, end: u32) -> Result<Option<(u32, RecordHeader)>> {
    let mut left = MAX_RECORD_BB.min(ring.len_bb());
    let mut end = if end == 0 { ring.len_bb() } else { end };
    let mut most = PEEK_BB;
    while left > 0 {
        let chunk = most.min(left).min(end);
        let bytes = ring.read(end - chunk, chunk)?;
        for (index, sector) in bytes.chunks_exact(BB).enumerate().rev() {
            let at = end - chunk + index as u32;
            if let Some(header) = header_in(sector, at) {
                return Ok(Some((at, header)));
            }
        }
        left -= chunk;
        end -= chunk;
        if end == 0 {
            end = ring.len_bb();
        }
        most = CHUNK_BB;
    }
    Ok(None)
}

/// Whether the record at `at` ends right before `end`.
fn reaches(ring: &Ring<'_>, at: u32, header: &RecordHeader, end: u32) -> bool {
    let behind = u64::from(at) + u64::from(len_bb(header));
    behind % u64::from(ring.len_bb()) == u64::from(end % ring.len_bb())
}

/// LSN of what comes behind the record at `at`.
fn head_behind(ring: &Ring<'_>, at: u32, header: &RecordHeader, end: u32) -> Lsn {
    let block = end % ring.len_bb();
    let cycle = header.cycle.get();
    Lsn::new(if block <= at { next_cycle(cycle) } else { cycle }, block)
}

/// The cycle behind `cycle`: the number that looks like the start of a record is left out.
pub(crate) const fn next_cycle(cycle: u32) -> u32 {
    match cycle.wrapping_add(1) {
        crate::format::log::RECORD_MAGIC => crate::format::log::RECORD_MAGIC + 1,
        next => next,
    }
}
