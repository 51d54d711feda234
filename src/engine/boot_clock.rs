//! A clock that nobody can set and that goes on while the machine sleeps: for deadlines. What differs
//! by system is in this file.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Linux's monotonic clock stands still during sleep.
#[cfg(target_os = "linux")]
const CLOCK: ClockId = ClockId::CLOCK_BOOTTIME;

/// That of macOS goes on.
#[cfg(not(target_os = "linux"))]
const CLOCK: ClockId = ClockId::CLOCK_MONOTONIC;

/// A moment on it.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Duration);

impl Deadline {
    /// The moment so many seconds from now.
    pub fn after_seconds(seconds: u64) -> Self {
        Self(now().saturating_add(Duration::from_secs(seconds)))
    }

    /// Returns how long it is until then; none once it has passed.
    pub fn left(self) -> Option<Duration> {
        self.0.checked_sub(now()).filter(|left| !left.is_zero())
    }
}

fn now() -> Duration {
    // A system without that clock has no other, and then a deadline never passes.
    clock_gettime(CLOCK).map(Duration::from).unwrap_or_default()
}
