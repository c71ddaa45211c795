//! Recovery: what the log holds and the volume does not is put in place.
//!
//! [`plan`] finds both ends of the log and goes over all that lies between them without changing a byte; what it does not
//! understand is refused there, by name. [`Plan::replay`] then does it. Work that was promised in the log and not reported
//! as done is handed out as [`Intent`]s: the floors above finish it.
//!
//! Invariants:
//! * a log is replayed as a whole or not at all;
//! * replay can die anywhere and start again: until somebody moves its tail, the log stays what it is;
//! * what is read from the log is bounded before it is used, and no more than the log's length is ever held of it.
//!
//! Source: "Journaling Log".

mod buffer;
mod checkpoint;
mod dump;
mod ends;
mod inode;
mod intent;
mod item;
mod pages;
mod record;
mod replay;
mod ring;
mod stale;

pub use dump::{
    BufferEntry, CreateEntry, Entry, Extent, InodeEntry, ItemEntry, LostEntry, RecordEntry, TransactionEntry,
    dump, ends,
};
pub use intent::{AttrWork, Intent, Work, attr_op};
pub use replay::{Piece, Replayed};

use ends::Ends;
pub(super) use ends::find;
pub(super) use ring::Ring;

use alloc::string::String;
use alloc::vec::Vec;

use replay::Survey;

use crate::device::BlockDevice;
use crate::error::{Error, Result};
use crate::format::features::{LogIncompat, unknown_bits};
use crate::geometry::Geometry;
use crate::journal::Position;
use crate::units::Lsn;

/// No writer has a smaller limit on its records; one that says so is not believed.
const SMALLEST_RECORD_BYTES: u32 = 16 << 10;

/// What is to be recovered. Nothing has changed yet.
#[derive(Debug)]
pub struct Plan {
    ends: Ends,
    survey: Survey,
}

/// What was recovered, and where the log goes on.
#[derive(Debug)]
pub struct Recovered {
    /// Where the log goes on. Until every intent is finished its tail stays.
    pub position: Position,
    /// Work that is left, in the order of the log.
    pub intents: Vec<Intent>,
    /// Pieces of scattered directory blocks, whose checksums are not right yet.
    pub pieces: Vec<Piece>,
    /// What a user should know.
    pub warnings: Vec<String>,
    /// How much was replayed.
    pub replayed: Replayed,
}

/// Looks at the log and at everything in it that is to be replayed.
///
/// # Errors
/// [`Error::Unsupported`] and [`Error::Corrupt`] say what of it is not understood; those of the device.
pub fn plan(device: &mut dyn BlockDevice, geometry: &Geometry) -> Result<Plan> {
    if let Some(bits) = unknown_bits::<LogIncompat>(&geometry.log_incompat) {
        return Err(Error::unsupported(alloc::format!("log with unknown feature bits {bits}")));
    }
    let mut ring = Ring::new(device, geometry)?;
    let ends = find(&mut ring)?;
    let survey = replay::survey(&mut ring, geometry, &ends)?;
    Ok(Plan { ends, survey })
}

impl Plan {
    /// Work that will be left, in the order of the log.
    #[must_use]
    pub fn intents(&self) -> &[Intent] {
        &self.survey.intents
    }

    /// What there is to replay: records and checkpoints are counted, the rest is known only afterwards.
    #[must_use]
    pub fn counts(&self) -> Replayed {
        self.survey.replayed
    }

    /// Both ends of the log: the tail, and where the next record goes.
    #[must_use]
    pub fn ends(&self) -> (Lsn, Lsn) {
        (self.ends.tail, self.ends.head)
    }

    /// Does it, and makes it durable. The log itself stays, but for what may lie ahead of its head.
    ///
    /// # Errors
    /// Corruption when the log does not fit the volume; nothing has changed then, unless the log changes more metadata
    /// than is gathered in memory. Those of the device.
    pub fn replay(self, device: &mut dyn BlockDevice, geometry: &Geometry) -> Result<Recovered> {
        let Self { ends, survey } = self;
        let mut ring = Ring::new(device, geometry)?;
        let (replayed, pieces) = replay::replay(&mut ring, geometry, &ends, survey.cancelled)?;
        ring.flush()?;
        stale::clear(&mut ring, &ends)?;
        let mut position = Position { tail: ends.tail, ..Position::clean(ends.head) };
        if let Some((at, header)) = ends.last {
            position.last_record_bb = at;
            position.record_bytes = header.size.get().max(SMALLEST_RECORD_BYTES);
        }
        Ok(Recovered { position, intents: survey.intents, pieces, warnings: survey.warnings, replayed })
    }
}

/// Overwrites what may lie ahead of the head of a log that is clean: to be called before its first record is written.
///
/// # Errors
/// Those of [`plan`].
pub fn clear_stale(device: &mut dyn BlockDevice, geometry: &Geometry) -> Result<()> {
    let mut ring = Ring::new(device, geometry)?;
    let ends = find(&mut ring)?;
    stale::clear(&mut ring, &ends)
}

#[cfg(test)]
mod tests;
