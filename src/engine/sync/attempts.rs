//! How often a sync tries: a plan that went stale a few times at once, a push that lost a race with
//! growing pauses of random length, so that a hundred machines do not all come back together.

use std::time::{Duration, Instant};

use crate::failure::Outcome;
use crate::interrupt;

/// How often a plan that went stale is made anew.
const STALE: u32 = 5;

/// The longest pause after the first push that lost.
const FIRST_PAUSE: Duration = Duration::from_millis(25);

/// The longest pause after any push.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// For how long pushes are tried, from the first one that lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a person who ends a pause waits for it.
const NAP: Duration = Duration::from_millis(50);

/// What one sync has tried so far.
#[derive(Debug, Default)]
pub struct Attempts {
    stale: u32,
    lost: u32,
    since: Option<Instant>,
}

impl Attempts {
    /// Returns whether a stale plan is made anew.
    pub fn plans_again(&mut self) -> bool {
        self.stale += 1;
        self.stale < STALE
    }

    /// Pauses after a push that lost, and returns whether another one is tried.
    pub fn wait_for_its_turn(&mut self) -> Outcome<bool> {
        let since = *self.since.get_or_insert_with(Instant::now);
        let longest = longest_pause(self.lost);
        self.lost += 1;
        let random = crate::context::dice();
        let pause = longest.mul_f64(f64::from((random >> 40) as u32) / f64::from(1_u32 << 24));
        let has_time = since.elapsed() + pause < PATIENCE;
        let until = Instant::now() + pause;
        while has_time && Instant::now() < until {
            interrupt::check()?;
            std::thread::sleep(until.saturating_duration_since(Instant::now()).min(NAP));
        }
        Ok(has_time)
    }
}

fn longest_pause(lost: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << lost.min(16)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_bounded() {
        let pauses: Vec<_> = (0..40).map(longest_pause).collect();
        assert_eq!(pauses[0], FIRST_PAUSE);
        assert_eq!(pauses[1], FIRST_PAUSE * 2);
        assert!(pauses.is_sorted());
        assert_eq!(pauses.last(), Some(&LONGEST_PAUSE));
    }

    #[test]
    fn a_plan_is_made_a_few_times_only() {
        let mut attempts = Attempts::default();
        assert_eq!((0..10).filter(|_| attempts.plans_again()).count(), STALE as usize - 1);
    }
}
