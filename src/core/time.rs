//! Moments and how long ago they are. Nothing here reads a clock.

use core::fmt;

/// A moment, in milliseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct UnixTime(pub u64);

impl UnixTime {
    /// Returns whole seconds since 1970.
    pub fn seconds(self) -> u64 {
        self.0 / 1000
    }

    /// Returns the moment `seconds` later.
    #[must_use]
    pub fn after_seconds(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1000)))
    }

    /// Returns how long ago `earlier` was; nothing when a clock ran backwards.
    pub fn since(self, earlier: Self) -> Age {
        Age(self.0.saturating_sub(earlier.0) / 1000)
    }
}

/// A stretch of time in seconds, shown in its largest unit: `3 minutes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Age(pub u64);

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, unit) = match self.0 {
            0..60 => (self.0, "second"),
            60..3600 => (self.0 / 60, "minute"),
            3600..86_400 => (self.0 / 3600, "hour"),
            _ => (self.0 / 86_400, "day"),
        };
        let plural = if count == 1 { "" } else { "s" };
        write!(f, "{count} {unit}{plural}")
    }
}

/// A length of time in seconds, shown in whole words: `1 hour 30 minutes`. The prompt has this file, too,
/// and no memory to put a text together in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spelled(pub u64);

impl fmt::Display for Spelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(seconds) = *self;
        let parts = [
            Age(seconds / 86_400 * 86_400),
            Age(seconds % 86_400 / 3600 * 3600),
            Age(seconds % 3600 / 60 * 60),
            Age(seconds % 60),
        ];
        let mut gap = "";
        for part in parts.into_iter().filter(|part| part.0 > 0) {
            write!(f, "{gap}{part}")?;
            gap = " ";
        }
        Ok(())
    }
}

/// Reads a length of time in seconds, as people write it: `90s`, `30m`, `1h30m`, `2d`; none where it is
/// something else, or nothing.
pub fn duration(text: &str) -> Option<u64> {
    let (mut total, mut number) = (0_u64, None);
    for letter in text.chars() {
        if let Some(digit) = letter.to_digit(10) {
            number = Some(number.unwrap_or(0_u64).checked_mul(10)?.checked_add(digit.into())?);
            continue;
        }
        let unit = match letter {
            's' => 1,
            'm' => 60,
            'h' => 60 * 60,
            'd' => 24 * 60 * 60,
            'w' => 7 * 24 * 60 * 60,
            _ => return None,
        };
        total = total.checked_add(number.take()?.checked_mul(unit)?)?;
    }
    (number.is_none() && 0 < total).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_read_at_a_glance() {
        let shown = |seconds| Age(seconds).to_string();
        assert_eq!(shown(1), "1 second");
        assert_eq!(shown(59), "59 seconds");
        assert_eq!(shown(3599), "59 minutes");
        assert_eq!(shown(90_000), "1 day");
    }

    #[test]
    fn a_clock_that_ran_backwards_is_no_age() {
        assert_eq!(UnixTime(1000).since(UnixTime(5000)), Age(0));
    }

    #[test]
    fn lengths_of_time_are_read_as_people_write_them() {
        for (text, seconds) in [
            ("90s", Some(90)),
            ("30m", Some(1800)),
            ("2h", Some(7200)),
            ("1h30m", Some(5400)),
            ("1w2d", Some(777_600)),
            ("", None),
            ("2", None),
            ("h", None),
            ("0m", None),
            ("1h30", None),
            ("-1h", None),
            ("1.5h", None),
            ("tomorrow", None),
            ("99999999999999999999h", None),
            ("9999999999999999999w", None),
        ] {
            assert_eq!(duration(text), seconds, "{text}");
        }
    }

    #[test]
    fn lengths_of_time_are_spelled_whole() {
        assert_eq!(Spelled(5400).to_string(), "1 hour 30 minutes");
        assert_eq!(Spelled(90).to_string(), "1 minute 30 seconds");
        assert_eq!(Spelled(2 * 86_400 + 1).to_string(), "2 days 1 second");
    }
}
