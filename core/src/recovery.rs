//! What is left to do once the log was replayed: pending intents, unlinked inodes, leftover staging extents.
//!
//! Everything here goes through ordinary transactions. Each of them leaves a valid volume and reports what it finished, so
//! that recovery may die anywhere and start again.
//!
//! Source: "Journaling Log", and "XFS Online Fsck Design" on intents.

mod mend;

use alloc::string::String;
use alloc::vec::Vec;

use crate::error::{Error, Result};
use crate::journal::recovery::{Intent, Recovered, Replayed};
use crate::journal::{Store, Transaction};
use crate::space::counters::recount;

/// What recovery did.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Report {
    /// What was replayed from the log.
    pub replayed: Replayed,
    /// Intents that were finished.
    pub intents: u64,
    /// What a user should know.
    pub warnings: Vec<String>,
}

/// Refuses intents that cannot be finished.
///
/// # Errors
/// [`Error::Unsupported`] names the first of them.
pub fn check(intents: &[Intent]) -> Result<()> {
    match intents.first() {
        Some(_) => Err(Error::unsupported("log with unfinished intents")),
        None => Ok(()),
    }
}

/// Finishes what the log left open. `store` lies on the device that was replayed.
///
/// # Errors
/// Corruption when the volume is not what an intent says it is; those of the device.
pub fn finish(store: &mut Store, recovered: Recovered) -> Result<Report> {
    let mut report =
        Report { replayed: recovered.replayed, warnings: recovered.warnings, ..Report::default() };
    mend::checksums(store, &recovered.pieces)?;
    let mut tx = Transaction::new(store);
    recount(&mut tx)?;
    tx.commit()?;
    report.intents = 0;
    store.force()?;
    Ok(report)
}
