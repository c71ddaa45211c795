//! Times as text. Always UTC: an image says nothing of time zones.

use xfskit::volume::Timestamp;

const DAY_SECONDS: i64 = 86_400;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A point in time by calendar and clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Civil {
    year: i64,
    /// `1..=12`
    month: u32,
    /// `1..=31`
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
}

impl Civil {
    fn of(seconds: i64) -> Self {
        let of_day = seconds.rem_euclid(DAY_SECONDS) as u32;
        // Years are counted from March, so that the leap day is the last of its year, in eras of 400 years.
        let day = seconds.div_euclid(DAY_SECONDS) + 719_468;
        let (era, day_of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        Self {
            year: era * 400 + year_of_era + i64::from(month <= 2),
            month: month as u32,
            day: (day_of_year - (153 * from_march + 2) / 5 + 1) as u32,
            hour: of_day / 3600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
        }
    }

    fn seconds(self) -> i64 {
        let year = if self.month <= 2 { self.year - 1 } else { self.year };
        let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let from_march = i64::from((self.month + 9) % 12);
        let day_of_year = (153 * from_march + 2) / 5 + i64::from(self.day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let of_day = i64::from(self.hour * 3600 + self.minute * 60 + self.second);
        (era * 146_097 + day_of_era - 719_468) * DAY_SECONDS + of_day
    }
}

/// `2026-11-22 13:17:30.123456789 +0000`, as `stat` has it.
pub(crate) fn full(time: Timestamp) -> String {
    let c = Civil::of(time.seconds);
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:09} +0000",
        c.year, c.month, c.day, c.hour, c.minute, c.second, time.nanoseconds
    )
}

/// `2026-11-22T13:17:30.123456789Z`, for JSON.
pub(crate) fn iso(time: Timestamp) -> String {
    let c = Civil::of(time.seconds);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z",
        c.year, c.month, c.day, c.hour, c.minute, c.second, time.nanoseconds
    )
}

/// Twelve columns as in `ls -l`: with the clock for the last half year, with the year for everything else.
pub(crate) fn short(time: Timestamp, now: Timestamp) -> String {
    let c = Civil::of(time.seconds);
    let month = MONTHS[c.month as usize - 1];
    let half_year = 31_556_952 / 2;
    let is_recent = time <= now && time.seconds > now.seconds - half_year;
    if is_recent {
        format!("{month} {:2} {:02}:{:02}", c.day, c.hour, c.minute)
    } else {
        format!("{month} {:2} {:5}", c.day, c.year)
    }
}

/// Seconds and nanoseconds as a decimal number, for PAX records. Before 1970 both count down.
pub(crate) fn decimal(time: Timestamp) -> String {
    if time.nanoseconds == 0 {
        return time.seconds.to_string();
    }
    if time.seconds < 0 {
        let whole = (time.seconds + 1).unsigned_abs();
        return trimmed(format!("-{whole}.{:09}", 1_000_000_000 - time.nanoseconds));
    }
    trimmed(format!("{}.{:09}", time.seconds, time.nanoseconds))
}

fn trimmed(text: String) -> String {
    text.trim_end_matches('0').to_owned()
}

/// Parses `2026-11-22`, `2026-11-22T13:17:30.5Z` (or with a blank), and `@SECONDS[.FRACTION]`. Always UTC.
pub(crate) fn parse(text: &str) -> Result<Timestamp, String> {
    parse_instant(text).ok_or_else(|| {
        format!("invalid time {text}: expected YYYY-MM-DD[THH:MM[:SS[.FRACTION]]][Z] or @SECONDS[.FRACTION]")
    })
}

fn parse_instant(text: &str) -> Option<Timestamp> {
    if let Some(epoch) = text.strip_prefix('@') {
        return parse_epoch(epoch);
    }
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (date, clock) = text.split_once(['T', ' ']).unwrap_or((text, "00:00"));
    let mut parts = date.split('-');
    let (year, month, day) = (number(parts.next()?)?, number(parts.next()?)?, number(parts.next()?)?);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut parts_of_clock = clock.split(':');
    let hour = number(parts_of_clock.next()?)?;
    let minute = number(parts_of_clock.next()?)?;
    let second = parts_of_clock.next().map_or(Some(0), number)?;
    if parts.next().is_some() || parts_of_clock.next().is_some() {
        return None;
    }
    let civil = Civil { year: year.into(), month, day, hour, minute, second };
    let is_valid = (1..=12).contains(&month) && hour < 24 && minute < 60 && second < 60;
    // A day that its month does not have comes back as another one.
    let seconds = is_valid.then(|| civil.seconds()).filter(|&seconds| Civil::of(seconds) == civil)?;
    Some(Timestamp { seconds, nanoseconds: nanoseconds(fraction)? })
}

/// Parses seconds since 1970, with a fraction or without.
pub(crate) fn parse_epoch(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    let nanoseconds = nanoseconds(fraction)?;
    if whole.starts_with('-') && nanoseconds > 0 {
        return Some(Timestamp {
            seconds: seconds.checked_sub(1)?,
            nanoseconds: 1_000_000_000 - nanoseconds,
        });
    }
    Some(Timestamp { seconds, nanoseconds })
}

fn number(text: &str) -> Option<u32> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn nanoseconds(fraction: &str) -> Option<u32> {
    if fraction.len() > 9 {
        return nanoseconds(fraction.get(..9)?);
    }
    number(&format!("{fraction:0<9}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64, nanoseconds: u32) -> Timestamp {
        Timestamp { seconds, nanoseconds }
    }

    #[test]
    fn calendar_and_seconds_agree() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00.000000000 +0000"),
            (-1, "1969-12-31 23:59:59.000000000 +0000"),
            (951_782_400, "2000-02-29 00:00:00.000000000 +0000"),
            (-2_147_483_648, "1901-12-13 20:45:52.000000000 +0000"),
            (16_299_260_424, "2486-07-02 20:20:24.000000000 +0000"),
        ] {
            assert_eq!(full(at(seconds, 0)), text);
            assert_eq!(Civil::of(seconds).seconds(), seconds);
        }
        (-800_000..800_000).step_by(7).for_each(|day| {
            assert_eq!(Civil::of(day * DAY_SECONDS + 5).seconds(), day * DAY_SECONDS + 5);
        });
    }

    #[test]
    fn times_parse() {
        for (text, time) in [
            ("@0", at(0, 0)),
            ("@-1.5", at(-2, 500_000_000)),
            ("@1.000000001", at(1, 1)),
            ("1970-01-02", at(86_400, 0)),
            ("2000-02-29T01:02:03.5Z", at(951_786_123, 500_000_000)),
            ("2000-02-29 01:02", at(951_786_120, 0)),
        ] {
            assert_eq!(parse(text), Ok(time), "{text}");
        }
        for text in ["", "@", "2001-02-29", "2000-13-01", "2000-01-01T25:00", "2000-1", "+2000-01-01", "x"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn decimals_count_from_1970() {
        assert_eq!(decimal(at(1, 500_000_000)), "1.5");
        assert_eq!(decimal(at(-2, 500_000_000)), "-1.5");
        assert_eq!(decimal(at(-1, 999_999_999)), "-0.000000001");
        assert_eq!(decimal(at(100, 0)), "100");
    }

    #[test]
    fn old_and_future_times_show_the_year() {
        let now = at(1_700_000_000, 0);
        assert_eq!(short(at(1_699_999_000, 0), now), "Nov 14 21:56");
        assert_eq!(short(at(1_600_000_000, 0), now), "Sep 13  2020");
        assert_eq!(short(at(1_800_000_000, 0), now), "Jan 15  2027");
    }
}
