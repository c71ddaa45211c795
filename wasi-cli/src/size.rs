//! Sizes on the command line and for people.

/// A number of bytes with a suffix as coreutils take it: `K`, `M`, `G`, `T`, `P`, `E` (also `KiB` and so on) count
/// in 1024, `KB`, `MB` and so on in 1000.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, suffix) = text.split_at(digits);
    if number.is_empty() {
        return Err("expected a number of bytes such as 4096, 64K or 1G".to_owned());
    }
    let number: u64 = number.parse().map_err(|_| "number too large".to_owned())?;
    let unit =
        multiplier(suffix).ok_or_else(|| format!("unknown suffix {suffix}; use K, M, G, T, P or E"))?;
    number.checked_mul(unit).ok_or_else(|| "number too large".to_owned())
}

fn multiplier(suffix: &str) -> Option<u64> {
    let mut letters = suffix.chars();
    let Some(letter) = letters.next() else { return Some(1) };
    let power = 1 + "KMGTPE".find(letter.to_ascii_uppercase())?;
    let base: u64 = match letters.as_str() {
        "" | "iB" => 1024,
        "B" => 1000,
        _ => return None,
    };
    base.checked_pow(u32::try_from(power).ok()?)
}

/// What `truncate --size` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NewSize {
    how: How,
    bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Exactly,
    Longer,
    Shorter,
    AtMost,
    AtLeast,
    DownTo,
    UpTo,
}

impl NewSize {
    /// Parses `SIZE` with an optional sign: `+` longer by, `-` shorter by, `<` at most, `>` at least, `/` down and
    /// `%` up to a multiple.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (how, rest) = match text.as_bytes().first() {
            Some(b'+') => (How::Longer, &text[1..]),
            Some(b'-') => (How::Shorter, &text[1..]),
            Some(b'<') => (How::AtMost, &text[1..]),
            Some(b'>') => (How::AtLeast, &text[1..]),
            Some(b'/') => (How::DownTo, &text[1..]),
            Some(b'%') => (How::UpTo, &text[1..]),
            _ => (How::Exactly, text),
        };
        let bytes = parse(rest)?;
        if bytes == 0 && matches!(how, How::DownTo | How::UpTo) {
            return Err("cannot round to a multiple of 0".to_owned());
        }
        Ok(Self { how, bytes })
    }

    /// The size for a file that has `current` bytes; `None` when it is more than 64 bits hold.
    pub(crate) fn apply(self, current: u64) -> Option<u64> {
        match self.how {
            How::Exactly => Some(self.bytes),
            How::Longer => current.checked_add(self.bytes),
            How::Shorter => Some(current.saturating_sub(self.bytes)),
            How::AtMost => Some(current.min(self.bytes)),
            How::AtLeast => Some(current.max(self.bytes)),
            How::DownTo => Some(current - current % self.bytes),
            How::UpTo => current.checked_next_multiple_of(self.bytes),
        }
    }

    /// Whether the current size matters.
    pub(crate) fn is_relative(self) -> bool {
        self.how != How::Exactly
    }
}

/// A size for people, as `ls -h` shows it: `512`, `4.0K`, `1.5G`, rounded up.
pub(crate) fn human(bytes: u64) -> String {
    if bytes < 1024 {
        return bytes.to_string();
    }
    let mut unit = 0;
    let mut divisor: u128 = 1024;
    while u128::from(bytes) >= divisor * 1024 {
        divisor *= 1024;
        unit += 1;
    }
    let tenths = (u128::from(bytes) * 10).div_ceil(divisor);
    let letters = ['K', 'M', 'G', 'T', 'P', 'E'];
    if tenths < 100 {
        return format!("{}.{}{}", tenths / 10, tenths % 10, letters[unit]);
    }
    match u128::from(bytes).div_ceil(divisor) {
        1024 if unit + 1 < letters.len() => format!("1.0{}", letters[unit + 1]),
        whole => format!("{whole}{}", letters[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_suffixes_of_coreutils() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("64K", 65536),
            ("64k", 65536),
            ("1KiB", 1024),
            ("1KB", 1000),
            ("1G", 1 << 30),
            ("1P", 1 << 50),
            ("15E", 15 << 60),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
        for text in ["", "G", "1X", "16E", "1.5G", "-1", "99999999999999999999", "1K1"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn new_sizes_are_relative_as_truncate_has_them() {
        for (text, current, size) in [
            ("10", 7, Some(10)),
            ("+10", 7, Some(17)),
            ("-10", 7, Some(0)),
            ("-2", 7, Some(5)),
            ("<4", 7, Some(4)),
            (">4", 7, Some(7)),
            ("/4", 7, Some(4)),
            ("%4", 7, Some(8)),
            ("+1", u64::MAX, None),
        ] {
            assert_eq!(NewSize::parse(text).expect(text).apply(current), size, "{text}");
        }
        assert!(NewSize::parse("%0").is_err());
    }

    #[test]
    fn people_get_two_digits() {
        for (bytes, text) in [
            (0, "0"),
            (1023, "1023"),
            (1024, "1.0K"),
            (1025, "1.1K"),
            (10 << 10, "10K"),
            (1_048_575, "1.0M"),
            (3 << 29, "1.5G"),
            (u64::MAX, "16E"),
        ] {
            assert_eq!(human(bytes), text);
        }
    }
}
