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
}
