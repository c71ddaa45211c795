//! What differs between the hosts: names as bytes, owners, modes, symbolic links.
//!
//! Each host has a module with the same functions. Where a host has no notion of something (modes under WASI), it
//! answers with what a plain file would have and ignores attempts to set it.

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub(crate) use unix::*;

#[cfg(target_os = "wasi")]
mod wasi;
#[cfg(target_os = "wasi")]
pub(crate) use wasi::*;

use std::time::{SystemTime, UNIX_EPOCH};

use xfskit::volume::Timestamp;

/// A time of the host as the volume keeps it.
pub(crate) fn timestamp(time: SystemTime) -> Timestamp {
    Timestamp::from_epoch(time.duration_since(UNIX_EPOCH).map_err(|error| error.duration()))
}

/// A time of a volume as the host keeps it; `None` when the host's clock does not reach that far.
pub(crate) fn system_time(time: Timestamp) -> Option<SystemTime> {
    match time.to_epoch() {
        Ok(after) => UNIX_EPOCH.checked_add(after),
        Err(before) => UNIX_EPOCH.checked_sub(before),
    }
}

/// The present.
pub(crate) fn now() -> Timestamp {
    timestamp(SystemTime::now())
}
