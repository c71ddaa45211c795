//! What is left to do once the log was replayed: pending intents, unlinked inodes, leftover staging extents.
//!
//! Everything here goes through ordinary transactions. Each of them leaves a valid volume and reports what it finished, so
//! that recovery may die anywhere and start again.
//!
//! Source: "Journaling Log", and "XFS Online Fsck Design" on intents.

pub(crate) mod exchange;
mod intents;
mod leftovers;
mod mend;

use alloc::string::String;
use alloc::vec::Vec;

use crate::error::Result;
use crate::geometry::Geometry;
use crate::journal::recovery::{Intent, Recovered, Replayed};
use crate::journal::{PendingIntent, Store, Transaction};
use crate::space::counters::recount;

/// What recovery did.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Report {
    /// What was replayed from the log.
    pub replayed: Replayed,
    /// Intents that were finished, by type of their items: EFI, RUI, CUI, BUI, ATTRI, XMI.
    pub intents: Vec<(u16, u64)>,
    /// Inodes without a name that were freed.
    pub unlinked: u64,
    /// Blocks of staging extents that were freed.
    pub staging_fsblocks: u64,
    /// What a user should know.
    pub warnings: Vec<String>,
}

/// Refuses intents that cannot be finished, before anything is replayed.
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) and [`Error::Corrupt`](crate::Error::Corrupt) name the first of them.
pub fn check(geometry: &Geometry, intents: &[Intent]) -> Result<()> {
    intents.iter().try_for_each(|intent| intents::check(geometry, intent))
}

/// Finishes what the log left open, and leaves a log that is clean. `store` lies on the device that was replayed, and
/// may be written from here on.
///
/// # Errors
/// Corruption when the volume is not what an intent says it is; those of the device.
pub fn finish(store: &mut Store, recovered: Recovered) -> Result<Report> {
    let mut report =
        Report { replayed: recovered.replayed, warnings: recovered.warnings, ..Report::default() };
    let intents = recovered.intents.iter();
    let pending = intents.map(|intent| PendingIntent { intent: intent.kind, id: intent.id, lsn: intent.lsn });
    store.set_log(recovered.position, pending.collect());
    mend::checksums(store, &recovered.pieces)?;
    let mut tx = Transaction::new(store);
    recount(&mut tx)?;
    tx.commit()?;
    for intent in &recovered.intents {
        intents::finish(store, intent)?;
        match report.intents.iter_mut().find(|(kind, _)| *kind == intent.kind) {
            Some((_, count)) => *count += 1,
            None => report.intents.push((intent.kind, 1)),
        }
    }
    leftovers::unlinked_inodes(store, &mut report)?;
    leftovers::staging_extents(store, &mut report)?;
    store.quiesce()?;
    Ok(report)
}
