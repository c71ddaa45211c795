//! The log as it is shown to people: its records, and what each transaction carries.
//!
//! Nothing is changed. Everything is read and bounded as it is for replay. What can't be followed is told with the reason
//! for which replay would refuse it, and the dump goes on at the next record.
//!
//! Source: "Journaling Log".

mod entries;

pub use entries::{
    BufferEntry, CreateEntry, Entry, InodeEntry, ItemEntry, LostEntry, RecordEntry, TransactionEntry,
};

use core::ops::ControlFlow;

use super::checkpoint::{Assembler, Checkpoint};
use super::ends::{Ends, find};
use super::item::items;
use super::record::{self, Record, header_in};
use super::ring::Ring;
use crate::device::BlockDevice;
use crate::error::{Error, Result};
use crate::geometry::Geometry;
use crate::units::Lsn;

/// What a dump shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// What lies between the ends of the log, and is to be replayed.
    Needed,
    /// Everything that can be found, from the oldest record on: what lies before the tail is in place already.
    All,
}

/// Both ends of the log, whatever lies between: the oldest record that is needed, and where the next one goes.
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) and [`Error::Corrupt`](crate::Error::Corrupt) say what is wrong with
/// the log; those of the device.
pub fn ends(device: &mut dyn BlockDevice, geometry: &Geometry) -> Result<(Lsn, Lsn)> {
    let ends = find(&mut Ring::new(device, geometry)?)?;
    Ok((ends.tail, ends.head))
}

/// Hands what is in the log to `visit`, until that breaks off.
///
/// # Errors
/// Those of finding the ends of the log, where only what is needed is asked for; those of the device.
pub fn dump(
    device: &mut dyn BlockDevice,
    geometry: &Geometry,
    extent: Extent,
    visit: &mut Visitor<'_>,
) -> Result<()> {
    let mut ring = Ring::new(device, geometry)?;
    let ends = match find(&mut ring) {
        Ok(ends) => Some(ends),
        Err(Error::Device(error)) => return Err(error.into()),
        Err(error) if extent == Extent::Needed => return Err(error),
        Err(_) => None,
    };
    let mut walk = Walk::new(&ring, ends, extent);
    let mut assembler = Assembler::default();
    while let Some(found) = walk.next(&mut ring)? {
        let flow = match found {
            Ok(record) => dump_record(&ring, &record, ends, &mut assembler, geometry, visit)?,
            Err(lost) => {
                // What was begun before is not whole any more.
                assembler = Assembler::default();
                visit(Entry::Lost(lost))
            }
        };
        if flow.is_break() {
            break;
        }
    }
    Ok(())
}

/// Who is shown the entries.
type Visitor<'v> = dyn FnMut(Entry<'_>) -> ControlFlow<()> + 'v;

/// The records of a stretch of the log, and what is between them.
struct Walk {
    at: u32,
    left_bb: u32,
    head: Option<Lsn>,
    /// Blocks that no record starts in are no loss: they were never written, or written over.
    is_lenient: bool,
}

impl Walk {
    fn new(ring: &Ring<'_>, ends: Option<Ends>, extent: Extent) -> Self {
        let head = ends.map(|ends| ends.head);
        let all = Self {
            at: head.map_or(0, Lsn::block_bb) % ring.len_bb(),
            left_bb: ring.len_bb(),
            head,
            is_lenient: true,
        };
        match (extent, ends) {
            (Extent::Needed, Some(ends)) => {
                let (tail, head) = (ends.tail, ends.head);
                let is_whole = tail.cycle() != head.cycle() && tail.block_bb() == head.block_bb();
                let left_bb =
                    if is_whole { ring.len_bb() } else { ring.distance(tail.block_bb(), head.block_bb()) };
                Self { at: tail.block_bb(), left_bb, is_lenient: false, ..all }
            }
            _ => all,
        }
    }

    fn step(&mut self, ring: &Ring<'_>, count_bb: u32) {
        self.at = ring.forward(self.at, count_bb);
        self.left_bb -= count_bb;
    }

    /// The next record, or what stands in its place.
    fn next(&mut self, ring: &mut Ring<'_>) -> Result<Option<Result<Record, LostEntry>>> {
        while self.left_bb > 0 {
            let is_start = self.starts_record(ring)?;
            if self.is_lenient && !is_start {
                self.step(ring, 1);
                continue;
            }
            let reason = match record::read_ahead(ring, self.at) {
                Ok(record) if record.len_bb() <= self.left_bb => {
                    self.step(ring, record.len_bb());
                    return Ok(Some(Ok(record)));
                }
                Ok(record) => ring.broken(record.at, "record reaches beyond the head"),
                Err(Error::Device(error)) => return Err(error.into()),
                Err(error) => error,
            };
            let block_bb = self.at;
            let before = self.left_bb;
            self.step(ring, 1);
            while self.left_bb > 0 && !self.starts_record(ring)? {
                self.step(ring, 1);
            }
            return Ok(Some(Err(LostEntry { block_bb, len_bb: before - self.left_bb, reason })));
        }
        Ok(None)
    }

    /// Whether a record starts here that can belong to this log: of the last cycle, or of the one before.
    fn starts_record(&self, ring: &mut Ring<'_>) -> Result<bool> {
        let sector = ring.read_ahead(self.at, 1)?;
        let Some(header) = header_in(&sector, self.at) else { return Ok(false) };
        let cycle = header.cycle.get();
        let is_near = |head: Lsn| cycle <= head.cycle() && cycle.saturating_add(2) >= head.cycle();
        // What stands ahead of the head of a log that was mounted is empty.
        Ok(header.len.get() > 0 && self.head.is_none_or(is_near))
    }
}

fn dump_record(
    ring: &Ring<'_>,
    record: &Record,
    ends: Option<Ends>,
    assembler: &mut Assembler,
    geometry: &Geometry,
    visit: &mut Visitor<'_>,
) -> Result<ControlFlow<()>> {
    let lost = |reason| match reason {
        Error::Device(error) => Err(Error::from(error)),
        reason => Ok(Entry::Lost(LostEntry { block_bb: record.at, len_bb: 0, reason })),
    };
    let mut flow = visit(Entry::Record(RecordEntry::of(record, ends)));
    if flow.is_break() {
        return Ok(flow);
    }
    let checkpoints = match assembler.take(ring, record) {
        Ok(checkpoints) => checkpoints,
        Err(error) => {
            *assembler = Assembler::default();
            return Ok(visit(lost(error)?));
        }
    };
    for checkpoint in checkpoints {
        flow = match dump_transaction(&checkpoint, geometry, visit) {
            Ok(flow) => flow,
            Err(error) => visit(lost(error)?),
        };
        if flow.is_break() {
            break;
        }
    }
    Ok(flow)
}

fn dump_transaction(
    checkpoint: &Checkpoint,
    geometry: &Geometry,
    visit: &mut Visitor<'_>,
) -> Result<ControlFlow<()>> {
    let entry = TransactionEntry { lsn: checkpoint.lsn, regions: checkpoint.regions().count() };
    let mut flow = visit(Entry::Transaction(entry));
    if flow.is_break() {
        return Ok(flow);
    }
    for item in &items(checkpoint, geometry)? {
        flow = visit(Entry::Item(ItemEntry::of(item)));
        if flow.is_break() {
            break;
        }
    }
    Ok(flow)
}
