//! Whether the log is clean: nothing in it that is not also in place.
//!
//! Source: "Journaling Log"; [`recovery`](super::recovery) finds both ends.

use alloc::string::{String, ToString};
use alloc::sync::Arc;

use super::recovery::{Ring, find};
use super::store::Store;
use crate::error::{Error, Result};
use crate::units::Lsn;

/// What the log says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogState {
    /// Nothing to replay.
    Clean {
        /// Where the next record goes.
        head: Lsn,
    },
    /// There are records to replay, or something that is not understood.
    Dirty {
        /// Why the log is not clean.
        reason: String,
        /// Where the next record would go; `None` when that was not found out.
        head: Option<Lsn>,
        /// Oldest record that is still needed; `None` when that was not found out.
        tail: Option<Lsn>,
    },
    /// The log is on another device.
    External,
}

/// Looks at the log of the volume.
///
/// # Errors
/// Those of the device.
pub fn log_state(store: &mut Store) -> Result<LogState> {
    let geometry = Arc::clone(store.geometry());
    if geometry.logstart.is_null() {
        return Ok(LogState::External);
    }
    let mut ring = Ring::new(store.device(), &geometry)?;
    match find(&mut ring) {
        Ok(ends) if ends.is_clean() => Ok(LogState::Clean { head: ends.head }),
        Ok(ends) => Ok(LogState::Dirty {
            reason: "the log has changes to replay".to_string(),
            head: Some(ends.head),
            tail: Some(ends.tail),
        }),
        Err(Error::Device(error)) => Err(error.into()),
        Err(error) => Ok(LogState::Dirty { reason: error.to_string(), head: None, tail: None }),
    }
}
