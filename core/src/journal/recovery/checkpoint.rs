//! Checkpoints put together from the operations in records.
//!
//! A checkpoint is a list of regions; its operations may be spread over many records, a region may be cut between two of
//! them, and several checkpoints may be interleaved. Only one whose commit was found counts.
//!
//! Source: "Journaling Log", "Log Operations".

use alloc::vec::Vec;
use core::ops::Range;

use zerocopy::FromBytes;

use super::record::Record;
use super::ring::Ring;
use crate::error::{Error, Result};
use crate::format::log::OpHeader;
use crate::format::log_item::{
    CLIENT_LOG, CLIENT_TRANSACTION, TRANSACTION_MAGIC, TransactionHeader, op_flags,
};
use crate::units::Lsn;
use crate::units::map::Hashed;

/// Checkpoints that may be open at the same time, and bytes in them. Linux keeps far below both.
const MAX_OPEN: usize = 4096;
const MAX_OPEN_BYTES: usize = 512 << 20;

/// A checkpoint, whole or in the making.
#[derive(Debug, Default)]
pub(crate) struct Checkpoint {
    /// LSN of the record that it starts in, by which it is known.
    pub(crate) lsn: Lsn,
    bytes: Vec<u8>,
    /// Its regions, the transaction's header first.
    regions: Vec<Range<usize>>,
}

impl Checkpoint {
    /// Its regions, without the transaction's header.
    pub(crate) fn regions(&self) -> impl Iterator<Item = &[u8]> {
        self.regions.iter().skip(1).map(|range| &self.bytes[range.clone()])
    }

    fn has_header(&self) -> bool {
        let Some(first) = self.regions.first() else { return true };
        TransactionHeader::read_from_bytes(&self.bytes[first.clone()])
            .is_ok_and(|header| header.magic.get() == TRANSACTION_MAGIC)
    }

    fn add(&mut self, bytes: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.regions.push(start..self.bytes.len());
    }

    fn lengthen(&mut self, bytes: &[u8]) -> Option<()> {
        let last = self.regions.last_mut()?;
        self.bytes.extend_from_slice(bytes);
        last.end = self.bytes.len();
        Some(())
    }
}

/// One operation of a record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operation<'p> {
    /// Its header.
    pub(crate) header: OpHeader,
    /// What follows it.
    pub(crate) bytes: &'p [u8],
}

/// The operations of a record, as long as they lie inside of it.
pub(crate) fn operations(record: &Record) -> impl Iterator<Item = Option<Operation<'_>>> {
    let mut rest = record.payload.as_slice();
    (0..record.header.num_logops.get()).map_while(move |_| {
        if rest.is_empty() {
            return None;
        }
        let parsed = OpHeader::read_from_prefix(rest).ok().and_then(|(header, behind)| {
            let len = usize::try_from(header.len.get()).ok()?;
            Some((Operation { header, bytes: behind.get(..len)? }, &behind[len..]))
        });
        rest = parsed.map_or(&[], |(_, behind)| behind);
        Some(parsed.map(|(operation, _)| operation))
    })
}

/// Checkpoints whose commit was not met yet, by the number of their transaction.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    open: Hashed<u32, Checkpoint>,
    held_bytes: usize,
}

impl Assembler {
    /// Takes the operations of a record; returns the checkpoints that are committed in it.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for operations that cannot be understood.
    pub(crate) fn take(&mut self, ring: &Ring<'_>, record: &Record) -> Result<Vec<Checkpoint>> {
        let broken = |rule| ring.broken(record.at, rule);
        let mut committed = Vec::new();
        for operation in operations(record) {
            let operation = operation.ok_or_else(|| broken("operation reaches out of its record"))?;
            if !matches!(operation.header.clientid, CLIENT_TRANSACTION | CLIENT_LOG) {
                return Err(broken("operation of nobody known"));
            }
            if let Some(checkpoint) = self.operation(record, operation).map_err(broken)? {
                if !checkpoint.has_header() {
                    return Err(broken("transaction without its header"));
                }
                committed.push(checkpoint);
            }
        }
        Ok(committed)
    }

    /// Takes one operation; returns the checkpoint that it commits.
    fn operation(
        &mut self,
        record: &Record,
        Operation { header, bytes }: Operation<'_>,
    ) -> Result<Option<Checkpoint>, &'static str> {
        let tid = header.tid.get();
        let Some(open) = self.open.get_mut(tid) else {
            // One that began before the tail is in place already.
            if header.flags & op_flags::START != 0 {
                if self.open.len() >= MAX_OPEN {
                    return Err("too many transactions at the same time");
                }
                self.open.insert(tid, Checkpoint { lsn: record.lsn(), ..Checkpoint::default() });
            }
            return Ok(None);
        };
        self.held_bytes += bytes.len();
        if self.held_bytes > MAX_OPEN_BYTES {
            return Err("transactions larger than a log can have");
        }
        let mut flags = header.flags & !op_flags::END;
        if flags & op_flags::WAS_CONTINUED != 0 {
            flags &= !op_flags::CONTINUE;
        }
        match flags {
            0 if bytes.is_empty() => {}
            0 | op_flags::CONTINUE => open.add(bytes),
            op_flags::WAS_CONTINUED => open.lengthen(bytes).ok_or("rest of a region that never began")?,
            op_flags::COMMIT => {
                let whole = self.open.remove(tid).unwrap_or_default();
                self.held_bytes = self.held_bytes.saturating_sub(whole.bytes.len());
                return Ok(Some(whole));
            }
            op_flags::UNMOUNT => drop(self.open.remove(tid)),
            _ => return Err("operation with flags that are not known"),
        }
        Ok(None)
    }
}

/// Corruption of what a checkpoint carries.
pub(crate) fn damaged(structure: &'static str, rule: &'static str) -> Error {
    use crate::error::{Place, Problem};
    Error::corrupt(structure, Place::default(), Problem::Rule(rule))
}
