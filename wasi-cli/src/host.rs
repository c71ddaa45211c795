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

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use xfskit::volume::Timestamp;

/// A time of the host as the volume keeps it.
pub(crate) fn timestamp(time: SystemTime) -> Timestamp {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => Timestamp {
            seconds: i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
            nanoseconds: after.subsec_nanos(),
        },
        Err(error) => {
            let before = error.duration();
            let seconds = -i64::try_from(before.as_secs()).unwrap_or(i64::MAX);
            match before.subsec_nanos() {
                0 => Timestamp { seconds, nanoseconds: 0 },
                nanos => Timestamp { seconds: seconds - 1, nanoseconds: 1_000_000_000 - nanos },
            }
        }
    }
}

/// A time of a volume as the host keeps it; `None` when the host's clock does not reach that far.
pub(crate) fn system_time(time: Timestamp) -> Option<SystemTime> {
    let seconds = Duration::from_secs(time.seconds.unsigned_abs());
    let whole =
        if time.seconds < 0 { UNIX_EPOCH.checked_sub(seconds) } else { UNIX_EPOCH.checked_add(seconds) };
    whole?.checked_add(Duration::from_nanos(time.nanoseconds.into()))
}

/// The present.
pub(crate) fn now() -> Timestamp {
    timestamp(SystemTime::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_survive_the_way_there_and_back() {
        for (seconds, nanoseconds) in [(-1, 0), (-1, 1), (-2_147_483_648, 999_999_999), (0, 0), (1 << 33, 5)]
        {
            let time = Timestamp { seconds, nanoseconds };
            assert_eq!(timestamp(system_time(time).expect("in range")), time);
        }
    }
}
