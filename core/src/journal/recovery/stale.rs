//! What lies ahead of the head.
//!
//! Records that were on their way when a host died may have landed beyond the head. Once new records reach up to them they
//! would look like their successors, so blocks ahead get headers of empty records of the cycle before.

use alloc::vec::Vec;

use zerocopy::IntoBytes;

use super::ends::{Ends, IN_FLIGHT_BB};
use super::ring::{BB, Ring, cycle_of};
use crate::error::Result;
use crate::format::header::put;
use crate::format::log::{RECORD_MAGIC, RecordHeader};
use crate::format::log_item::FORMAT_LITTLE_ENDIAN;
use crate::units::Lsn;

/// Overwrites what may have been on its way when the host died, unless nothing newer than the head's last cycle is there.
/// Stops before the tail.
///
/// # Errors
/// Those of the device.
pub(super) fn clear(ring: &mut Ring<'_>, ends: &Ends) -> Result<()> {
    let (head, tail) = (ends.head, ends.tail);
    let distance = match ends.last {
        // The record that says so stays.
        Some((last, _)) if ends.is_clean() => ring.distance(head.block_bb(), last),
        _ if head.cycle() == tail.cycle() => tail.block_bb() + (ring.len_bb() - head.block_bb()),
        _ => tail.block_bb().saturating_sub(head.block_bb()),
    };
    let count = distance.min(IN_FLIGHT_BB).min(ring.len_bb());
    let before_end = count.min(ring.len_bb() - head.block_bb());
    let parts =
        [(head.block_bb(), before_end, head.cycle().wrapping_sub(1)), (0, count - before_end, head.cycle())];
    let mut is_clear = true;
    for (at, count, cycle) in parts {
        let found = ring.read(at, count)?;
        is_clear &= found.chunks_exact(BB).all(|sector| cycle_of(sector) == cycle);
    }
    if is_clear {
        return Ok(());
    }
    // What went round the end first: without what stands before the end it would look like the end of a log that has
    // a cycle missing.
    for (at, count, cycle) in parts.into_iter().rev().filter(|&(_, count, _)| count > 0) {
        let mut bytes: Vec<u8> = Vec::with_capacity(count as usize * BB);
        for block in at..at + count {
            let header = blank(ring, Lsn::new(cycle, block), tail);
            let start = bytes.len();
            bytes.resize(start + BB, 0);
            put(&mut bytes, start, header.as_bytes());
        }
        ring.write(at, &bytes)?;
        ring.flush()?;
    }
    Ok(())
}

/// The header of a record without contents.
fn blank(ring: &Ring<'_>, lsn: Lsn, tail: Lsn) -> RecordHeader {
    RecordHeader {
        magicno: RECORD_MAGIC.into(),
        cycle: lsn.cycle().into(),
        version: 2.into(),
        len: 0.into(),
        lsn: lsn.0.into(),
        tail_lsn: tail.0.into(),
        crc: [0; 4],
        prev_block: u32::MAX.into(),
        num_logops: 0.into(),
        cycle_data: [0.into(); 64],
        fmt: FORMAT_LITTLE_ENDIAN.into(),
        fs_uuid: *ring.uuid(),
        size: 0.into(),
    }
}
