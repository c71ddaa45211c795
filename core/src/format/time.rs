//! Timestamps: 64 bits of nanoseconds since 1901 with BIGTIME, otherwise two 32-bit halves.
//!
//! Source: "Inode Core", timestamps.

use core::time::Duration;

/// A point in time, to the nanosecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp {
    /// Seconds since 1970-01-01 UTC; negative before.
    pub seconds: i64,
    /// Nanoseconds after that second, `0..1_000_000_000`.
    pub nanoseconds: u32,
}

const NANOS: u64 = 1_000_000_000;

/// Seconds between the first representable time and 1970.
const BIGTIME_OFFSET_SECONDS: i64 = 1 << 31;

impl Timestamp {
    /// Earliest time that an inode can hold.
    pub const MIN: Self = Self { seconds: -BIGTIME_OFFSET_SECONDS, nanoseconds: 0 };

    /// Latest second of an inode without BIGTIME.
    pub const MAX_CLASSIC_SECONDS: i64 = (1 << 31) - 1;

    /// Latest second of an inode with BIGTIME.
    pub const MAX_BIGTIME_SECONDS: i64 = (u64::MAX / NANOS) as i64 - BIGTIME_OFFSET_SECONDS;

    /// Decodes the eight bytes of a timestamp. Out-of-range nanoseconds of the classic form are cut off.
    #[must_use]
    pub fn decode(raw: u64, bigtime: bool) -> Self {
        if bigtime {
            let seconds = (raw / NANOS) as i64 - BIGTIME_OFFSET_SECONDS;
            Self { seconds, nanoseconds: (raw % NANOS) as u32 }
        } else {
            let nanoseconds = (raw as u32).min(NANOS as u32 - 1);
            Self { seconds: i64::from((raw >> 32) as u32 as i32), nanoseconds }
        }
    }

    /// Encodes to eight bytes, clamping to what the form can hold as Linux does.
    #[must_use]
    pub fn encode(self, bigtime: bool) -> u64 {
        let max = if bigtime { Self::MAX_BIGTIME_SECONDS } else { Self::MAX_CLASSIC_SECONDS };
        let seconds = self.seconds.clamp(-BIGTIME_OFFSET_SECONDS, max);
        let nanoseconds = if seconds == self.seconds { u64::from(self.nanoseconds) } else { 0 };
        if bigtime {
            let since_start = (seconds + BIGTIME_OFFSET_SECONDS) as u64;
            since_start.saturating_mul(NANOS).saturating_add(nanoseconds)
        } else {
            (u64::from(seconds as i32 as u32) << 32) | nanoseconds
        }
    }
}

impl Timestamp {
    /// The time so long after the start of 1970, or so long before it.
    #[must_use]
    pub fn from_epoch(offset: Result<Duration, Duration>) -> Self {
        let whole = |offset: Duration| i64::try_from(offset.as_secs()).unwrap_or(i64::MAX);
        match offset {
            Ok(after) => Self { seconds: whole(after), nanoseconds: after.subsec_nanos() },
            Err(before) if before.subsec_nanos() == 0 => Self { seconds: -whole(before), nanoseconds: 0 },
            Err(before) => {
                Self { seconds: -whole(before) - 1, nanoseconds: NANOS as u32 - before.subsec_nanos() }
            }
        }
    }

    /// How long after the start of 1970, or before it, that is.
    ///
    /// # Errors
    /// The time before it.
    pub fn to_epoch(self) -> Result<Duration, Duration> {
        let (seconds, nanos) = (Duration::from_secs(self.seconds.unsigned_abs()), self.nanoseconds.into());
        match self.seconds < 0 {
            true => Err(seconds.saturating_sub(Duration::from_nanos(nanos))),
            false => Ok(seconds.saturating_add(Duration::from_nanos(nanos))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_round_trip() {
        for seconds in [-2_147_483_648, -1, 0, 1, 2_147_483_647] {
            for nanoseconds in [0, 1, 999_999_999] {
                let time = Timestamp { seconds, nanoseconds };
                assert_eq!(Timestamp::decode(time.encode(true), true), time);
                assert_eq!(Timestamp::decode(time.encode(false), false), time);
            }
        }
    }

    #[test]
    fn bigtime_ends_where_linux_says() {
        assert_eq!(Timestamp::decode(0, true).seconds, -2_147_483_648);
        assert_eq!(Timestamp { seconds: 16_299_260_424, nanoseconds: 0 }.encode(true), 0xffff_ffff_9a1a_5000);
    }

    #[test]
    fn offsets_from_1970_come_back() {
        for (seconds, nanoseconds) in
            [(-1, 0), (-1, 1), (-2_147_483_648, 999_999_999), (0, 0), (1, 999_999_999), (1 << 33, 5)]
        {
            let time = Timestamp { seconds, nanoseconds };
            assert_eq!(Timestamp::from_epoch(time.to_epoch()), time);
        }
    }
}
