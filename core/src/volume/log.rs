//! Looking at a volume's log without opening the volume.
//!
//! A volume that is open shows what its log led to; here is what the log itself says. Nothing is changed, and a log that is
//! not understood is no error but a finding.

use core::ops::ControlFlow;

pub use crate::journal::recovery::{
    BufferEntry, CreateEntry, Entry, Extent, InodeEntry, Intent, ItemEntry, LostEntry, RecordEntry,
    TransactionEntry, Work, attr_op,
};

use alloc::vec::Vec;

use super::open::read_superblock;
use crate::device::BlockDevice;
use crate::error::{Error, Result};
use crate::geometry::Geometry;
use crate::journal::recovery as journal;
use crate::recovery;
use crate::units::{AgBlock, AgNumber, Lsn};

/// What a log is like.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LogReport {
    /// Whether it is clean.
    pub state: State,
    /// Its ends, where they could be found.
    pub ends: Option<Ends>,
    /// Its length in basic blocks.
    pub len_bb: u64,
    /// Where it starts, unless it is on another device.
    pub place: Option<(AgNumber, AgBlock)>,
    /// Bytes that records are padded to a multiple of; 0 for none.
    pub sunit_bytes: u32,
    /// Records between its ends.
    pub records: u64,
    /// Committed transactions in them.
    pub transactions: u64,
    /// Work that was promised and not reported as done.
    pub intents: Vec<Intent>,
}

/// Whether a log is clean.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum State {
    /// Nothing to replay.
    Clean,
    /// There are transactions to replay.
    Dirty,
    /// It is not clean, and cannot be replayed here, for this reason.
    Refused(Error),
    /// It is on another device.
    External,
}

/// Both ends of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// The oldest record that is needed; the head when none is.
    pub tail: Lsn,
    /// Where the next record goes.
    pub head: Lsn,
}

/// Looks at the log of the volume on `device`.
///
/// # Errors
/// Those of the device, and of a superblock that cannot be used.
pub fn look(device: &mut dyn BlockDevice) -> Result<LogReport> {
    let (geometry, _) = read_superblock(device)?;
    let mut report = LogReport::of(&geometry);
    if report.place.is_none() {
        return Ok(report);
    }
    match report.fill(device, &geometry) {
        Ok(()) => Ok(report),
        Err(Error::Device(error)) => Err(error.into()),
        Err(error) => {
            report.state = State::Refused(error);
            Ok(report)
        }
    }
}

/// Hands what is in the log to `visit`, until that breaks off: records, the transactions that are committed in each, the
/// items of each transaction. What can't be followed is an entry too.
///
/// # Errors
/// Those of [`look`]; corruption where only what is [needed](Extent::Needed) is asked for and the ends can't be found.
pub fn dump(
    device: &mut dyn BlockDevice,
    extent: Extent,
    visit: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>,
) -> Result<()> {
    let (geometry, _) = read_superblock(device)?;
    journal::dump(device, &geometry, extent, visit)
}

impl LogReport {
    fn of(geometry: &Geometry) -> Self {
        let place = (!geometry.logstart.is_null()).then(|| geometry.split(geometry.logstart));
        Self {
            state: if place.is_some() { State::Clean } else { State::External },
            ends: None,
            len_bb: u64::from(geometry.logblocks) << (geometry.blocklog - 9),
            place,
            // 1 stands for none as well.
            sunit_bytes: if geometry.logsunit_bytes > 1 { geometry.logsunit_bytes } else { 0 },
            records: 0,
            transactions: 0,
            intents: Vec::new(),
        }
    }

    fn fill(&mut self, device: &mut dyn BlockDevice, geometry: &Geometry) -> Result<()> {
        let (tail, head) = journal::ends(device, geometry)?;
        self.ends = Some(Ends { tail, head });
        if tail == head {
            return Ok(());
        }
        self.state = State::Dirty;
        let plan = journal::plan(device, geometry)?;
        let counts = plan.counts();
        (self.records, self.transactions) = (counts.records, counts.checkpoints);
        self.intents = plan.intents().to_vec();
        recovery::check(geometry, &self.intents)
    }
}
