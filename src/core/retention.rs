//! Which of the states that were kept may be forgotten.
//!
//! No clock is trusted. A state goes only when newer ones were kept on as many other days, when its
//! own time says the same, and when enough newer ones stay whatever the days say; and one run forgets
//! a part only. So a clock that jumps ahead by years makes nothing old.

use std::collections::BTreeSet;

use crate::time::UnixTime;

/// States that stay whatever their age.
pub const NEWEST: usize = 100;

/// As many may go in one run in any case.
const FEW: usize = 50;

/// Of many states, one run forgets this part at most.
const PART: usize = 10;

const DAY_SECONDS: u64 = 24 * 60 * 60;

/// A state that was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Its number.
    pub number: u64,
    /// When it was kept, by the clock of then.
    pub at: UnixTime,
}

/// Returns the day of a moment.
pub fn day(at: UnixTime) -> u64 {
    at.seconds() / DAY_SECONDS
}

/// Returns the numbers of the states that may go. They are given from the oldest to the newest, and
/// each was current until the next one; `days` of zero keep all.
pub fn forgettable(kept: &[Kept], days: u64, now: UnixTime) -> Vec<u64> {
    if days == 0 {
        return Vec::new();
    }
    let old = &kept[..kept.len().saturating_sub(NEWEST)];
    let most = FEW.max(kept.len() / PART);
    let mut since: BTreeSet<u64> = BTreeSet::new();
    let mut forgettable = Vec::new();
    for (at, state) in kept.iter().enumerate().rev() {
        if let Some(next) = kept.get(at + 1) {
            since.insert(day(next.at));
            let end = next.at.max(state.at).after_seconds(days.saturating_mul(DAY_SECONDS));
            if at < old.len() && since.len() as u64 >= days && end < now {
                forgettable.push(state.number);
            }
        }
    }
    forgettable.reverse();
    forgettable.truncate(most);
    forgettable
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 20_000;

    fn on(day: u64) -> UnixTime {
        UnixTime(0).after_seconds(day * DAY_SECONDS)
    }

    /// One state on each of these days.
    fn kept(days: impl IntoIterator<Item = u64>) -> Vec<Kept> {
        let state = |(number, day)| Kept { number, at: on(START + day) };
        (1..).zip(days).map(state).collect()
    }

    fn after(kept: &[Kept], now: u64) -> Vec<u64> {
        forgettable(kept, 30, on(START + now))
    }

    #[test]
    fn what_is_older_than_the_limit_goes_the_oldest_first() {
        let kept = kept(0..140);
        assert_eq!(after(&kept, 140), (1..=40).collect::<Vec<_>>());
        assert_eq!(forgettable(&kept, 0, on(START + 9999)), Vec::<u64>::new());
        assert_eq!(forgettable(&kept, 139, on(START + 140)), Vec::<u64>::new());
    }

    #[test]
    fn the_newest_stay_however_old_they_are() {
        assert_eq!(after(&kept(0..100), 9999), Vec::<u64>::new());
        assert_eq!(after(&kept(0..103), 9999), [1, 2, 3]);
    }

    #[test]
    fn a_state_is_as_old_as_what_came_after_it() {
        // The first was on disk for 200 days, until something replaced it 10 days ago.
        let kept = kept([0].into_iter().chain((200..210).flat_map(|day| [day; 20])));
        assert_eq!(after(&kept, 211), Vec::<u64>::new());
    }

    #[test]
    fn a_clock_that_jumps_ahead_makes_nothing_old() {
        let mut jumped = kept((0..200).map(|at| at / 20));
        assert_eq!(after(&jumped, 3650), Vec::<u64>::new());
        jumped.push(Kept { number: 201, at: on(START + 3650) });
        assert_eq!(after(&jumped, 3651), Vec::<u64>::new());
    }

    #[test]
    fn a_clock_that_runs_backwards_makes_nothing_old() {
        let kept = kept((0..200).rev());
        assert_eq!(after(&kept, 0), Vec::<u64>::new());
        let never_set: Vec<Kept> = (1..=200).map(|number| Kept { number, at: on(0) }).collect();
        assert_eq!(forgettable(&never_set, 30, on(START)), Vec::<u64>::new());
    }

    #[test]
    fn a_state_from_a_clock_that_was_ahead_waits_for_its_time() {
        let mut kept = kept(0..160);
        kept[3].at = on(START + 3650);
        let gone = after(&kept, 160);
        assert!(!gone.contains(&4) && !gone.contains(&3) && gone.contains(&5), "{gone:?}");
    }

    #[test]
    fn one_run_forgets_a_part_only() {
        assert_eq!(after(&kept(0..400), 9999).len(), FEW);
        assert_eq!(after(&kept(0..2000), 9999).len(), 200);
    }
}
